"""`converge plan`: what a change does to a stack, found out without credentials and without anything that runs."""
