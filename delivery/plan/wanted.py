"""What a plan needs to know of a stack's settings.

Read as they stand, not as the program reads them: that has checked them by then, and its own reader refuses what is encrypted here and plain there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_SERVICES, _BASE_IMAGE, _DELIVERY = "converge:services", "converge:baseImage", "converge:delivery"
_APP = "app_template"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A part of a stack's settings.

    Attributes:
        apps: the folder of each service's app.
        base_image: that they are built on.
        better: of each metric that a gate knows, `higher` or `lower`.
    """

    apps: Mapping[str, str] = field(default_factory=dict)
    base_image: str | None = None
    better: Mapping[str, str] = field(default_factory=dict)


def wanted(stack_file: str, project_file: str = "") -> Wanted:
    """What the content of a stack's file says, and of the project's where that has a default."""
    config, project = _config(stack_file), _config(project_file)
    default = project.get(_SERVICES)
    services = config.get(_SERVICES) or (default.get("default") if isinstance(default, dict) else None) or []
    image, delivery = config.get(_BASE_IMAGE), config.get(_DELIVERY)
    gates = delivery.get("gates") if isinstance(delivery, dict) else None
    return Wanted(
        apps={str(service["name"]): str(service.get("app", _APP)) for service in _with_name(services)},
        base_image=image if isinstance(image, str) else None,
        better={str(gate["name"]): str(gate.get("better", "higher")) for gate in _with_name(gates)},
    )


def of_checkout(checkout: Path, stack: str) -> Wanted:
    """What the files of a checkout say; nothing where they cannot be read."""
    stack_file, project = checkout / f"Pulumi.{stack}.yaml", checkout / "Pulumi.yaml"
    return wanted(*(path.read_text(errors="replace") if path.is_file() else "" for path in (stack_file, project)))


def _config(text: str) -> dict[str, Any]:
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    config = document.get("config") if isinstance(document, dict) else None
    return config if isinstance(config, dict) else {}


def _with_name(entries: Any) -> Iterator[dict[str, Any]]:
    yield from (entry for entry in entries if isinstance(entry, dict) and "name" in entry) if isinstance(entries, list) else ()
