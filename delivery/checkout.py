"""What commands begin with: the checkout that they are run in, what it says of a stack, and who runs them."""

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from delivery.errors import DeliveryError
from delivery.git import Git
from delivery.release.record import one_line

if TYPE_CHECKING:
    from settings import StackSettings

_PIPELINE_USERS = ("GITHUB_ACTOR", "BUILD_REQUESTEDFOR")


def checkout_here(command: str) -> Path:
    """The folder with Pulumi.yaml, here or above; raises DeliveryError when there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    raise DeliveryError(f"no Pulumi.yaml in {here} or above it; run `{command}` in a checkout of the project")


def settings_of(checkout: Path, stack: str) -> "StackSettings":
    """What the stack's file says; raises DeliveryError with every problem of it."""
    from settings.files import of_file  # noqa: PLC0415 - settings bring Pulumi, which takes long to import
    from settings.messages import SettingsError  # noqa: PLC0415 - the same

    try:
        return of_file(checkout, stack)
    except SettingsError as error:
        raise DeliveryError(str(error)) from error


def who(checkout: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Who is at work, as people know them: a pipeline's user, git's, or the machine's."""
    found = (*(environment.get(name) for name in _PIPELINE_USERS), Git(checkout).ask("config", "user.name"), _user())
    return next((text for name in found if name and (text := one_line(name))), "unknown")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
