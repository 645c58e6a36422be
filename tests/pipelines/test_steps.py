"""The pipelines' own scripts run here as they stand, wherever they need neither Azure nor a forge."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from delivery.release.ledger import Ledger
from tests.pipelines.files import ROOT, Job, Step, azure_jobs, github_jobs
from tests.pipelines.forge import serving
from tests.pipelines.runner import Runner

_AZURE = "needs a stack in Azure"
_NOT_HERE = {
    r"\bmake test\b": "it is what runs this",
    r"\bmake audit\b": "needs the index of vulnerabilities",
    r"\bsudo chown\b": "hands root's files to the runner",
    r"converge comment \"plan-\$STACK": "needs Azure DevOps",
    r"converge comment \"\$plan": "a test of its own runs it against a forge like GitHub",
    r"\bgh \b": "needs the forge",
    r"\.ci/propose\b": "needs the forge; test_scripts.py runs it against a bare repository",
    r"\.ci/promote-model\b": "needs a stack in Azure",
    r"^git config user": "only tells git who commits",
    r"converge base-image\b": "needs the registry of the base image, and the forge",
    r"\.ci/install-tools\b": _AZURE,
    r"\.ci/scan-images\b": _AZURE,
    r"\.ci/reach-cluster\b": _AZURE,
    r"converge (doctor|deploy|drift|model)\b": _AZURE,
    r"converge release (promote|record|clean)\b": _AZURE,
    r"converge plan .*--live\b": _AZURE,
    r"\bplan\.(md|json)\b": "shows the plan of a stack in Azure",
}
"""Why a script is not run. One that fits nothing here is run, so a new one either works here or its reason is given."""
_PLANNING = {"github": "plan.yml, plan", "azure": "azure-pipelines.yml, pull_request_plan"}
_IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.com")
_MATRIX = re.compile(r"\$\{\{ matrix\.(\w+) \}\}")


def reason_against(step: Step) -> str:
    return next((reason for pattern, reason in _NOT_HERE.items() if re.search(pattern, step.script)), "")


def test_every_script_is_run_or_says_why_not():
    """A pattern that nothing fits is about a step that is gone."""
    scripts = [step.script for job in (*github_jobs(), *azure_jobs()) for step in job.steps if step.script]
    assert [pattern for pattern in _NOT_HERE if not any(re.search(pattern, script) for script in scripts)] == []


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as a forge makes it for a pull request: on no branch, with main and all its history, and a commit that main has not."""
    folder = tmp_path_factory.mktemp("pipelines") / "checkout"
    git(ROOT, "clone", "--quiet", f"file://{ROOT}", str(folder))
    # Whatever the commit's branch is called here.
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(folder, "checkout", "--quiet", "--detach")
    settings = folder / "Pulumi.dev.yaml"
    settings.write_text(settings.read_text() + "  converge:modelStorage: {softDeleteDays: 21}\n")
    git(folder, *_IDENTITY, "commit", "--quiet", "--all", "--message", "Deleted models are kept for three weeks")
    _lend_environment(folder)
    return folder


