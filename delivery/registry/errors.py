"""Errors that a user sees when a registry is asked."""

from delivery.errors import DeliveryError


class RegistryError(DeliveryError):
    """One message for the user: which registry, what it said, and what to do about it."""


class NotKnownError(RegistryError):
    """Nobody can say what the registry has: it is a simulated one."""
