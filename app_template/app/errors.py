"""What a caller is told instead of a prediction. Every transport turns these into its own: HTTP a status, gRPC a code."""


class RequestError(Exception):
    """A request without an answer; the text is the caller's, so it says what was wrong and what is allowed."""

    status = 500  # HTTP
    retry_after: int | None = None  # seconds


class InvalidRequestError(RequestError):
    """The request is wrong, whoever sends it and however often."""

    status = 400


class UnauthorizedError(RequestError):
    """Nobody knows who calls."""

    status = 401


class ForbiddenError(RequestError):
    """It is known who calls, and that is nobody who may."""

    status = 403


class NotFoundError(RequestError):
    """There is no such model, version or path."""

    status = 404


class TimedOutError(RequestError):
    """The caller took too long to send it."""

    status = 408


class TooLargeError(RequestError):
    """More bytes than are read."""

    status = 413


class UnavailableError(RequestError):
    """Not now: too much is waiting already, or the service is about to end. Another try may be answered."""

    status = 503

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
