"""The whole way, as a user goes it: one story on one sandbox, told in order. Each test goes on from where the one before ended."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient

from tests.end_to_end.copy_of_checkout import ROOT, Copy
from tests.end_to_end.somebody_else import clone_of_somebody_else, run_as_somebody_else
from tests.end_to_end.steady_client import SteadyClient

_MANY = 1_000_000
_TRIES = 20
_HOOKS = Path("app_template/app/hooks.py")


@pytest.fixture(scope="session")
def before_everything(copy: Copy) -> dict[str, str]:
    """What the kernel listed before anything of the copy ran."""
    return {command: copy.kernel(command) for command in ("ip netns list", "mount")}


def container(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> ContainerClient:
    """The sandbox's model container, opened as a vandal would who has every right."""
    for name, value in copy.sandbox.identity_environment().items():
        monkeypatch.setenv(name, value)
    return ContainerClient.from_container_url(copy.sandbox.model_store, DefaultAzureCredential())


def serves_release(copy: Copy, text: str) -> bool:
    """Whether the app's release is served; for a moment after a roll-out a pod on its way out may still get a request."""
    url = copy.url()
    for _ in range(_TRIES):
        if copy.predict(url)["parameters"]["app_release"] == text:
            return True
        time.sleep(0.5)
    return False


def change_app(copy: Copy, text: str) -> None:
    path = copy.folder / _HOOKS
    path.write_text(re.sub(r'APP_RELEASE = ".*"', f'APP_RELEASE = "{text}"', path.read_text()))


def test_from_nothing_to_a_prediction(copy: Copy, before_everything: dict[str, str]):
    assert before_everything
    printed = copy.up()
    service = copy.service()
    assert f"model digits version 1, sha256 {service['model']['sha256']}" in printed
    assert "curl -s http://" in printed
    assert re.search(r"pulumi up: \d+\.\d s", printed)
    expected = copy.golden_case()["outputs"]
    answer = copy.predict()
    assert answer["model_name"] == "digits"
    assert answer["model_version"] == "1"
    labels = {output["name"]: output["data"] for output in answer["outputs"]}
    assert labels["label"] == {output["name"]: output["data"] for output in expected}["label"]


def test_the_printed_call_works_as_printed(copy: Copy):
    line = next(line.strip() for line in copy.up().splitlines() if line.strip().startswith("curl -s http://"))
    if shutil.which("curl"):
        answer = json.loads(copy.run("bash", "-c", line).stdout)
    else:
        _, _, url, _, body = shlex.split(line)
        answer = httpx.post(url, content=body, trust_env=False).raise_for_status().json()
    assert "outputs" in answer


def test_the_second_time_there_is_nothing_to_change(copy: Copy):
    preview = copy.in_sandbox("pulumi preview --stack local --expect-no-changes --non-interactive")
    assert preview.returncode == 0, preview.stdout + preview.stderr
    printed = copy.up()
    assert "nothing to change" in printed
    services = json.loads(copy.converge("local", "status", "--json").stdout)["services"]
    assert all(service["process"] for service in services)
    assert "pulumi up:" not in printed


def test_a_commit_that_touches_neither_app_nor_model_changes_nothing(copy: Copy):
    (copy.folder / "README.md").write_text("# Another text\n")
    copy.run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--all", "-m", "text")
    assert copy.in_sandbox("pulumi preview --stack local --expect-no-changes --non-interactive").returncode == 0


def test_another_umask_and_other_file_times_change_nothing(copy: Copy):
    for path in (copy.folder / "app_template").rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (0, 0))
    assert copy.in_sandbox("umask 077 && pulumi preview --stack local --expect-no-changes --non-interactive").returncode == 0


def test_another_users_clone_elsewhere_changes_nothing(copy: Copy):
    preview = ("pulumi", "preview", "--stack", "local", "--expect-no-changes", "--non-interactive")
    with clone_of_somebody_else(copy) as (clone, environment):
        same = run_as_somebody_else(clone, environment, *preview)
        assert same.returncode == 0, same.stdout + same.stderr
        (clone / _HOOKS).write_text((clone / _HOOKS).read_text() + "\n")
        # It would have seen a change.
        assert run_as_somebody_else(clone, environment, *preview).returncode != 0


