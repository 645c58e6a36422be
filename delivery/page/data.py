"""What the page's script knows of each release, as JSON that no text in it can leave."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from delivery.release.record import Record, ReleasedService

Present = Mapping[str, bool | None]
"""By digest, whether the registry has an image; None when that is not known."""

_LEFT_OUT = frozenset({"files", "inputs", "outputs"})


def embedded(records: Sequence[Record], present: Present) -> str:
    """The releases for a script element: neither `</script>` nor `<!--` can stand in it."""
    models: dict[str, dict[str, Any]] = {}
    releases = [_release(record, models, present) for record in records]
    text = json.dumps({"models": models, "releases": releases}, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _release(record: Record, models: dict[str, dict[str, Any]], present: Present) -> dict[str, Any]:
    values = record.model_dump(mode="json", exclude={"services", "schema_version"}, exclude_defaults=True)
    return {
        **values,
        "outcome": str(record.outcome),
        "services": {name: _service(service, models, present) for name, service in sorted(record.services.items())},
    }


def _service(service: ReleasedService, models: dict[str, dict[str, Any]], present: Present) -> dict[str, Any]:
    model = service.model
    key = f"{model.name} v{model.version} {model.sha256[:12]}"
    if key not in models:
        # Once, not in every release that ran it.
        sizes = {"sha256": model.sha256, "bytes": sum(file.size for file in model.files.values())}
        models[key] = {**model.model_dump(mode="json", exclude=set(_LEFT_OUT)), **sizes}
    values = service.model_dump(mode="json", exclude={"model"}, exclude_defaults=True)
    return {**values, "model": key, "present": present.get(service.digest)}
