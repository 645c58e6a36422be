"""Puts the simulations where a plan's engine looks for the kubernetes and docker-build plugins, and nowhere else."""

from importlib.metadata import version
from pathlib import Path

from local_azure import plugin_place

SDKS = {"kubernetes": "pulumi-kubernetes", "docker-build": "pulumi-docker-build"}
"""The package that the program imports, by plugin: the engine asks for the plugin by its version."""


def install(pulumi_home: Path, python: Path, code: Path) -> None:
    """Writes both plugins' folders.

    Args:
        pulumi_home: a plan's own.
        python: interpreter with the project's packages.
        code: folder that `local_azure` is imported from.
    """
    for name, sdk in SDKS.items():
        plugin_place.install(pulumi_home, name, version(sdk), f"-m local_azure.workloads {name}", python, code)
