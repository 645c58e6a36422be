"""What surrounds a deployment: the plan that a reviewer reads before it."""
