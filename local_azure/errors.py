"""Errors of the sandbox that a user sees."""


class LocalAzureError(Exception):
    """One message for the user: what is wrong, where, and what to do about it."""
