"""What a container holds: which versions exist, and which were begun only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from model_store import layout
from model_store.blobs import Blob


@dataclass(frozen=True)
class Catalog:
    """A listing, sorted: size of each blob by model, version and file name."""

    models: Mapping[str, Mapping[int, Mapping[str, int]]]

    @classmethod
    def of(cls, blobs: Iterable[Blob]) -> "Catalog":
        """Blobs that are no part of the layout are passed over."""
        models: dict[str, dict[int, dict[str, int]]] = {}
        for blob in blobs:
            path = layout.parse_blob_name(blob.name)
            if path:
                models.setdefault(path.model, {}).setdefault(path.version, {})[path.file] = blob.size
        return cls({model: dict(sorted(versions.items())) for model, versions in sorted(models.items())})

    def published(self, model: str) -> list[int]:
        """Versions that exist, lowest first: those whose manifest does."""
        return [version for version, files in self.models.get(model, {}).items() if layout.MANIFEST in files]

    def with_a_version(self) -> list[str]:
        """Models that have at least one published version."""
        return [model for model in self.models if self.published(model)]

    def next_version(self, model: str) -> int:
        """One above the highest that anybody began, published or not: a number is never used twice."""
        return max(self.models.get(model, {}), default=0) + 1

    def with_sizes(self, model: str, sizes: Mapping[str, int]) -> list[int]:
        """Published versions whose files have these sizes, highest first."""
        versions = self.models.get(model, {})
        return [version for version in reversed(self.published(model)) if all(versions[version].get(file) == size for file, size in sizes.items())]


def ranges(versions: list[int]) -> str:
    """Sorted versions as people write them: 1, 3-7, 9."""
    starts = [version for before, version in pairwise([-1, *versions]) if version != before + 1]
    ends = [version for version, after in pairwise([*versions, -1]) if after != version + 1]
    return ", ".join(str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True))
