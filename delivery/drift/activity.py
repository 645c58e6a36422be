"""Who changed a resource of Azure, where that can be found out; never a reason to fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from delivery.azure.errors import AzureError
from delivery.drift.resources import Resource

_API_VERSION = "2015-04-01"
_KEPT = timedelta(days=89)
"""The activity log has ninety days; one that asks for more is refused."""
_DONE = ("Succeeded", "Accepted", "Started")


@dataclass(frozen=True)
class Activity:
    """Who changed a resource last."""

    by: str
    at: str


class ActivityLog(Protocol):
    """The part of `Arm` that is needed."""

    def list(self, path: str, api_version: str, **parameters: str) -> list[dict[str, Any]]:
        """All items of a collection."""
        ...


@dataclass
class Callers:
    """Asks Azure's activity log and what Resource Manager keeps with a resource.

    Attributes:
        log: None where there is none: the simulated Azure, no login.
        notes: why it could not be asked, each reason once.
    """

    log: ActivityLog | None
    now: datetime
    notes: list[str] = field(default_factory=list)

    def who_changed(self, resource: Resource) -> Activity | None:
        """Who changed it after the last deployment did; None when that is not known."""
        if not resource.kind.startswith("azure-native:"):
            return None
        return self._logged(resource) or _kept(resource)

    def _logged(self, resource: Resource) -> Activity | None:
        subscription = resource.id.split("/")[2:3] if resource.id.lower().startswith("/subscriptions/") else []
        if self.log is None or not subscription:
            return None
        since = max(self.now - _KEPT, resource.modified or datetime.min.replace(tzinfo=UTC))
        wanted = (
            f"eventTimestamp ge '{_time(since)}' and eventTimestamp le '{_time(self.now)}' and resourceUri eq '{resource.id.replace(chr(39), chr(39) * 2)}'"
        )
        path = f"/subscriptions/{subscription[0]}/providers/Microsoft.Insights/eventtypes/management/values"
        try:
            events = self.log.list(path, _API_VERSION, **{"$filter": wanted})
        except AzureError as error:
            # The first answer holds for the others, too: no login, no right, no network.
            self.log = None
            self.notes.append(f"who changed what is not known: {error}")
            return None
        found = [Activity(str(event.get("caller", "")), str(event.get("eventTimestamp", ""))) for event in events if _changes(event)]
        return max((one for one in found if one.by), key=lambda one: one.at, default=None)


def _changes(event: Mapping[str, Any]) -> bool:
    operation, status = (str((event.get(name) or {}).get("value", "")) for name in ("operationName", "status"))
    return operation.lower().endswith(("/write", "/delete", "/action")) and status in _DONE


def _kept(resource: Resource) -> Activity | None:
    """Who wrote it last, where its service keeps that and it was after the last deployment."""
    before, now = (tree.get("systemData") if tree else None for tree in (resource.outputs, resource.now))
    if not isinstance(now, Mapping) or not now.get("lastModifiedBy"):
        return None
    changed = not isinstance(before, Mapping) or before.get("lastModifiedAt") != now.get("lastModifiedAt")
    return Activity(str(now["lastModifiedBy"]), str(now.get("lastModifiedAt", ""))) if changed else None


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
