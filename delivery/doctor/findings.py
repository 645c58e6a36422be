"""What a check finds."""

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How it is."""

    OK = "ok"
    NOT_YET = "not there yet"
    """What an update makes by itself; no fault before the first one."""
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    check: str
    status: Status
    message: str
    command: str = ""
    """What mends it; empty when there is nothing to mend."""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check=check, status=Status.OK, message=message)


def not_yet(check: str, message: str) -> Finding:
    """An update will make it."""
    return Finding(check=check, status=Status.NOT_YET, message=message)


def warning(check: str, message: str, command: str = "") -> Finding:
    """An update may work, or works and should not be like that."""
    return Finding(check=check, status=Status.WARNING, message=message, command=command)


def failure(check: str, message: str, command: str) -> Finding:
    """An update would fail, or already does."""
    return Finding(check=check, status=Status.FAILURE, message=message, command=command)
