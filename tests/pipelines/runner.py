"""What a forge's runner gives a script, and what it lets one leave behind."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.pipelines.files import Step

_BASH = {
    # What each forge says it starts for a script without a shell of its own.
    "github": ("bash", "-e"),
    "azure": ("bash", "--noprofile", "--norc"),
}


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One job on one forge."""

    folder: Path
    checkout: Path
    bash: tuple[str, ...]

    @classmethod
    def of(cls, forge: str, folder: Path, checkout: Path) -> "Runner":
        """A runner with a folder of its own, which is made."""
        folder.mkdir()
        return cls(folder=folder, checkout=checkout, bash=_BASH[forge])

    @property
    def summary(self) -> Path:
        """Of the run, as people see it."""
        return self.folder / "summary.md"

    @property
    def output(self) -> Path:
        """Values for later jobs, of GitHub's."""
        return self.folder / "output"

    def run(self, step: Step, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs a step's script. It sees nothing of this process' environment but where programs and the home are."""
        script = self.folder / "script.sh"
        script.write_text(step.script)
        files = {"GITHUB_STEP_SUMMARY": self.summary, "GITHUB_OUTPUT": self.output, "RUNNER_TEMP": self.folder, "AGENT_TEMPDIRECTORY": self.folder}
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
        environment = {**kept, "CI": "true", **{name: str(path) for name, path in files.items()}, **variables}
        return subprocess.run([*self.bash, script], cwd=self.checkout, env=environment, capture_output=True, text=True, timeout=300, check=False)

    def succeeds(self, step: Step, variables: Mapping[str, str]) -> str:
        """What the script printed; the test fails when it did."""
        done = self.run(step, variables)
        assert done.returncode == 0, f"{step.where}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout
