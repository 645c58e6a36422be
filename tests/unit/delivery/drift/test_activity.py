"""Who changed a resource of Azure."""

from datetime import UTC, datetime
from typing import Any

from delivery.azure.errors import AzureError
from delivery.drift.activity import Activity, Callers
from tests.unit.delivery.drift.stacks import resources, step

NOW = datetime(2026, 11, 25, tzinfo=UTC)
(ACCOUNT,) = resources(step("azure-native:storage:StorageAccount", "a", {}, {"x": 1}, id="/subscriptions/7/resourceGroups/it's/providers/a"))


class Log:
    def __init__(self, *events: dict[str, Any], error: str = "") -> None:
        self.events, self.error, self.asked = list(events), error, list[tuple[str, dict[str, str]]]()

    def list(self, path: str, api_version: str, **parameters: str) -> list[dict[str, Any]]:
        assert api_version == "2015-04-01"
        self.asked.append((path, parameters))
        if self.error:
            raise AzureError(self.error)
        return self.events


def event(caller: str, at: str, operation: str = "Microsoft.Storage/storageAccounts/write", status: str = "Succeeded") -> dict[str, Any]:
    return {"caller": caller, "eventTimestamp": at, "operationName": {"value": operation}, "status": {"value": status}}


def test_the_newest_change_counts_and_reading_and_failing_do_not():
    log = Log(
        event("first@x", "2026-11-24T11:00:00Z"),
        event("anna@x", "2026-11-24T12:00:00Z"),
        event("reader@x", "2026-11-24T13:00:00Z", operation="Microsoft.Storage/storageAccounts/read"),
        event("failed@x", "2026-11-24T14:00:00Z", status="Failed"),
        event("", "2026-11-24T15:00:00Z"),
    )
    assert Callers(log, NOW).who_changed(ACCOUNT) == Activity("anna@x", "2026-11-24T12:00:00Z")
    ((path, parameters),) = log.asked
    assert path == "/subscriptions/7/providers/Microsoft.Insights/eventtypes/management/values"
    # Since the last deployment changed it; the quote in its id ends no string.
    assert parameters == {
        "$filter": "eventTimestamp ge '2026-11-24T10:00:00Z' and eventTimestamp le '2026-11-25T00:00:00Z' "
        "and resourceUri eq '/subscriptions/7/resourceGroups/it''s/providers/a'"
    }


def test_no_more_is_asked_for_than_the_log_has():
    (old,) = resources(step("azure-native:storage:StorageAccount", "a", {}, {"x": 1}, id="/subscriptions/7/a", modified="2025-01-01T00:00:00Z"))
    log = Log()
    assert Callers(log, NOW).who_changed(old) is None
    assert "ge '2026-08-28T00:00:00Z'" in log.asked[0][1]["$filter"]


def test_no_login_is_told_once_and_is_no_failure():
    log = Log(error="not logged in at Azure")
    callers = Callers(log, NOW)
    assert callers.who_changed(ACCOUNT) is None
    assert callers.who_changed(ACCOUNT) is None
    assert len(log.asked) == 1
    assert callers.notes == ["who changed what is not known: not logged in at Azure"]


def test_what_resource_manager_keeps_does_where_there_is_no_log():
    before, now = ({"systemData": {"lastModifiedBy": who, "lastModifiedAt": at}} for who, at in (("us", "1"), ("ben@x", "2")))
    (changed,) = resources(step("azure-native:containerregistry:Registry", "r", before, now))
    assert Callers(None, NOW).who_changed(changed) == Activity("ben@x", "2")
    (same,) = resources(step("azure-native:containerregistry:Registry", "r", before, {**before, "x": 1}))
    assert Callers(None, NOW).who_changed(same) is None


def test_kubernetes_objects_are_not_in_azures_log():
    log = Log()
    (one,) = resources(step("kubernetes:core/v1:Service", "s", {}, {"x": 1}, id="default/s"))
    assert Callers(log, NOW).who_changed(one) is None
    assert log.asked == []
