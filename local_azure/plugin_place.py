"""Where the sandbox's simulated plugins lie. Apart from the plugins themselves, which take Pulumi's SDK and half a second to import."""

import shlex
from pathlib import Path


def install(pulumi_home: Path, name: str, version: str, command: str, python: Path, code: Path) -> None:
    """Puts a plugin where the engine of this PULUMI_HOME looks for it; doing it again changes nothing.

    Args:
        command: what Python runs, such as `-m local_azure.arm`.
        python: interpreter with the project's packages.
        code: folder that `local_azure` is imported from.
    """
    folder = pulumi_home / "plugins" / f"resource-{name}-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"pulumi-resource-{name}"
    text = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(code))} exec {shlex.quote(str(python))} {command} "$@"\n'
    if not program.exists() or program.read_text() != text:
        partial = program.with_suffix(".tmp")
        partial.write_text(text)
        partial.chmod(0o755)
        partial.replace(program)
