"""What `converge drift` found, for people and programs."""

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DriftedValue(_Part):
    """One value that differs.

    Attributes:
        was: as the last deployment left it; None when it was not there.
        now: None when it is not there any more.
        declared: a deployment that refreshes first would set it again, or take it away again.
        by, at: who set it and when, as far as Kubernetes keeps it.
        reason, source: why it is nobody's change, and where that is documented; empty for people's.
    """

    path: str
    was: str | None
    now: str | None
    declared: bool
    by: str = ""
    at: str = ""
    reason: str = ""
    source: str = ""


class DriftedResource(_Part):
    """One resource that is not as the last deployment left it.

    Attributes:
        gone: it is not there any more.
        by, at: who changed it last and when, as far as Azure's activity log or Resource Manager tells.
        advice: what to do about it; empty when nothing is to be done.
    """

    type: str
    name: str
    component: str
    id: str
    gone: bool = False
    values: tuple[DriftedValue, ...] = ()
    by: str = ""
    at: str = ""
    advice: str = ""


class DriftReport(_Part):
    """What of a stack is not as the last deployment left it.

    Attributes:
        people: what somebody changed. Also of such a resource only the values that no rule explains.
        azure: what Azure and Kubernetes changed by themselves.
        unchanged: how many resources are as they were left.
        notes: what could not be found out.
    """

    stack: str
    people: tuple[DriftedResource, ...]
    azure: tuple[DriftedResource, ...]
    unchanged: int
    notes: tuple[str, ...] = ()
