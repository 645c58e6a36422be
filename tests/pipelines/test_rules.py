"""What every pipeline keeps to, whoever edits it: pins, rights, times, one deployment at a time, and the same on both forges."""

import re
from collections import defaultdict

import pytest

from tests.pipelines.files import GITHUB, ROOT, SCRIPTS, Job, azure_jobs, azure_stages, github_jobs, workflow

_PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
_RIGHTS_OF_A_FORK = {"contents": "read"}
_COMMAND = re.compile(r"(?:\.venv/bin/converge|make|\.ci/[\w-]+) [^\n|>;)]*")
_OF_PULL_REQUESTS = ("pull-request.yml", "plan.yml")

GITHUB_JOBS = github_jobs()
AZURE_JOBS = azure_jobs()


def names(jobs: list[Job]) -> list[str]:
    return [job.where for job in jobs]


def test_actions_are_pinned_by_commit_with_their_version_and_one_commit_each():
    lines = [line.strip().removeprefix("- ") for path in GITHUB for line in path.read_text().splitlines() if re.match(r"\s*(- )?uses:", line)]
    assert lines
    commits = defaultdict(set)
    for line in lines:
        assert _PINNED.fullmatch(line), line
        commits[line.partition("@")[0]].add(line)
    assert {action: used for action, used in commits.items() if len(used) > 1} == {}


def test_the_scanner_is_pinned_by_digest():
    (line,) = [line for path in SCRIPTS for line in path.read_text().splitlines() if "grype:" in line]
    assert re.fullmatch(r"scanner=ghcr\.io/anchore/grype:v\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", line)


def test_nothing_is_allowed_but_what_a_job_says():
    assert {path.name: workflow(path)["permissions"] for path in GITHUB} == {path.name: {} for path in GITHUB}


@pytest.mark.parametrize("job", GITHUB_JOBS, ids=names(GITHUB_JOBS))
def test_a_job_of_github(job: Job):
    raw, rights = job.raw, job.raw.get("permissions", {})
    assert 5 <= raw["timeout-minutes"] <= 180, "a job without an end costs six hours when it hangs"
    assert "-latest" not in str(raw["runs-on"])
    assert not [step.where for step in job.steps if "${{" in step.script], "a value of somebody else's in a script is code"
    if job.file in _OF_PULL_REQUESTS:
        assert rights == _RIGHTS_OF_A_FORK
        assert not re.search(r"\b(secrets|vars|github\.token)\b", str(raw)), "forks have none of them"
    if rights.get("id-token"):
        # The federated credentials of the identities name environments.
        kind = "-plan" if "_PLAN_CLIENT_ID" in job.environment["ARM_CLIENT_ID"] else ""
        assert re.fullmatch(rf"(dev|prod|\${{{{ matrix\.stack }}}}){kind}", raw["environment"])
    for step in job.steps:
        if step.uses.startswith("actions/checkout@"):
            assert step.raw["with"]["persist-credentials"] == (rights.get("contents") == "write"), step.where


def test_a_deployment_waits_for_the_one_before_and_is_never_cancelled():
    deploying = [job for job in GITHUB_JOBS if "converge deploy " in str(job.raw)]
    assert {job.name: job.raw["concurrency"] for job in deploying} == {
        f"deploy-{stack}": {"group": f"deploy-{stack}", "cancel-in-progress": False} for stack in ("dev", "prod")
    }
    # A workflow that is cancelled as a whole would take the update with it.
    assert "concurrency" not in workflow(ROOT / ".github" / "workflows" / "deploy.yml")
    # Of a group of GitHub's the newest that waits throws out the others: nothing else may be in it.
    groups = [job.raw["concurrency"]["group"] for job in GITHUB_JOBS if "concurrency" in job.raw]
    assert len(groups) == len(set(groups))

    stages = [stage for stage in azure_stages() if "converge deploy " in str(stage)]
    assert {stage["stage"]: (stage["lockBehavior"], [job.get("environment") for job in stage["jobs"]]) for stage in stages} == {
        f"deploy_{stack}": ("sequential", [stack]) for stack in ("dev", "prod")
    }


