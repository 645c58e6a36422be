"""The linters of the pipelines find nothing, and would find something."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import check_jsonschema
import pytest
from jsonschema import exceptions, validators
from rich.console import Console

from local_azure.progress import Progress
from local_azure.sandbox import Sandbox
from local_azure.toolchain.go_tools import ACTIONLINT, GoBuilder
from local_azure.toolchain.runtimes import Runtimes
from tests.pipelines.files import AZURE, GITHUB, ROOT, SCRIPTS, azure_pipeline, azure_pipelines, workflow

_BIN = Path(sys.executable).parent
_SCHEMAS = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"


@pytest.fixture(scope="module")
def actionlint() -> Path:
    """Built from the Go module proxy the first time, in some ten seconds."""
    cache = Sandbox.of(ROOT).cache
    with Progress(Console(file=sys.stderr)) as progress:
        builder = GoBuilder(cache, progress, Runtimes(cache).go)
        builder.build(ACTIONLINT)
    return builder.folder(ACTIONLINT) / "actionlint"


def found(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a linter says; empty when it has nothing against it."""
    answer = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    return (answer.stdout + answer.stderr) if answer.returncode else ""


def actionlint_says(actionlint: Path, *paths: Path) -> str:
    return found(actionlint, "-no-color", "-shellcheck", _BIN / "shellcheck", "-pyflakes=", *paths)


def zizmor_says(*paths: Path) -> str:
    return found(_BIN / "zizmor", "--offline", "--no-progress", "--quiet", "--color=never", "--strict-collection", *paths)


def test_actionlint_finds_nothing(actionlint: Path):
    assert actionlint_says(actionlint, *GITHUB) == ""


def test_zizmor_finds_nothing():
    """In the workflows, and in how their actions are kept up to date."""
    assert zizmor_says(ROOT / ".github") == ""


def test_what_zizmor_is_told_to_ignore_has_a_reason():
    """No file of settings, which could switch off a rule everywhere; one place, with words after it."""
    assert not [path for path in ROOT.rglob("zizmor.y*ml") if ".venv" not in path.parts]
    ignored = [line for path in GITHUB for line in path.read_text().splitlines() if "zizmor:" in line]
    assert len(ignored) == 1
    assert len(ignored[0].partition("]")[2].split()) > 5


def test_shellcheck_finds_nothing():
    assert SCRIPTS
    assert found(_BIN / "shellcheck", *SCRIPTS) == ""


@pytest.mark.parametrize("path", azure_pipelines(), ids=lambda path: path.name)
def test_scripts_of_azure_pipelines_please_shellcheck(path: Path, tmp_path: Path):
    """GitHub's are checked by actionlint. Azure Pipelines fills its own variables in before bash sees them."""
    scripts = list(_scripts(azure_pipeline(path)))
    assert scripts
    for number, script in enumerate(scripts):
        file = tmp_path / f"{number}.sh"
        file.write_text(f"#!/usr/bin/env bash\n{script}\n")
        # The task sets these two.
        assert found(_BIN / "shellcheck", "--exclude=SC2154", file) == "", script


def _scripts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key in ("bash", "inlineScript"))
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _scripts(item)


def problems(schema: str, document: Any) -> list[str]:
    loaded = json.loads((_SCHEMAS / f"{schema}.json").read_text())
    validator = validators.validator_for(loaded)(loaded)
    return [exceptions.best_match([error]).message for error in validator.iter_errors(document)]


def as_azure_reads(value: Any, *, inputs: bool = False) -> Any:
    """Every scalar a text, as Azure Pipelines' schema has them, but for the inputs of a task."""
    if isinstance(value, dict):
        return {key: as_azure_reads(item, inputs=inputs or key == "inputs") for key, item in value.items()}
    if isinstance(value, list):
        return [as_azure_reads(item, inputs=inputs) for item in value]
    if inputs:
        return value
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_github_has_a_schema_of_workflows(path: Path):
    assert problems("github-workflows", workflow(path)) == []


def test_dependabot_has_a_schema():
    assert problems("dependabot", workflow(ROOT / ".github" / "dependabot.yml")) == []


@pytest.mark.parametrize("path", azure_pipelines(), ids=lambda path: path.name)
def test_azure_pipelines_has_a_schema(path: Path):
    """With the templates filled in, which so are checked where they are used."""
    assert problems("azure-pipelines", as_azure_reads(azure_pipeline(path))) == []


def test_the_linters_would_find_something(actionlint: Path, tmp_path: Path):
    """Each of them gets a plan.yml with a mistake of the kind that it is there for."""
    good = (ROOT / ".github" / "workflows" / "plan.yml").read_text()

    def broken(before: str, after: str) -> Path:
        assert before in good
        path = tmp_path / "plan.yml"
        path.write_text(good.replace(before, after, 1))
        return path

    assert "matrix" in actionlint_says(actionlint, broken("matrix.stack", "matrix.stak"))
    assert "SC2086" in actionlint_says(actionlint, broken('>> "$GITHUB_STEP_SUMMARY"', "$STACK"))
    assert "unpinned-uses" in zizmor_says(broken("upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a", "upload-artifact@v7"))
    assert "template-injection" in zizmor_says(broken('"$STACK" --markdown', "${{ github.head_ref }} --markdown"))
    assert "dangerous-triggers" in zizmor_says(broken("  pull_request:", "  pull_request_target:"))


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ((), "stagse", []),
        (("stages", 1, "jobs", 0), "enviroment", "dev"),
        (("stages", 1), "lockBehavior", "sometimes"),
        (("stages", 1, "jobs", 0, "strategy", "runOnce", "deploy", "steps", 3, "inputs"), "addSpnToEnvironmnt", True),
    ],
)
def test_the_schema_of_azure_pipelines_would_find_something(where: tuple[str | int, ...], key: str, value: Any):
    document = azure_pipeline(AZURE[0])
    place: Any = document
    for part in where:
        place = place[part]
    place[key] = value
    assert problems("azure-pipelines", as_azure_reads(document))
