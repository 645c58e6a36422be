"""What is known about a published version: the store's manifest.json, and model.json of which it is made."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from model_store import layout
from model_store.documents import Document, Number, Sha256, Text, not_empty
from model_store.tensors import Tensor, unique


def _whole_seconds_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _exactly(*names: str) -> AfterValidator:
    def check(files: dict[str, "LockedFile"]) -> dict[str, "LockedFile"]:
        if set(files) != set(names):
            raise ValueError(f"must name exactly {', '.join(names)}, got {', '.join(sorted(files)) or 'nothing'}")
        return files

    return AfterValidator(check)


class LockedFile(Document):
    """A file's content by its hash, and its size in bytes."""

    sha256: Sha256
    size: Annotated[int, Field(strict=True, ge=1)]


Name = Annotated[str, Field(pattern=layout.NAME_PATTERN)]
Version = Annotated[int, Field(strict=True, ge=1, le=layout.HIGHEST_VERSION)]
Tensors = Annotated[tuple[Tensor, ...], AfterValidator(not_empty), AfterValidator(unique)]
Metrics = dict[Text, Number]
Moment = Annotated[AwareDatetime, AfterValidator(_whole_seconds_utc)]
ContentFiles = Annotated[dict[str, LockedFile], _exactly(*layout.CONTENT)]
AllFiles = Annotated[dict[str, LockedFile], _exactly(*layout.FILES)]


class TrainingData(Document):
    """The data set a model was trained on, by its fingerprint."""

    name: Text
    rows: Annotated[int, Field(strict=True, ge=0)]
    sha256: Sha256


class Training(Document):
    """How to make the model again; no commit when the training code had changes that no commit holds."""

    command: Text
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")] | None
    data: TrainingData


class ModelDescription(Document):
    """model.json, as training writes it."""

    format: Literal["onnx"]
    opset: Annotated[int, Field(strict=True, ge=1)]
    inputs: Tensors
    outputs: Tensors
    metrics: Metrics
    training: Training


class Manifest(ModelDescription):
    """manifest.json of a published version. A version exists when its manifest does."""

    model: Name
    version: Version
    files: ContentFiles
    created_at: Moment
    created_by: Text

    @property
    def content_size(self) -> int:
        """Bytes of model and golden requests together."""
        return sum(file.size for file in self.files.values())
