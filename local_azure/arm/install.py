"""Puts the simulation where the sandbox's engine looks for the azure-native plugin, and nowhere else."""

import shlex
from importlib.metadata import version
from pathlib import Path

PROGRAM = "pulumi-resource-azure-native"


def plugin_version() -> str:
    """Version of the SDK that the program imports; the engine asks for the plugin by it."""
    return version("pulumi-azure-native")


def install(pulumi_home: Path, python: Path, checkout: Path) -> None:
    """Writes the plugin's folder; doing it again changes nothing.

    Args:
        pulumi_home: the sandbox's own.
        python: interpreter with the project's packages.
        checkout: folder that `local_azure` is imported from.
    """
    folder = pulumi_home / "plugins" / f"resource-azure-native-v{plugin_version()}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / PROGRAM
    text = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(checkout))} exec {shlex.quote(str(python))} -m local_azure.arm "$@"\n'
    if not program.exists() or program.read_text() != text:
        partial = program.with_suffix(".tmp")
        partial.write_text(text)
        partial.chmod(0o755)
        partial.replace(program)
