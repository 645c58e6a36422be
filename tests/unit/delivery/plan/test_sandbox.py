"""A plan's sandbox: nothing of the caller's logins in it, nothing on PATH but our own language host, nothing left of it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from delivery.plan.executor import as_preview
from delivery.plan.sandbox import Engine, find_engine, lend_python, plan_sandbox
from local_azure.arm.safety import sandbox_of
from local_azure.progress import Progress
from local_azure.toolchain.go_tools import GoBuilder, GoTool


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A language host that prints how it was called."""
    folder = tmp_path / "with space"
    folder.mkdir()
    host = folder / "pulumi-language-python"
    host.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    host.chmod(0o755)
    return Engine(pulumi=folder / "pulumi", language_host=folder)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_two_plans_have_nothing_in_common_and_leave_nothing(engine: Engine, temporary: Path, tmp_path: Path):
    with plan_sandbox(tmp_path, engine) as one, plan_sandbox(tmp_path, engine) as other:
        assert one.folder != other.folder
        assert {one.folder.parent, other.folder.parent} == {temporary.resolve()}
        assert one.folder.stat().st_mode & 0o777 == 0o700
    assert list(temporary.iterdir()) == []


def test_an_interrupted_plan_leaves_nothing(engine: Engine, temporary: Path, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), plan_sandbox(tmp_path, engine):
        raise KeyboardInterrupt
    assert list(temporary.iterdir()) == []


def test_the_simulated_plugins_take_it_for_a_sandbox(engine: Engine, tmp_path: Path):
    with plan_sandbox(tmp_path, engine) as sandbox:
        assert sandbox_of(sandbox.environment) == sandbox.folder
        plugins = {path.name: path for path in Path(sandbox.environment["PULUMI_HOME"]).glob("plugins/*/pulumi-resource-*")}
        assert set(plugins) == {"pulumi-resource-azure-native", "pulumi-resource-kubernetes", "pulumi-resource-docker-build"}


@pytest.mark.parametrize("name", ["kubernetes", "docker-build"])
def test_a_simulated_plugin_refuses_to_start_elsewhere(name: str):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "CONVERGE_"))}
    started = subprocess.run([sys.executable, "-m", "local_azure.workloads", name], env=clean, capture_output=True, text=True, timeout=60, check=False)
    assert started.returncode == 1
    assert started.stdout == ""
    assert "CONVERGE_SANDBOX is not set" in started.stderr


def test_no_plugin_is_on_path(engine: Engine, tmp_path: Path):
    with plan_sandbox(tmp_path, engine) as sandbox:
        first = Path(sandbox.environment["PATH"].split(os.pathsep)[0])
        assert [path.name for path in first.iterdir()] == ["pulumi-language-python"]


def test_logins_and_choices_of_the_caller_stay_out(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("ARM_CLIENT_SECRET", "AZURE_TENANT_ID", "KUBECONFIG", "PULUMI_ACCESS_TOKEN", "CONVERGE_FAULTS", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    with plan_sandbox(tmp_path, engine) as sandbox:
        assert "the caller's" not in sandbox.environment.values()
        assert sandbox.environment["HTTPS_PROXY"] == "http://proxy.example.com"


def test_the_language_host_is_the_real_one_with_our_executor(engine: Engine, tmp_path: Path):
    with plan_sandbox(tmp_path, engine) as sandbox:
        answer = subprocess.run(
            ["pulumi-language-python", "127.0.0.1:1"], env=sandbox.environment, executable=None, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    assert answer[0] == "-use-executor"
    assert Path(answer[1]).name == "executor.py"
    assert answer[2:] == ["127.0.0.1:1"]


@pytest.mark.parametrize("said", ["true", "false"])
def test_the_program_is_told_that_it_is_previewed(said: str):
    assert as_preview(["--parallel", "4", "--dry_run", said, "--pwd", "/x", "."]) == ["--parallel", "4", "--dry_run", "true", "--pwd", "/x", "."]


def test_a_lent_interpreter_is_this_one_with_its_packages(tmp_path: Path):
    lend_python(tmp_path)
    asked = [str(tmp_path / ".venv" / "bin" / "python"), "-c", "import sys, pulumi; print(sys.prefix, pulumi.__file__)"]
    prefix, module = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    assert prefix == sys.prefix
    assert str(tmp_path) not in module


def found_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path | None) -> tuple[Engine, list[str], str]:
    """The engine, what was built for it, and what was said."""
    built: list[str] = []

    def build(builder: GoBuilder, tool: GoTool) -> None:
        built.append(tool.name)
        builder.folder(tool).mkdir(parents=True, exist_ok=True)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("delivery.plan.sandbox.installed_pulumi", lambda: installed)
    monkeypatch.setattr(GoBuilder, "build", build)
    output = io.StringIO()
    with Progress(Console(file=output)) as progress:
        return find_engine(tmp_path, progress), built, output.getvalue()


def test_a_machine_without_pulumi_is_told_what_is_built_and_how_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    engine, built, said = found_engine(tmp_path, monkeypatch, None)
    assert built == ["engine", "language-host"]
    assert said == "  Pulumi is built from source once (engine, language-host); on two cores about 3 min\n"
    assert engine.pulumi.parent.name.startswith("engine-")
    again = found_engine(tmp_path, monkeypatch, None)
    assert again[0] == engine
    assert again[2] == ""


def test_the_machine_s_own_pulumi_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    engine, built, said = found_engine(tmp_path, monkeypatch, tmp_path / "bin")
    assert engine == Engine(pulumi=tmp_path / "bin" / "pulumi", language_host=tmp_path / "bin")
    assert (built, said) == ([], "")
