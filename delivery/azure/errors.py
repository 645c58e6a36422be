"""Errors that a user sees when Azure is asked."""

from delivery.errors import DeliveryError


class AzureError(DeliveryError):
    """One message for the user: what is wrong, where, and what to do about it."""


class RefusedError(AzureError):
    """Azure answered, and refused.

    Attributes:
        status: of HTTP.
        code: Azure's own word for it, such as `AuthorizationFailed`; empty when the answer had none.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
