"""Faults on demand: what goes wrong in the simulated Azure, read from `<sandbox>/arm/faults.json` before every call (docs/simulated-faults.md)."""

import hashlib
import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from local_azure.arm.clock import Clock
from local_azure.arm.errors import ArmError
from local_azure.arm.known_errors import ROLES, Call, KnownError, known_error

FILE = "faults.json"
Operation = Literal["create", "update", "delete", "read"]


class _Entry(BaseModel):
    """Written in camelCase; a key that does not exist is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class LateGrant(_Entry):
    """Role assignments that exist at once and take effect later, or never."""

    role: str = "*"
    """Name or GUID of a built-in role, or a pattern."""
    scope: str = "*"
    """Pattern of the scope's resource id; case does not matter."""
    late: Annotated[float, Field(ge=0)] | Literal["never"]
    """Simulated seconds after the assignment was created."""

    def concerns(self, role: str, scope: str) -> bool:
        """Whether it is about a grant of the role with this GUID on this scope."""
        names = (role, ROLES.get(role.lower(), role))
        return any(_matches(self.role, name) for name in names) and _matches(self.scope, scope)


class Failure(_Entry):
    """Calls that fail."""

    error: KnownError | None = None
    """One of the kinds whose code and words are known; or give `code`, `message` and `status`."""
    code: str | None = None
    message: str | None = None
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    type: str = "*"
    """Pattern of ARM's type, such as `Microsoft.ContainerService/managedClusters`."""
    name: str = "*"
    """Pattern of the resource's own name, the last part of its id."""
    on: Sequence[Operation] = ("create",)
    """Calls that it is about."""
    times: Annotated[int, Field(ge=1)] | Literal["always"] = 1
    """How many calls fail. What the plugin repeats by itself counts each time, as in Azure."""
    retry_after: Annotated[float, Field(gt=0)] | None = None
    """Seconds in the Retry-After header."""

    @model_validator(mode="after")
    def _says_what_fails(self) -> "Failure":
        if self.error is None and not (self.code and self.message):
            raise ValueError("give `error`, or `code` and `message`")
        return self

    def concerns(self, operation: Operation, arm_type: str, name: str) -> bool:
        """Whether it is about such a call."""
        return operation in self.on and _matches(self.type, arm_type) and _matches(self.name, name)


class Faults(_Entry):
    """Everything that goes wrong. An empty file, and none, means nothing does."""

    clock: Annotated[float, Field(gt=0)] = 1.0
    """Simulated seconds per second of the machine."""
    delay: Annotated[float, Field(ge=0)] = 0.0
    """Simulated seconds that every create and update takes, after the resource exists."""
    grants: Sequence[LateGrant] = ()
    failures: Sequence[Failure] = ()
    refuse_existing: bool = False
    """Whether a create that was cut off is refused when it is repeated, as the azure-native plugin refuses it."""

    def late(self, role: str, scope: str) -> float | None:
        """Seconds until a grant takes effect; None when it never does. The first entry that fits decides."""
        for entry in self.grants:
            if entry.concerns(role, scope):
                return None if entry.late == "never" else entry.late
        return 0.0

    @property
    def time(self) -> Clock:
        return Clock(self.clock)


class FaultBox:
    """The faults of one sandbox, and how often each has struck."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._counts = folder / "faults-struck.json"
        self._lock = FileLock(folder / "faults.lock")

    def read(self) -> Faults:
        """What the file says now.

        Raises:
            ArmError: it is wrong; the message names every problem.
        """
        if not self._path.exists():
            return Faults()
        try:
            return Faults.model_validate_json(self._path.read_bytes() or b"{}")
        except ValidationError as error:
            problems = [f"{_path(one['loc'])}: {one['msg']}" for one in error.errors()]
            raise ArmError("InvalidFaults", f"{self._path} has {len(problems)} problems (docs/simulated-faults.md): {'; '.join(problems)}") from error

    def strike(self, operation: Operation, call: Call) -> ArmError | None:
        """The failure of this call, and counts it; None when it succeeds."""
        name = call.identifier.rsplit("/", 1)[-1]
        for entry in self.read().failures:
            if entry.concerns(operation, call.arm_type, name) and self._counted(entry):
                return _error_of(entry, call)
        return None

    def _counted(self, entry: Failure) -> bool:
        """Whether the entry has not struck as often as it may; then once more. An entry that is changed starts anew."""
        if entry.times == "always":
            return True
        key = hashlib.sha256(entry.model_dump_json().encode()).hexdigest()[:16]
        with self._lock:
            counts: dict[str, int] = json.loads(self._counts.read_text()) if self._counts.exists() else {}
            if counts.get(key, 0) >= entry.times:
                return False
            counts[key] = counts.get(key, 0) + 1
            partial = self._counts.with_suffix(".tmp")
            partial.write_text(json.dumps(counts))
            partial.replace(self._counts)
        return True


def _error_of(entry: Failure, call: Call) -> ArmError:
    known = known_error(entry.error, call) if entry.error else ArmError("", "")
    return type(known)(
        entry.code or known.code,
        entry.message or known.message,
        entry.status or known.status,
        known.retry_after if entry.retry_after is None else entry.retry_after,
    )


def _matches(pattern: str, text: str) -> bool:
    return fnmatchcase(text.lower(), pattern.lower())


def _path(location: tuple[int | str, ...]) -> str:
    """`failures[0].times`, without the names of a union's branches."""
    parts = [part for part in location if isinstance(part, int) or part.isidentifier()]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
