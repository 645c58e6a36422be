"""What a plan says about models, apps, pods and pins, as data."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from delivery.predictions.result import Predictions


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ModelVersion(_Frozen):
    """A version as its lock has it.

    Attributes:
        sha256: of model.onnx.
        size: of model.onnx, in bytes.
    """

    name: str
    version: int
    sha256: str
    size: int
    published_at: datetime
    published_by: str


class MetricChange(_Frozen):
    """One metric of both versions.

    Attributes:
        before: None where the version does not have it.
        verdict: `better`, `worse` or, when the stack's gates say nothing about the metric or nothing changed, empty.
    """

    name: str
    before: float | None = None
    after: float | None = None
    verdict: str = ""


class ModelChange(_Frozen):
    """A service that runs another model, its first one, or none any more.

    Attributes:
        before: None: it is the first one.
        after: None: it is taken away.
        files: those of the version that differ.
        signature: a line per side (inputs, outputs) that differs.
        predictions: what it does to predictions, when both versions could be had.
        predictions_unknown: why they could not be compared; empty when nobody asked, or they were.
    """

    service: str
    before: ModelVersion | None = None
    after: ModelVersion | None = None
    metrics: tuple[MetricChange, ...] = ()
    files: tuple[str, ...] = ()
    signature: tuple[str, ...] = ()
    predictions: Predictions | None = None
    predictions_unknown: str = ""


class Commit(_Frozen):
    """One commit, for people."""

    sha: str
    subject: str
    author: str


class Layer(_Frozen):
    """A layer of an image that is expected to be another one, and what changes it."""

    name: str
    why: tuple[str, ...]


class Image(StrEnum):
    """Where a service's image comes from."""

    BUILT = "built"
    """Built by the update."""

    PINNED = "pinned"
    """The lock names the one that runs already; nothing is built."""

    BROUGHT = "brought"
    """The lock names another one that was built before; nothing is built."""

    UNCHANGED = "unchanged"
    """Nothing that goes into it changes, so nothing is built."""


class AppChange(_Frozen):
    """A service whose app or image changes.

    Attributes:
        folder: of the app.
        since: what the commits are counted from.
        commits: newest first, at most ten.
        more_commits: how many more there are.
        back: the commits are those that are taken back: somebody goes back to an older image.
        uncommitted: files of the folder that are in no commit as they are now.
        contract: a line per side of the app's contract that differs.
        layers: of the image, expected to change.
    """

    service: str
    folder: str
    since: str
    commits: tuple[Commit, ...] = ()
    more_commits: int = 0
    back: bool = False
    uncommitted: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    image: Image = Image.UNCHANGED
    layers: tuple[Layer, ...] = ()


class Pods(StrEnum):
    """What happens to the pods of a service."""

    NEW = "new"
    REPLACED = "replaced"
    MAY_BE_REPLACED = "may be replaced"
    """Only if a value that an update will know turns out to be another one than now."""

    GONE = "gone"
    STAY = "stay"


class Roll(_Frozen):
    """What happens to a service's pods.

    Attributes:
        why: what of the pods changes: image, model, or settings by name.
    """

    service: str
    pods: Pods
    why: tuple[str, ...] = ()


class PinnedService(_Frozen):
    """A service whose lock names an image that was built before.

    Attributes:
        release: id of the release that somebody went back to; empty when a promotion brought the image.
        new: it did not run before.
    """

    service: str
    image: str
    new: bool = False
    release: str = ""
    reason: str = ""
    by: str = ""
    at: datetime | None = None
