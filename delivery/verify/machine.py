"""Commands of a run: each is shown, its output goes to a log of its own, and a failure is told by the end of it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from delivery.azure.errors import AzureError

_LINES = 15


class Machine(Protocol):
    """What runs commands."""

    def run(self, *command: str) -> str:
        """The command's output.

        Raises:
            AzureError: it failed.
        """
        ...


@dataclass(kw_only=True)
class Shell:
    """The machine that the run is on."""

    folder: Path
    log: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *command: str) -> str:
        """Runs it in the checkout, with the run's own variables."""
        try:
            answer = subprocess.run(command, cwd=self.folder, env={**os.environ, **self.variables}, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise AzureError(f"{command[0]} is not on PATH; `converge doctor` says how to get it") from error
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{answer.stdout}{answer.stderr}\n")
        if answer.returncode:
            raise AzureError(f"`{' '.join(command[:4])}` failed (all of it is in {self.log}):\n{_end(answer.stderr or answer.stdout)}")
        return answer.stdout


def _end(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return "\n".join(f"    {line}" for line in lines[-_LINES:])
