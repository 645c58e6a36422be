"""A sandbox for one plan: a temporary folder with engine, simulated plugins and state, gone when the plan is done."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from delivery.plan import executor
from local_azure.arm.install import install as install_arm
from local_azure.engine import installed_pulumi
from local_azure.progress import Progress
from local_azure.sandbox import Sandbox
from local_azure.toolchain.go_tools import LANGUAGE_HOST, PULUMI, GoBuilder
from local_azure.toolchain.runtimes import Runtimes
from local_azure.workloads.install import install as install_workloads

CODE = Path(__file__).parents[2]
"""Where `local_azure` and `delivery` are imported from: the simulation of this checkout judges both sides."""
_PRIVATE = ("PULUMI_", "ARM_", "AZURE_", "KUBE", "CONVERGE_", "IDENTITY_", "MSI_")
"""A plan gets none of the caller's logins and choices."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The programs that a plan is made with; no plugin is among them.

    Attributes:
        pulumi: the engine.
        language_host: folder with the language host and its executor.
    """

    pulumi: Path
    language_host: Path


def find_engine(checkout: Path, progress: Progress) -> Engine:
    """The machine's own Pulumi, or the one that is built once into the cache.

    Raises:
        LocalAzureError: it could not be built.
    """
    found = installed_pulumi()
    if found:
        return Engine(pulumi=found / "pulumi", language_host=found)
    cache = Sandbox.of(checkout).cache
    builder = GoBuilder(cache, progress, Runtimes(cache).go)
    tools = [PULUMI, LANGUAGE_HOST]
    if missing := builder.missing(tools):
        minutes = max(1, round(sum(tool.cold_seconds for tool in missing) / 60))
        progress.say(f"  Pulumi is built from source once ({', '.join(tool.name for tool in missing)}); on two cores about {minutes} min")
    for tool in tools:
        builder.build(tool)
    return Engine(pulumi=builder.folder(PULUMI) / "pulumi", language_host=builder.folder(LANGUAGE_HOST))


@dataclass(frozen=True, kw_only=True)
class PlanSandbox:
    """Folder and environment of one plan."""

    folder: Path
    engine: Engine
    environment: dict[str, str]


@contextmanager
def plan_sandbox(checkout: Path, engine: Engine) -> Iterator[PlanSandbox]:
    """Makes a sandbox, and removes it however the plan ends."""
    with tempfile.TemporaryDirectory(prefix="converge-plan-", ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve()
        sandbox = replace(Sandbox.of(checkout), folder=folder)
        sandbox.create()
        programs = folder / "bin"
        programs.mkdir()
        _write_language_host(programs / "pulumi-language-python", engine)
        python = Path(sys.executable)
        install_arm(sandbox.pulumi_home, python, CODE)
        install_workloads(sandbox.pulumi_home, python, CODE)
        try:
            yield PlanSandbox(folder=folder, engine=engine, environment=_environment(sandbox, programs, engine))
        finally:
            shutil.rmtree(_bytecode(sandbox) / folder.relative_to(folder.anchor), ignore_errors=True)


def lend_python(folder: Path) -> None:
    """Gives a copy of a project a `.venv` with this interpreter in it.

    A link to the folder would do, but then every module would have another path, and Python compile it anew.
    """
    program = folder / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)


def _write_language_host(program: Path, engine: Engine) -> None:
    real = engine.language_host / "pulumi-language-python"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(real))} -use-executor {shlex.quote(executor.__file__)} "$@"\n')
    program.chmod(0o755)


def _bytecode(sandbox: Sandbox) -> Path:
    """Where Python keeps what it compiled: the SDKs are large, so a program starts three times as fast with it. In the cache, so that the checkout and
    the environment, which may be anybody's, stay as they are.
    """
    return sandbox.cache / "bytecode"


def _environment(sandbox: Sandbox, programs: Path, engine: Engine) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE) and name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "PATH": os.pathsep.join([str(programs), kept.get("PATH", os.defpath)]),
        "CONVERGE_SANDBOX": str(sandbox.folder),
        "PYTHONPYCACHEPREFIX": str(_bytecode(sandbox)),
        executor.REAL: str(engine.language_host / "pulumi-language-python-exec"),
        "PULUMI_HOME": str(sandbox.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{sandbox.pulumi_state}",
        # The state lives for seconds, and no secret that it could hold is a real one.
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The option --event-log is one of them.
        "PULUMI_DEBUG_COMMANDS": "true",
    }
