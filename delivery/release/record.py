"""What is kept of a deployment: one record, written once and never changed."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from model_store import LockedModel, Pin
from model_store.documents import Document, Sha256, Text
from model_store.manifest import Moment, Name

ID_PATTERN = r"^[0-9]{8}T[0-9]{6}Z(-[0-9]+)?$"
STACK_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
_MOST_REASON = 3500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(strict=True, ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Outcome(StrEnum):
    """How a deployment ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The update stopped, or the smoke test did not pass; what ran before may still run."""

    ROLLED_BACK = "rolled back"
    """It failed, and the release before was deployed again at once; a record of its own tells of that."""


class Check(Document):
    """One thing that a smoke test looked at.

    Attributes:
        name: such as `ready`, `metadata`, `golden requests`, `latency`.
        passed: None when it could not be looked at, which is no failure.
        text: what was found, for people.
    """

    name: Text
    passed: bool | None
    text: Text


class SmokeResult(Document):
    """What a smoke test found of one service.

    Attributes:
        slowest_milliseconds: slowest answer to a golden request; None when none was sent.
    """

    checks: tuple[Check, ...]
    slowest_milliseconds: Annotated[float, Field(ge=0)] | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(check.passed is not False for check in self.checks)


class ReleasedService(Document):
    """What one service runs since the deployment.

    Attributes:
        image: <registry>/<repository>@sha256:<digest>.
        pinned: the lock named the image; otherwise it was built from the commit.
        pin: why it stays there, when somebody had gone back to it.
        app: folder of the app.
        app_commit: last commit that touched the app's folder, of those that the image was built from; None when that is not known.
        smoke: None when none was made.
    """

    model: LockedModel
    image: Annotated[str, Field(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")]
    pinned: bool = False
    pin: Pin | None = None
    namespace: Name
    app: Text
    app_commit: Commit | None = None
    smoke: SmokeResult | None = None

    @property
    def digest(self) -> str:
        """sha256:<digest> of the image."""
        return self.image.rpartition("@")[2]

    @property
    def repository(self) -> str:
        """<registry>/<repository>."""
        return self.image.rpartition("@")[0]


class Record(Document):
    """A deployment of one stack.

    Attributes:
        schema_version: counts up when a field changes its meaning.
        id: when it began, such as 20261124T231847Z; unique within the stack.
        reason: why it failed, or why it was made (a promotion's reason, what a roll-back goes back to); empty for a usual one.
        by: who deployed, as people know them.
        approved_by: who let it pass; None when nobody had to.
        commit: that was deployed.
        dirty: the working tree had changes that no commit holds.
        lock_commit: last commit that touched the stack's lock; None when that is not known.
        pull_request: number or URL of the pull request that brought the commit; None when there was none or it is not known.
        run: URL of the pipeline's run; None on a laptop.
        plan_sha256: of the plan that was carried out (delivery.deploy); None when the deployment ended before there was one.
        resource_changes: how many resources per operation of the engine: create, update, replace, delete, same.
        services: what runs after it, by service. After an update that failed: what ran before, as far as it is known.
        previous: id of the newest release of this stack before it that succeeded; None for the first.
    """

    schema_version: int = 1
    id: Annotated[str, Field(pattern=ID_PATTERN)]
    stack: Annotated[str, Field(pattern=STACK_PATTERN)]
    outcome: Outcome
    reason: Annotated[str, Field(max_length=4000)] = ""
    started_at: Moment
    finished_at: Moment
    duration_seconds: Seconds
    by: Text
    approved_by: Text | None = None
    commit: Commit
    dirty: bool = False
    lock_commit: Commit | None = None
    pull_request: Text | None = None
    run: Text | None = None
    plan_sha256: Sha256 | None = None
    resource_changes: dict[Text, Count] = Field(default_factory=dict)
    services: dict[Name, ReleasedService] = Field(default_factory=dict)
    previous: Annotated[str, Field(pattern=ID_PATTERN)] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether what it deployed serves."""
        return self.outcome is Outcome.SUCCEEDED


def id_of(started: datetime) -> str:
    """The id of a deployment that began then (UTC)."""
    return started.strftime("%Y%m%dT%H%M%SZ")


def one_line(text: str) -> str:
    """Any text, also an engine's output, as a `reason` can hold it: one line, not too long."""
    plain = " ".join(_CONTROL.sub(" ", text).split())
    return plain if len(plain) <= _MOST_REASON else f"{plain[:_MOST_REASON]}..."
