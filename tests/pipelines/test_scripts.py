"""What the scripts around the commands do with what the commands, the Azure CLI and Docker say; stubs take their places."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from delivery.release.ledger import Ledger
from delivery.release.record import Outcome
from tests.pipelines.files import ROOT, Step, azure_jobs, github_jobs
from tests.pipelines.runner import Runner
from tests.unit.delivery.release.releases import git, release, service

IMAGE = f"vision.azurecr.io/digits@sha256:{'a' * 64}"
OTHER = f"shared.azurecr.io/letters@sha256:{'b' * 64}"
Stub = Callable[[str, str], None]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and a Python."""
    folder = tmp_path / "checkout"
    (folder / ".ci").mkdir(parents=True)
    for path in (ROOT / ".ci").iterdir():
        shutil.copy(path, folder / ".ci")
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return folder


@pytest.fixture
def stub(tmp_path: Path, checkout: Path) -> Stub:
    """Puts a shell script in a program's place: `converge` in the environment, others on PATH. Each call is written down."""
    (tmp_path / "bin").mkdir()

    def write(name: str, body: str) -> None:
        path = checkout / ".venv" / "bin" / name if name == "converge" else tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n{body}\n')
        path.chmod(0o755)

    return write


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[str]]:
    return lambda: (tmp_path / "calls").read_text().splitlines()


def run(checkout: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}", **variables}
    return subprocess.run([*command], cwd=checkout.parent, env=environment, capture_output=True, text=True, timeout=60, check=False)


def scan(checkout: Path) -> subprocess.CompletedProcess[str]:
    return run(checkout, str(checkout / ".ci" / "scan-images"), "dev", TMPDIR=str(checkout.parent))


def running(*images: str) -> str:
    services = {f"service{number}": {"image": image} for number, image in enumerate(images)}
    return f"cat <<'E'\n{json.dumps({'dev': {'services': services}})}\nE"


def test_every_image_that_runs_is_scanned_once_with_a_login_of_its_registry(checkout: Path, stub: Stub, calls: Callable[[], list[str]]):
    stub("converge", running(IMAGE, OTHER, IMAGE))
    stub("az", "")
    stub("docker", "")

    done = scan(checkout)

    assert done.returncode == 0, done.stderr
    _, *rest = calls()
    assert rest[0] == "az acr login --only-show-errors --name shared"
    assert rest[2] == "az acr login --only-show-errors --name vision"
    assert [call.partition(" registry:")[2] for call in (rest[1], rest[3])] == [f"{OTHER} --only-fixed --fail-on high", f"{IMAGE} --only-fixed --fail-on high"]
    assert len(rest) == 4


def test_what_runs_is_what_the_ledger_says_of_the_newest_release_that_succeeded(checkout: Path, stub: Stub, calls: Callable[[], list[str]]):
    git(checkout, "init", "--quiet")
    ran, failed = service(12), service(13)
    for record in (release(-2000, services=[ran]), release(-1000, services=[failed], outcome=Outcome.FAILED), release(-500, stack="prod")):
        Ledger.of(checkout).write(record)
    stub("converge", f'exec {Path(sys.executable).with_name("converge")} "$@"')
    stub("az", "")
    stub("docker", "")

    done = scan(checkout)

    assert done.returncode == 0, done.stderr
    (scanned,) = (call.partition(" registry:")[2] for call in calls() if call.startswith("docker"))
    assert scanned == f"{ran.image} --only-fixed --fail-on high"


def test_a_vulnerability_in_one_image_fails_after_all_were_looked_at(checkout: Path, stub: Stub, calls: Callable[[], list[str]]):
    stub("converge", running(IMAGE, OTHER))
    stub("az", "")
    stub("docker", 'case "$*" in *letters*) exit 2;; esac')

    done = scan(checkout)

    assert done.returncode == 1
    assert len([call for call in calls() if call.startswith("docker")]) == 2
    assert not [path for path in checkout.parent.iterdir() if path.name.startswith("tmp")], "the registry's token stays on the machine"


