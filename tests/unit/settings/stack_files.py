"""The project's own Pulumi files, and their values as Pulumi hands them to the program."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
PREFIX = "converge:"


def project_keys() -> dict[str, dict[str, Any]]:
    """What Pulumi.yaml declares, by key without namespace."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    return {key.removeprefix(PREFIX): declared[key] for key in declared if key.startswith(PREFIX)}


def stack_values(stack: str) -> dict[str, Any]:
    """What a committed stack file says, with namespaces."""
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]


def as_pulumi_does(values: Mapping[str, Any]) -> dict[str, str]:
    """Everything is text; what was no text in YAML is JSON in it. Defaults of the project are there unless the stack says otherwise."""
    defaults = {f"{PREFIX}{key}": declared["default"] for key, declared in project_keys().items() if "default" in declared}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in {**defaults, **values}.items()}
