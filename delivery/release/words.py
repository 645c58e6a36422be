"""How releases are told: the same on the branch's page, on a terminal and in a log."""

from datetime import datetime

from delivery.release.record import Record, ReleasedService

_DIGITS_OF_A_DIGEST = 12
_DIGITS_OF_A_COMMIT = 7


def when(moment: datetime) -> str:
    """To the minute, in UTC, as records have it."""
    return moment.strftime("%Y-%m-%d %H:%M")


def commit(record: Record) -> str:
    """The commit, short; with `+` when there were changes that no commit holds."""
    return record.commit[:_DIGITS_OF_A_COMMIT] + ("+" if record.dirty else "")


def model(name: str, service: ReleasedService) -> str:
    """Model and version; with the service's name where that is another one."""
    text = f"{service.model.name} v{service.model.version}"
    return text if name == service.model.name else f"{name}: {text}"


def digest(service: ReleasedService) -> str:
    """The digest of the image, short."""
    return service.digest.removeprefix("sha256:")[:_DIGITS_OF_A_DIGEST]


def shortened(text: str, most: int) -> str:
    """The beginning of a text that may be a page long."""
    return text if len(text) <= most else f"{text[: most - 3].rstrip()}..."
