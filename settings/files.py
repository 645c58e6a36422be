"""A stack's settings as its file has them: for commands around the program, which run without Pulumi."""

import json
from pathlib import Path

import yaml
from pydantic import ValidationError

from settings.messages import SettingsError, messages, report
from settings.schema import StackSettings
from settings.values import typed


def of_file(root: Path, stack: str) -> StackSettings:
    """What `Pulumi.<stack>.yaml` says.

    Args:
        root: folder of the project.

    Raises:
        SettingsError: there is no such file, it is no YAML, or its values are wrong; with every problem that was found.
    """
    path = root / f"Pulumi.{stack}.yaml"
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.name.split(".")[1] for file in root.glob("Pulumi.*.yaml")))
        raise SettingsError(f"there is no {path.name} in {root}; the stacks with settings here are {known or 'none'}") from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    config = document.get("config") if isinstance(document, dict) else None
    values = typed(config) if isinstance(config, dict) else {}
    try:
        # From JSON, as the program reads them: lists are tuples there.
        return StackSettings.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise SettingsError(report(list(messages(error)), stack)) from error
