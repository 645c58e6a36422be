"""What of a stack is not as the last deployment left it, and whether people or Azure itself changed it."""