def test_only_main_is_deployed():
    assert workflow(ROOT / ".github" / "workflows" / "deploy.yml")["on"]["push"] == {"branches": ["main"]}
    of_main, *_ = (stage for stage in azure_stages() if stage["stage"] == "deploy_dev")
    assert "refs/heads/main" in of_main["condition"]
    following = {stage["stage"]: stage["dependsOn"] for stage in azure_stages() if stage["stage"] not in ("pull_request", "deploy_dev")}
    assert following == {"promote": "deploy_dev", "plan_prod": "deploy_dev", "deploy_prod": "plan_prod"}


def test_what_is_deployed_to_prod_is_what_was_approved():
    """The plan that the job deploys by is the one that the job before it saved and showed."""
    jobs = {job.name: job for job in GITHUB_JOBS if job.file == "deploy.yml"}
    saved = next(step for step in jobs["plan-prod"].steps if "upload-artifact" in step.uses).raw["with"]
    loaded = next(step for step in jobs["deploy-prod"].steps if "download-artifact" in step.uses).raw["with"]
    assert jobs["deploy-prod"].raw["needs"] == "plan-prod"
    assert loaded["name"] == saved["name"]
    assert "plan.json" in saved["path"].split()
    assert loaded["path"] == "${{ runner.temp }}/approved", "a file more in a folder of the checkout is a change that no commit has"
    assert '--plan "$RUNNER_TEMP/approved/plan.json"' in jobs["deploy-prod"].steps[-2].script
    assert "--save plan.json" in str(jobs["plan-prod"].raw)


def test_the_comment_comes_from_the_workflow_that_plans_and_touches_no_code_of_it():
    comment = workflow(ROOT / ".github" / "workflows" / "comment.yml")
    plan = workflow(ROOT / ".github" / "workflows" / "plan.yml")
    assert comment["on"]["workflow_run"]["workflows"] == [plan["name"]]
    (job,) = (job for job in GITHUB_JOBS if job.file == "comment.yml")
    checkout, *_ = job.steps
    assert checkout.raw["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    (artifact,) = (step for step in job.steps if "download-artifact" in step.uses)
    assert artifact.raw["with"]["path"].startswith("${{ runner.temp }}/"), "files of a stranger must not land in the checkout"
    assert job.raw["permissions"] == {"actions": "read", "contents": "read", "pull-requests": "write"}


@pytest.mark.parametrize("job", AZURE_JOBS, ids=names(AZURE_JOBS))
def test_a_job_of_azure_pipelines(job: Job):
    assert 5 <= job.raw["timeoutInMinutes"] <= 180
    pushes = [step.raw.get("persistCredentials", False) for step in job.steps if step.uses == "self"]
    assert pushes == [bool(re.search(r"\.ci/propose|converge deploy |converge release record ", str(job.raw)))]
    for step in job.steps:
        if step.uses == "AzureCLI@2":
            stack = step.raw["inputs"]["azureSubscription"].split("-")[1]
            assert step.raw["env"]["PULUMI_BACKEND_URL"] == f"$(PULUMI_BACKEND_URL_{stack.upper()})", step.where


def commands(jobs: list[Job]) -> set[str]:
    """What the jobs do, without where each forge puts files."""
    found = (command for job in jobs for step in job.steps for command in _COMMAND.findall(step.script))
    plain = (" ".join(part for part in command.replace('"', "").split() if not part.endswith((".md", ".json", "$plan", "/tools"))) for command in found)
    return {re.sub(r"\$stack", stack, command, flags=re.IGNORECASE) for command in plain for stack in ("dev", "prod")}


def test_both_forges_do_the_same():
    assert commands(GITHUB_JOBS) == commands(AZURE_JOBS)
    assert len(commands(GITHUB_JOBS)) > 15
