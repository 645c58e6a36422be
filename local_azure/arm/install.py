"""Puts the simulation where the sandbox's engine looks for the azure-native plugin, and nowhere else."""

from importlib.metadata import version
from pathlib import Path

from local_azure import plugin_place


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
    plugin_place.install(pulumi_home, "azure-native", plugin_version(), "-m local_azure.arm", python, checkout)