@pytest.mark.figures
def test_an_app_change_is_served_without_a_failed_request_and_pushes_only_its_layer(copy: Copy):
    layers, blobs = copy.layers(), copy.registry_blobs()
    with SteadyClient(copy.url(), {"inputs": copy.golden_case()["inputs"]}) as client:
        change_app(copy, "second")
        printed = copy.up()
        assert serves_release(copy, "second")
    assert client.failures == []
    assert client.answers > 0
    new_layers = [layer for layer in copy.layers() if layer not in layers]
    new_blobs = {digest: size for digest, size in copy.registry_blobs().items() if digest not in blobs}
    assert len(new_layers) == 1
    print(f"app change: {sum(new_blobs.values())} bytes in {len(new_blobs)} blobs; {client.answers} answers without a failure")
    assert set(new_layers) <= set(new_blobs)
    assert sum(new_blobs.values()) < _MANY
    assert "1 of " in printed


@pytest.mark.figures
def test_a_new_model_is_named_in_the_preview_served_without_a_failed_request_and_pushes_only_its_layer(copy: Copy):
    old = copy.service()["model"]
    layers, blobs = copy.layers(), copy.registry_blobs()
    inputs = copy.golden_case()["inputs"]
    version = copy.publish_variant(seed=7)
    assert version == 2
    preview = copy.in_sandbox("pulumi preview --stack local --diff --non-interactive --color never").stdout
    assert re.search(r'version.*"1" => "2"', preview)
    assert old["sha256"][:12] in preview
    with SteadyClient(copy.url(), {"inputs": inputs}) as client:
        copy.up()
    assert client.failures == []
    assert copy.predict()["model_version"] == "2"
    new_layers = [layer for layer in copy.layers() if layer not in layers]
    new_blobs = {digest: size for digest, size in copy.registry_blobs().items() if digest not in blobs}
    print(f"model change: {sum(new_blobs.values())} bytes in {len(new_blobs)} blobs; {client.answers} answers without a failure")
    assert len(new_layers) == 1


def refused(copy: Copy, *words: str) -> None:
    """Deploying fails with one message that has the words, and the model that served before still does."""
    before = copy.predict()["model_version"]
    result = copy.run("make", "-o", ".venv/made", "up")
    assert result.returncode != 0
    messages = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert copy.predict(copy.url())["model_version"] == before


def test_altered_bytes_in_the_store_are_never_served(copy: Copy, monkeypatch: pytest.MonkeyPatch):
    lock = copy.folder / "locks" / "local.json"
    served = lock.read_text()
    version = copy.publish_variant(seed=8)
    with container(copy, monkeypatch) as store:
        blob = store.get_blob_client(f"digits/{version}/model.onnx")
        content = blob.download_blob().readall()
        blob.upload_blob(content[:-1] + bytes([content[-1] ^ 1]), overwrite=True)
    serving = copy.folder / "served.json"
    serving.write_text(served)
    deployed = json.loads(served)["services"]["digits"]["model"]["files"]["model.onnx"]["sha256"]
    locked = json.loads(lock.read_text())["services"]["digits"]["model"]["files"]["model.onnx"]["sha256"]
    assert deployed != locked
    refused(copy, "model.onnx", locked)
    lock.write_text(served)


def test_a_missing_version_is_never_served(copy: Copy, monkeypatch: pytest.MonkeyPatch):
    lock = copy.folder / "locks" / "local.json"
    served = lock.read_text()
    version = copy.publish_variant(seed=9)
    with container(copy, monkeypatch) as store:
        store.delete_blob(f"digits/{version}/model.onnx")
    refused(copy, "model.onnx", "404")
    lock.write_text(served)


def test_a_model_that_fails_its_golden_requests_is_never_served(copy: Copy):
    lock = copy.folder / "locks" / "local.json"
    served = lock.read_text()
    broken = copy.sandbox.folder / "training" / "broken"
    shutil.copytree(copy.sandbox.folder / "training" / "variant-7", broken)
    golden = json.loads((broken / "golden.json").read_text())
    for output in golden["cases"][0]["outputs"]:
        if output["name"] == "label":
            output["data"] = [(value + 1) % 10 for value in output["data"]]
    (broken / "golden.json").write_text(json.dumps(golden))
    promoted = copy.in_sandbox(f"converge model publish digits {broken} && converge model promote digits latest --stack local")
    assert promoted.returncode == 1
    assert "error: golden requests: 3 of 4 answered within tolerance, case 0: label: value 0 is " in promoted.stderr
    assert lock.read_text() == served
    # Who goes around the gate does not get past the build.
    program = (
        "import os, pathlib, model_store\n"
        "store = model_store.ModelStore.open(os.environ['CONVERGE_MODEL_STORE'])\n"
        "model_store.promote(store, 'digits', None, pathlib.Path('locks/local.json'), 'digits')"
    )
    forced = copy.in_sandbox(f"python -c {shlex.quote(program)}")
    assert forced.returncode == 0, forced.stderr
    refused(copy, "golden")
    lock.write_text(served)