def test_no_login_and_no_ledger_are_failures_not_a_clean_image(checkout: Path, stub: Stub):
    stub("converge", running(IMAGE))
    stub("az", "echo not logged in >&2; exit 1")
    stub("docker", "")
    assert scan(checkout).returncode == 1

    stub("converge", "echo 'error: no release of stack dev is recorded' >&2; exit 1")
    done = scan(checkout)
    assert done.returncode == 1
    assert "no release of stack dev" in done.stderr


def test_a_stack_that_runs_nothing_is_clean(checkout: Path, stub: Stub):
    stub("converge", "echo '{\"dev\": null}'")
    done = scan(checkout)
    assert (done.returncode, done.stdout) == (0, "dev runs nothing yet\n")


def test_tools_are_installed_once_and_only_their_folder_is_printed(checkout: Path, stub: Stub, calls: Callable[[], list[str]]):
    """The output goes on PATH as it is."""
    folder = checkout.parent / "tools"
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho noise\n")
    (checkout / ".venv" / "bin" / "python").chmod(0o755)
    stub("az", f"echo noise; touch {folder}/bin/kubelogin; chmod +x {folder}/bin/kubelogin")
    stub("docker", f'echo noise; case "$*" in *create*) touch {folder}/made;; *inspect*) test -f {folder}/made;; esac')

    for _ in range(2):
        done = run(checkout, str(checkout / ".ci" / "install-tools"), str(folder))
        assert (done.returncode, done.stdout) == (0, f"{folder}/bin\n"), done.stderr

    made = [call.split(" --")[0] for call in calls() if "inspect" not in call]
    assert made == ["az aks install-cli", "docker buildx create", "docker buildx use converge", "docker buildx use converge"]


def test_the_cluster_that_the_stack_made_is_reached_with_the_login_that_is_there(checkout: Path, stub: Stub, calls: Callable[[], list[str]]):
    stub("pulumi", """echo '{"cluster": "aks-dev", "resourceGroup": "aks-group", "services": {}}'""")
    stub("az", "")
    stub("kubelogin", "")
    done = run(checkout, str(checkout / ".ci" / "reach-cluster"), "dev")
    assert done.returncode == 0, done.stderr
    assert calls() == [
        "pulumi stack output --json --stack dev",
        "az aks get-credentials --only-show-errors --overwrite-existing --resource-group aks-group --name aks-dev",
        "kubelogin convert-kubeconfig -l azurecli",
    ]


def test_a_stack_without_a_cluster_has_none_to_reach_and_one_that_cannot_be_read_is_a_failure(checkout: Path, stub: Stub, calls: Callable[[], list[str]]):
    stub("pulumi", "echo '{}'")
    done = run(checkout, str(checkout / ".ci" / "reach-cluster"), "dev")
    assert (done.returncode, done.stdout) == (0, "stack dev has no cluster yet\n")
    assert len(calls()) == 1
    stub("pulumi", "echo 'error: no stack named dev found' >&2; exit 1")
    assert run(checkout, str(checkout / ".ci" / "reach-cluster"), "dev").returncode != 0


def promoted(checkout: Path) -> subprocess.CompletedProcess[str]:
    return run(checkout, str(checkout / ".ci" / "promote-model"), "digits", "dev")


def refusal(**gates: object) -> str:
    return f"echo '{json.dumps({'changed': False, 'gates': gates})}'; echo 'error: it fails' >&2; exit 1"


