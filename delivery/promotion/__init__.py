"""Promoting a model: what its gates say, and how the change of the lock gets into the repository."""