def test_after_the_refusals_nothing_has_to_be_repaired(copy: Copy):
    assert "nothing to change" in copy.up()


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def engine_at_work(copy: Copy, deployment: subprocess.Popen[str]) -> psutil.Process:
    """Waits until `pulumi up` runs below the deployment."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for process in psutil.Process(deployment.pid).children(recursive=True):
            try:
                command = process.cmdline()
            except psutil.NoSuchProcess:
                continue
            if command and Path(command[0]).name == "pulumi" and "up" in command[1:3]:
                return process
        time.sleep(0.05)
    raise AssertionError(f"no `pulumi up` was seen in {copy.folder}")


@pytest.mark.parametrize("after", [0.5, 2.0, 4.0])
def test_a_killed_engine_is_continued(copy: Copy, after: float):
    change_app(copy, f"killed-{after}")
    command = [str(ROOT / ".venv" / "bin" / "converge"), "local", "up"]
    deployment = subprocess.Popen(command, cwd=copy.folder, env=copy.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    engine = engine_at_work(copy, deployment)
    time.sleep(after)
    kill([engine])
    kill([psutil.Process(deployment.pid), *psutil.Process(deployment.pid).children(recursive=True)])
    deployment.wait(10)
    copy.up()
    assert serves_release(copy, f"killed-{after}")
    assert copy.in_sandbox("pulumi preview --stack local --expect-no-changes --non-interactive").returncode == 0


def test_ctrl_c_ends_with_one_line_and_the_same_command_goes_on(copy: Copy):
    change_app(copy, "interrupted")
    command = [str(ROOT / ".venv" / "bin" / "converge"), "local", "up"]
    deployment = subprocess.Popen(
        command, cwd=copy.folder, env=copy.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    engine_at_work(copy, deployment)
    # As a terminal does: to everything that runs in it.
    os.killpg(deployment.pid, signal.SIGINT)
    _, errors = deployment.communicate(timeout=60)
    assert deployment.returncode == 130, errors
    assert errors.strip() == "interrupted; what runs goes on running, and the same command goes on from here"
    copy.up()
    assert serves_release(copy, "interrupted")


def test_killed_services_come_back_with_their_data(copy: Copy):
    version = copy.predict()["model_version"]
    listing = copy.converge("local", "status", "--json")
    services = json.loads(listing.stdout)["services"]
    kill([psutil.Process(service["process"]) for service in services])
    assert copy.converge("local", "status").returncode == 1
    assert "nothing to change" in copy.up()
    assert copy.converge("local", "status").returncode == 0
    assert copy.predict()["model_version"] == version
    versions = json.loads(copy.in_sandbox("converge model list digits --json").stdout)
    assert len(versions) >= 3


def test_what_somebody_deleted_from_the_cluster_is_deployed_again(copy: Copy):
    version = copy.predict()["model_version"]
    deleted = copy.in_sandbox("kubectl delete namespace digits --wait")
    assert deleted.returncode == 0, deleted.stderr
    output = copy.up()
    assert "digits: no longer in the cluster" in output
    assert copy.predict()["model_version"] == version
    # Reading everything back found nothing else to change.
    assert "azure-native:" not in output
    assert copy.in_sandbox("pulumi preview --stack local --expect-no-changes --non-interactive").returncode == 0


def test_destroy_and_down_leave_nothing_but_the_data(copy: Copy, before_everything: dict[str, str]):
    destroyed = copy.in_sandbox("pulumi destroy --stack local --yes --non-interactive")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert copy.converge("local", "down").returncode == 0
    folder, name = str(copy.sandbox.folder), f"converge-{copy.sandbox.id}"
    assert [process for process in psutil.process_iter(["cmdline"]) if any(folder in part for part in process.info["cmdline"] or [])] == []
    assert folder not in Path("/proc/mounts").read_text()
    assert str(copy.sandbox.runtime) not in Path("/proc/mounts").read_text()
    assert copy.kernel("ip netns list") == before_everything["ip netns list"]
    assert copy.kernel("mount").count("\n") <= before_everything["mount"].count("\n")
    assert f"cvg{copy.sandbox.id}" not in copy.kernel("ip link")
    assert f"10.233.{copy.sandbox.subnet}." not in copy.kernel("ip route")
    assert list(Path("/sys/fs/cgroup").glob(f"**/{name}")) == []
    assert not copy.sandbox.runtime.exists()
    assert any((copy.sandbox.folder / "blob").iterdir())


def test_after_destroy_and_down_the_published_models_are_served_again(copy: Copy):
    copy.up()
    assert copy.predict()["model_version"] == "2"
    assert httpx.get(f"{copy.url()}/v2/health/ready", trust_env=False).status_code == 200