def test_a_refused_version_and_a_pinned_service_fail_no_schedule(checkout: Path, stub: Stub, calls: Callable[[], list[str]]):
    stub("converge", refusal(passed=False))
    done = promoted(checkout)
    assert (done.returncode, done.stdout) == (0, "the gates of dev refuse the latest version of digits; nothing is proposed\n")
    assert "error: it fails" in done.stderr, "the comparison is what people want to read"
    assert calls() == ["converge model promote digits latest --stack dev --reason the latest version --commit --json"]

    (checkout / "locks").mkdir()
    (checkout / "locks" / "dev.json").write_text(json.dumps({"services": {"digits": {"pin": {"release": "20261124T231847Z", "reason": "answers wrong"}}}}))
    done = promoted(checkout)
    assert (done.returncode, done.stdout) == (0, "digits is pinned to release 20261124T231847Z: answers wrong\n")
    assert len(calls()) == 1, "a pinned service is not promoted"


@pytest.mark.parametrize("said", [refusal(passed=True), "echo '{}'; exit 1", "echo 'error: not logged in' >&2; exit 1", "echo '{\"gates\": null}'; exit 1"])
def test_every_other_failure_of_a_promotion_is_one(said: str, checkout: Path, stub: Stub):
    stub("converge", said)
    assert promoted(checkout).returncode == 1


def test_a_promotion_that_passes_leaves_its_commit(checkout: Path, stub: Stub):
    stub("converge", "echo '{}'")
    done = promoted(checkout)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def step_of(where: str) -> Step:
    (found,) = (step for job in (*github_jobs(), *azure_jobs()) for step in job.steps if step.where == where)
    return found


@pytest.mark.parametrize("forge", ["github", "azure"])
@pytest.mark.parametrize("code", [0, 1, 4, 5])
def test_how_a_deployment_of_prod_ends(forge: str, code: int, checkout: Path, stub: Stub, tmp_path: Path, calls: Callable[[], list[str]]):
    """Its exit code is the job's; a plan that is not the approved one says how to ask again."""
    stub("converge", f'case "$1" in deploy) exit {code};; esac')
    for program in ("az", "docker"):
        stub(program, "")
    (checkout / ".ci" / "install-tools").write_text("#!/bin/sh\necho /tools\n")
    (checkout / ".ci" / "reach-cluster").write_text("#!/bin/sh\n")
    step = step_of(f"{'deploy.yml, deploy-prod' if forge == 'github' else 'azure-pipelines.yml, deploy_prod_deploy'}, Deploy what was approved")
    runner = Runner.of(forge, tmp_path / "runner", checkout)

    done = runner.run(step, _of_azure(tmp_path))

    assert done.returncode == code, done.stderr
    assert ("not the approved one any more" in done.stdout) == (code == 4)
    assert calls()[-1] == f"converge deploy prod --plan {tmp_path / ('runner/approved' if forge == 'github' else 'plan-prod')}/plan.json"


@pytest.mark.parametrize("changes", [0, 3])
def test_a_plan_of_prod_says_how_many_changes_there_are_to_approve(changes: int, checkout: Path, stub: Stub, tmp_path: Path):
    plan = json.dumps({"infrastructure": {"changes": [{}] * changes}})
    stub("converge", f'for last; do :; done; echo "# Plan"; while [ "$1" != --save ]; do shift; done; echo \'{plan}\' > "$2"')
    runner = Runner.of("github", tmp_path / "github", checkout)
    runner.succeeds(step_of("deploy.yml, plan-prod, Plan"), {})
    assert runner.output.read_text() == f"changes={changes}\n"
    assert runner.summary.read_text() == "# Plan\n"

    (checkout / ".ci" / "install-tools").write_text("#!/bin/sh\necho /tools\n")
    runner = Runner.of("azure", tmp_path / "azure", checkout)
    runner.succeeds(step_of("azure-pipelines.yml, plan_prod_plan, Plan"), _of_azure(tmp_path))
    shown = runner.succeeds(step_of("azure-pipelines.yml, plan_prod_plan, Show the plan"), {})
    assert f"##vso[task.setvariable variable=changes;isOutput=true]{changes}\n" in shown
    assert (checkout / "plan.md").read_text() == "# Plan\n"


def _of_azure(folder: Path) -> Mapping[str, str]:
    return {"servicePrincipalId": "somebody", "idToken": "a token", "PIPELINE_WORKSPACE": str(folder)}