def _lend_environment(folder: Path) -> None:
    """What `make` would install, from here: it would take as long as everything else."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "converge"):
        (programs / name).write_text(f'#!/bin/sh\nexec {Path(sys.executable).with_name(name)} "$@"\n')
        (programs / name).chmod(0o755)
    (folder / ".venv" / "made").touch()


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def combinations(job: Job) -> Iterator[dict[str, str]]:
    """The values of each run of a job with a matrix."""
    matrix = job.raw.get("strategy", {}).get("matrix", {})
    if all(isinstance(values, list) for values in matrix.values()):
        yield from (dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values()))
    else:
        yield from matrix.values()


def filled(values: Mapping[str, str], combination: Mapping[str, str]) -> dict[str, str]:
    return {name: _MATRIX.sub(lambda found: combination[found[1]], str(value)) for name, value in values.items()}


@pytest.mark.figures
@pytest.mark.parametrize("forge", ["github", "azure"])
def test_the_plan_of_a_pull_request(forge: str, checkout: Path, tmp_path: Path):
    """The report is there for each stack, says what the pull request changes, and is what the pipeline shows and hands on."""
    (job,) = (job for job in (*github_jobs(), *azure_jobs()) if job.where == _PLANNING[forge])

    def run(combination: Mapping[str, str]) -> tuple[str, list[str]]:
        variables = {**filled(job.environment, combination), **({} if forge == "github" else combination)}
        stack = variables["STACK"]
        runner = Runner.of(forge, tmp_path / stack, checkout)
        said, told = "", []
        for step in (step for step in job.steps if step.script):
            reason = reason_against(step)
            told.append(f"{'not run' if reason else 'run'}: {step.where} ({stack}){reason and f': {reason}'}")
            if not reason:
                said += runner.succeeds(step, {**variables, **filled(step.raw.get("env", {}), combination)})
        _check_report(checkout / f"plan-{stack}.md", stack, runner.summary.read_text() if forge == "github" else said)
        return stack, told

    with ThreadPoolExecutor() as pool:
        done = dict(pool.map(run, combinations(job)))
    assert list(done) == ["dev", "prod"]
    print("\n".join(itertools.chain(*done.values())))
    handed_on = str([step.raw for step in job.steps if "artifact" in step.uses or "publish" in step.raw])
    assert f"plan-{'${{ matrix.stack }}' if forge == 'github' else '$(STACK)'}.md" in handed_on
    left = subprocess.run(["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    assert left == "", "a step left something in the checkout"


def _check_report(report: Path, stack: str, shown: str) -> None:
    text = report.read_text()
    assert f"Plan of {stack}" in text
    assert ("deleteRetentionPolicy" in text) == (stack == "dev"), text
    assert shown == text or f"##vso[task.uploadsummary]{report}\n" in shown
    report.unlink()


@pytest.mark.figures
def test_other_scripts():
    """Those that are run by no test of their own, with the reason."""
    steps = [step for job in (*github_jobs(), *azure_jobs()) if job.where not in _PLANNING.values() for step in job.steps if step.script]
    print("\n".join(f"not run: {step.where}: {reason}" for step in steps if (reason := reason_against(step))))
    remaining = {step.where for step in steps if not reason_against(step) and step.script != "make .venv/made"}
    assert remaining == {
        "nightly.yml, stacks, Which stacks are set up?",
        "nightly.yml, page, Write the page of all releases",
        *(f"azure-pipelines.yml, deploy_{stack}_deploy, Keep a record that could not be pushed" for stack in ("dev", "prod")),
    }


@pytest.mark.parametrize("forge", ["github", "azure"])
def test_the_page_of_all_releases(forge: str, checkout: Path, tmp_path: Path):
    """From a ledger with nothing in it yet, too."""
    jobs = github_jobs() if forge == "github" else azure_jobs()
    (step,) = (step for job in jobs for step in job.steps if step.where == "nightly.yml, page, Write the page of all releases")
    Runner.of(forge, tmp_path / "runner", checkout).succeeds(step, {})
    page = checkout / "releases.html"
    assert "<html" in page.read_text()
    page.unlink()


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_record_that_could_not_be_pushed_is_kept(stack: str, tmp_path: Path):
    """The program that writes records keeps them there."""
    where = f"azure-pipelines.yml, deploy_{stack}_deploy, Keep a record that could not be pushed"
    (step,) = (step for job in azure_jobs() for step in job.steps if step.where == where)
    folder = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", str(folder))
    runner = Runner.of("azure", tmp_path / "runner", folder)
    assert runner.succeeds(step, {}) == ""
    kept = Ledger.of(folder).kept.folder
    kept.mkdir(parents=True)
    (kept / ".lock").touch()
    assert runner.succeeds(step, {}) == ""
    (kept / stack).mkdir()
    (kept / stack / "20261124T231847Z.json").touch()
    assert runner.succeeds(step, {}) == f"##vso[artifact.upload artifactname=records-{stack}]{kept}\n"
    uploads = [step.raw["with"] for job in github_jobs() for step in job.steps if step.raw.get("with", {}).get("name") == f"records-{stack}"]
    assert [(upload["path"], upload["include-hidden-files"]) for upload in uploads] == [(f"{kept.relative_to(folder)}/**/*.json", True)]


def test_the_comment_of_a_plan(checkout: Path, tmp_path: Path):
    """On the pull request whose commit was planned, whatever the report says; a stack without a report has no comment."""
    (step,) = (step for job in github_jobs() for step in job.steps if step.where == "comment.yml, comment, Comment")
    runner = Runner.of("github", tmp_path / "runner", checkout)
    (runner.folder / "plans").mkdir()
    (runner.folder / "plans" / "plan-prod.md").write_text("## Plan of prod\n\n$(touch /tmp/x) `id` ${{ github.token }} --pull-request 1\n")
    head = {"sha": "a" * 40, "ref": "change", "repo": {"full_name": "stranger/vision"}}
    began = {"id": 7, "head_sha": head["sha"], "head_branch": "change", "head_repository": {"full_name": "stranger/vision", "owner": {"login": "stranger"}}}
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"workflow_run": began}))
    with serving() as forge:
        forge.pulls = [{"number": 3, "head": {**head, "sha": "b" * 40}}, {"number": 5, "head": head}]
        runner.succeeds(step, {**forge.environment, "GITHUB_EVENT_PATH": str(event)})
    assert list(forge.comments) == [5]
    (text,) = forge.comments[5]
    assert "Plan of prod" in text
    assert "$(touch /tmp/x)" in text


@pytest.mark.parametrize(("dev", "prod"), list(itertools.product((True, False), repeat=2)))
def test_the_stacks_that_are_set_up(dev: bool, prod: bool, checkout: Path, tmp_path: Path):
    """The matrix of the nightly checks, whichever stacks have their variables."""
    (job,) = (job for job in github_jobs() if job.name == "stacks")
    (step,) = job.steps
    given = {name: _literal(value) if there else "" for (name, value), there in zip(step.raw["env"].items(), (dev, prod), strict=True)}
    runner = Runner.of("github", tmp_path / "runner", checkout)
    runner.succeeds(step, given)
    name, _, matrix = runner.output.read_text().strip().partition("=")
    assert name == "matrix"
    wanted = [{"stack": "dev", "variables": "DEV"}] * dev + [{"stack": "prod", "variables": "PROD"}] * prod
    assert json.loads(matrix) == wanted
    # What the condition of the job after it compares with.
    assert (matrix == "[]") == (not wanted)


def _literal(expression: str) -> str:
    """What GitHub makes of `${{ vars.X && 'text' }}` when X is set."""
    found = re.fullmatch(r"\$\{\{ vars\.\w+ && '(.*)' \}\}", expression)
    assert found
    return found[1]
