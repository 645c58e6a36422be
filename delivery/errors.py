"""Errors around a deployment that a user sees."""


class DeliveryError(Exception):
    """One message for the user: what is wrong, where, and what to do about it."""
