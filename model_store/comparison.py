"""What differs between two versions of a model, for people and for programs."""

from dataclasses import dataclass
from typing import Any

from rich.filesize import decimal

from model_store import layout
from model_store.lock import LockedModel
from model_store.manifest import LockedFile

_SHOWN_OF_HASH = 12


@dataclass(frozen=True)
class Comparison:
    """Two locked versions, before and after."""

    before: LockedModel
    after: LockedModel

    @property
    def title(self) -> str:
        """As `digits v1 -> v2`, with both names when the model is another one."""
        left = f"{self.before.name} v{self.before.version}"
        right = f"v{self.after.version}" if self.before.name == self.after.name else f"{self.after.name} v{self.after.version}"
        return f"{left} -> {right}"

    def metrics(self) -> dict[str, tuple[float | None, float | None]]:
        """Every metric of either version; None where one does not have it."""
        names = sorted(self.before.metrics.keys() | self.after.metrics.keys())
        return {name: (self.before.metrics.get(name), self.after.metrics.get(name)) for name in names}

    def lines(self) -> list[str]:
        """One line per thing that differs, and per metric in any case."""
        changed = [file for file in layout.CONTENT if self.before.files[file] != self.after.files[file]]
        return [
            *(f"metric {name}: {_metric(*values)}" for name, values in self.metrics().items()),
            *(f"{file}: {_file(self.before.files[file], self.after.files[file])}" for file in changed),
            *self._signature("inputs"),
            *self._signature("outputs"),
        ]

    def as_json(self) -> dict[str, Any]:
        """For programs: both versions, and which parts differ."""
        return {
            "before": self.before.model_dump(mode="json"),
            "after": self.after.model_dump(mode="json"),
            "metrics": {
                name: {"before": old, "after": new, "delta": None if old is None or new is None else new - old} for name, (old, new) in self.metrics().items()
            },
            "files_changed": [file for file in layout.CONTENT if self.before.files[file] != self.after.files[file]],
            "signature_changed": (self.before.inputs, self.before.outputs) != (self.after.inputs, self.after.outputs),
        }

    def _signature(self, side: str) -> list[str]:
        old, new = getattr(self.before, side), getattr(self.after, side)
        return [] if old == new else [f"{side}: {', '.join(map(str, old))} -> {', '.join(map(str, new))}"]


def _metric(old: float | None, new: float | None) -> str:
    if old is None or new is None:
        return f"{'none' if old is None else f'{old:.6g}'} -> {'none' if new is None else f'{new:.6g}'}"
    return f"{old:.6g} (unchanged)" if old == new else f"{old:.6g} -> {new:.6g} ({new - old:+.3g})"


def _file(old: LockedFile, new: LockedFile) -> str:
    return f"{decimal(old.size)} -> {decimal(new.size)}, sha256 {old.sha256[:_SHOWN_OF_HASH]} -> {new.sha256[:_SHOWN_OF_HASH]}"
