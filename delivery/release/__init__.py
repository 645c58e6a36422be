"""Releases: what was deployed, when, by whom and why; and the way back."""
