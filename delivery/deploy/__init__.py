"""`converge deploy`: the plan of what runs, its approval, the update, the smoke test, and the record of it."""
