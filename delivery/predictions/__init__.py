"""What a change of model or image does to predictions: the same inputs through the old and the new one."""
