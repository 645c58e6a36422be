"""The model store against a real blob service, over HTTPS and with Entra tokens."""

import io
import json
import logging
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from rich.console import Console

from delivery.promotion.model import Promotion
from model_store import LockChange, LockedService, ModelStore, ModelStoreError, promote, read_lock
from model_store.documents import to_json
from tests.unit.model_store.onnx_models import sample_model
from tests.unit.model_store.samples import DESCRIPTION, GOLDEN, manifest, write_folder

_CONVERGE = Path(sys.executable).with_name("converge")
_LARGE = 40 * 2**20
"""Bytes; more than one single write and one single read of the store."""


@pytest.fixture
def store(blob_container_url: str) -> Iterator[ModelStore]:
    with ModelStore.open(blob_container_url) as opened:
        yield opened


@pytest.fixture
def container(blob_container_url: str) -> Iterator[ContainerClient]:
    """The container in the hands of somebody who has every right and no manners."""
    with DefaultAzureCredential() as credential, ContainerClient.from_container_url(blob_container_url, credential) as client:
        yield client


def converge(url: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it."""
    environment = {**os.environ, "CONVERGE_MODEL_STORE": url}
    result = subprocess.run([str(_CONVERGE), "model", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    return result


def names(container: ContainerClient) -> list[str]:
    return sorted(container.list_blob_names())


def message(*arguments: str, url: str, cwd: Path) -> str:
    """The one line with which a command refuses."""
    result = converge(url, *arguments, cwd=cwd)
    assert result.returncode == 1
    assert result.stderr.count("error: ") == 1
    return result.stderr.splitlines()[-1]


def test_what_is_published_comes_back_byte_for_byte(store: ModelStore, container: ContainerClient, tmp_path: Path):
    made = store.publish("digits", write_folder(tmp_path / "in", b"a model"))
    assert (made.model, made.version) == ("digits", 1)
    assert names(container) == ["digits/1/golden.json", "digits/1/manifest.json", "digits/1/model.onnx"]
    assert store.versions("digits") == [1]
    assert store.models() == {"digits": [1]}
    assert store.manifest("digits", 1)[0] == made
    assert store.fetch("digits", 1, tmp_path / "out") == made
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"a model"
    assert (tmp_path / "out" / "golden.json").read_bytes() == (tmp_path / "in" / "golden.json").read_bytes()
    assert (tmp_path / "out" / "manifest.json").read_bytes() == store.manifest("digits", 1)[1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["golden.json", "manifest.json", "model.onnx"]
    assert container.get_blob_client("digits/1/model.onnx").get_blob_properties().content_settings.content_type == "application/octet-stream"


def test_the_publisher_is_the_identity_of_the_token(store: ModelStore, tmp_path: Path):
    assert store.publish("digits", write_folder(tmp_path)).created_by == "00000000-0000-4000-8000-0000000de9e1"


def test_a_large_model_goes_and_comes_in_blocks(store: ModelStore, tmp_path: Path):
    content = os.urandom(_LARGE)
    steps: list[tuple[str, int, int]] = []
    made = store.publish("digits", write_folder(tmp_path / "in", content), lambda *step: steps.append(step))
    assert made.files["model.onnx"].sha256 == sha256(content).hexdigest()
    assert len([step for step in steps if step[0] == "model.onnx"]) > 2
    assert [check.problem for check in store.verify("digits", 1)] == [None, None]
    store.fetch("digits", 1, tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx").read_bytes() == content


def test_the_same_content_is_not_published_twice(store: ModelStore, container: ContainerClient, tmp_path: Path):
    store.publish("digits", write_folder(tmp_path / "one", b"one"))
    store.publish("digits", write_folder(tmp_path / "two", b"two"))
    before = names(container)
    again = store.publish_or_find("digits", tmp_path / "one")
    assert (again.manifest.version, again.new) == (1, False)
    assert names(container) == before
    assert store.publish("digits", write_folder(tmp_path / "one", b"one", metrics={"accuracy": 0.5})).version == 3


def test_the_same_content_under_another_name_is_another_model(store: ModelStore, tmp_path: Path):
    store.publish("digits", write_folder(tmp_path))
    assert store.publish("letters", tmp_path).version == 1
    assert store.models() == {"digits": [1], "letters": [1]}


def test_publishers_at_the_same_time_get_a_version_each(blob_container_url: str, store: ModelStore, tmp_path: Path):
    folders = [write_folder(tmp_path / str(number), f"model {number}".encode()) for number in range(6)]

    def publish(folder: Path) -> tuple[int, bytes]:
        with ModelStore.open(blob_container_url) as own:
            return own.publish("digits", folder).version, (folder / "model.onnx").read_bytes()

    with ThreadPoolExecutor(len(folders)) as pool:
        published = dict(pool.map(publish, folders))
    assert sorted(published) == store.versions("digits")
    assert len(published) == len(folders)
    for version, content in published.items():
        assert [check.problem for check in store.verify("digits", version)] == [None, None]
        assert store.manifest("digits", version)[0].files["model.onnx"].sha256 == sha256(content).hexdigest()


def test_large_models_published_at_the_same_time_do_not_mix_their_blocks(blob_container_url: str, store: ModelStore, tmp_path: Path):
    folders = [write_folder(tmp_path / letter, letter.encode() * _LARGE) for letter in "ab"]

    def publish(folder: Path) -> int:
        with ModelStore.open(blob_container_url) as own:
            return own.publish("digits", folder).version

    with ThreadPoolExecutor(2) as pool:
        versions = list(pool.map(publish, folders))
    assert len(set(versions)) == 2
    for version in versions:
        assert [check.problem for check in store.verify("digits", version)] == [None, None]


@pytest.mark.parametrize("left", [["model.onnx"], ["golden.json"], ["golden.json", "model.onnx"]])
def test_a_publication_that_was_cut_off_is_no_version_and_blocks_nothing(store: ModelStore, container: ContainerClient, tmp_path: Path, left: list[str]):
    for file in left:
        container.upload_blob(f"digits/1/{file}", b"half a publication")
    assert store.versions("digits") == []
    assert store.models() == {}
    with pytest.raises(ModelStoreError, match=r"^no version of digits was ever completed in https://.*; publish again$"):
        store.resolve("digits", None)
    assert store.publish("digits", write_folder(tmp_path)).version == 2
    assert store.versions("digits") == [2]
    with pytest.raises(ModelStoreError, match=r"^digits version 1 was begun but never completed; https://.* has 2$"):
        store.resolve("digits", 1)
    assert container.download_blob(f"digits/1/{left[0]}").readall() == b"half a publication"


def test_a_killed_publication_is_no_version_and_blocks_nothing(blob_container_url: str, store: ModelStore, container: ContainerClient, tmp_path: Path):
    write_folder(tmp_path / "large", os.urandom(_LARGE))
    program = (
        "import os, pathlib, sys; from model_store import ModelStore\n"
        "def die(file, done, total):\n"
        "    if file == 'model.onnx' and done > total // 2: os.kill(os.getpid(), 9)\n"
        "ModelStore.open(sys.argv[1]).publish('digits', pathlib.Path(sys.argv[2]), die)"
    )
    assert subprocess.run([sys.executable, "-c", program, blob_container_url, str(tmp_path / "large")], check=False).returncode == -9
    assert store.versions("digits") == []
    assert names(container) == ["digits/1/golden.json"]
    assert store.publish("digits", tmp_path / "large").version == 2
    assert [check.problem for check in store.verify("digits", 2)] == [None, None]


def test_nothing_is_ever_written_over(store: ModelStore, container: ContainerClient):
    assert store._container.create("digits/1/model.onnx", b"first", 5, "text/plain")
    assert not store._container.create("digits/1/model.onnx", b"other", 5, "text/plain")
    assert container.download_blob("digits/1/model.onnx").readall() == b"first"


def alter(container: ContainerClient, name: str) -> None:
    """Turns one bit of a blob."""
    content = bytearray(container.download_blob(name).readall())
    content[-1] ^= 1
    container.upload_blob(name, bytes(content), overwrite=True)


def test_altered_bytes_are_found_and_never_fetched(blob_container_url: str, store: ModelStore, container: ContainerClient, tmp_path: Path):
    made = store.publish("digits", write_folder(tmp_path / "in"))
    alter(container, "digits/1/model.onnx")
    result = converge(blob_container_url, "verify", "digits", cwd=tmp_path)
    assert result.returncode == 1
    assert "digits version 1: model.onnx has been altered: sha256 " in result.stdout
    assert f"but it was published with {made.files['model.onnx'].sha256} (11 bytes)" in result.stdout
    assert "golden.json" not in result.stdout
    assert result.stderr.endswith("error: 1 version of digits must not be used\n")
    with pytest.raises(ModelStoreError, match=r"model\.onnx has been altered: .*; do not use this version$"):
        store.fetch("digits", 1, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_altered_manifest_is_named_and_does_not_hide_the_others(blob_container_url: str, store: ModelStore, container: ContainerClient, tmp_path: Path):
    for content in (b"one", b"two"):
        store.publish("digits", write_folder(tmp_path / "in", content))
    container.upload_blob("digits/1/manifest.json", b'{"model": "digits"}', overwrite=True)
    listing = json.loads(converge(blob_container_url, "list", "digits", "--json", cwd=tmp_path).stdout)
    assert listing[0]["problem"].startswith("manifest.json of digits version 1: format: is missing; ")
    assert listing[1]["version"] == 2
    assert "digits version 2: ok" in converge(blob_container_url, "verify", "digits", cwd=tmp_path).stdout
    assert store.publish("digits", write_folder(tmp_path / "in", b"one")).version == 3
    with pytest.raises(ModelStoreError, match=r"^manifest\.json of digits version 1: "):
        promote(store, "digits", 1, tmp_path / "dev.json", "digits")


def test_a_manifest_in_the_wrong_place_is_refused(store: ModelStore, container: ContainerClient):
    container.upload_blob("digits/2/manifest.json", to_json(manifest(1)))
    with pytest.raises(ModelStoreError, match=r"^manifest\.json of digits version 2: it is that of digits version 1; do not use this version$"):
        store.manifest("digits", 2)


def test_a_folder_with_other_files_is_left_as_it_is(store: ModelStore, tmp_path: Path):
    store.publish("digits", write_folder(tmp_path / "in", b"published"))
    write_folder(tmp_path / "mine", b"my only copy")
    with pytest.raises(ModelStoreError, match=r"mine/model\.onnx is there already and is another file; fetch into an empty folder$"):
        store.fetch("digits", 1, tmp_path / "mine")
    assert (tmp_path / "mine" / "model.onnx").read_bytes() == b"my only copy"
    assert not (tmp_path / "mine" / "manifest.json").exists()
    store.fetch("digits", 1, tmp_path / "in")
    assert (tmp_path / "in" / "manifest.json").exists()


def test_a_promotion_locks_the_bytes_that_are_in_the_store(store: ModelStore, container: ContainerClient, tmp_path: Path):
    lock = tmp_path / "locks" / "dev.json"
    made = store.publish("digits", write_folder(tmp_path / "in"))
    change = promote(store, "digits", None, lock, "digits")
    assert read_lock(lock).services == {"digits": LockedService(model=change.after.model, image=None)}
    for file, expected in change.after.model.files.items():
        content = container.download_blob(f"digits/1/{file}").readall()
        assert (sha256(content).hexdigest(), len(content)) == (expected.sha256, expected.size)
    assert set(change.after.model.files) == {"model.onnx", "golden.json", "manifest.json"}
    assert (change.after.model.published_at, change.after.model.published_by) == (made.created_at, made.created_by)


def test_a_version_without_its_bytes_is_not_promoted(store: ModelStore, container: ContainerClient, tmp_path: Path):
    store.publish("digits", write_folder(tmp_path / "in"))
    container.upload_blob("digits/1/model.onnx", b"short", overwrite=True)
    with pytest.raises(
        ModelStoreError, match=r"^digits version 1 in .* cannot be used: model\.onnx has 5 bytes, but was published with 11; publish the model again$"
    ):
        promote(store, "digits", 1, tmp_path / "dev.json", "digits")
    container.delete_blob("digits/1/model.onnx")
    with pytest.raises(ModelStoreError, match=r"cannot be used: model\.onnx is missing; publish the model again$"):
        promote(store, "digits", 1, tmp_path / "dev.json", "digits")
    assert not (tmp_path / "dev.json").exists()


def test_the_commands_from_publishing_to_the_lock(blob_container_url: str, tmp_path: Path):
    url = blob_container_url
    assert converge(url, "list", cwd=tmp_path).stdout == f"no model has been published in {url}\n"
    assert json.loads(converge(url, "list", "digits", "--json", cwd=tmp_path).stdout) == []
    one = sample_model(1)
    write_folder(tmp_path / "one", one)
    write_folder(tmp_path / "two", sample_model(2), metrics={"accuracy": 0.95})
    published = converge(url, "publish", "digits", "one", cwd=tmp_path)
    hashed = sha256(one).hexdigest()
    assert published.stdout.splitlines()[0].startswith("published digits version 1, ")
    assert published.stdout.splitlines()[0].endswith(f"sha256 {hashed}")
    assert published.stdout.splitlines()[1] == "next: converge model promote digits 1 --stack STACK"
    assert f"uploading model.onnx, {len(one)} bytes" in published.stderr
    again = converge(url, "publish", "digits", "one", cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout.startswith("digits version 1 has exactly this content already, published ")
    assert converge(url, "promote", "digits", "latest", "--stack", "dev", cwd=tmp_path).stdout.splitlines() == [
        "locks/dev.json: service digits: nothing -> digits v1",
        "  metric accuracy: 0.9",
        "  gate golden requests: 1 of 1 answered within tolerance: passes",
        "  note: there is no Pulumi.dev.yaml beside locks, so nobody asked for metrics, contract or a reason",
        "next: commit locks/dev.json, then pulumi preview --stack dev",
    ]
    converge(url, "publish", "digits", "two", cwd=tmp_path)
    assert converge(url, "diff", "digits", "1", "latest", cwd=tmp_path).stdout.splitlines()[:2] == ["digits v1 -> v2", "  metric accuracy: 0.9 -> 0.95 (+0.05)"]
    change = json.loads(converge(url, "promote", "digits", "v2", "--stack", "dev", "--json", cwd=tmp_path).stdout)
    assert (change["changed"], change["before"]["model"]["version"], change["after"]["model"]["version"]) == (True, 1, 2)
    assert [(gate["name"], gate["passed"]) for gate in change["gates"]["gates"]] == [("golden requests", True)]
    unchanged = converge(url, "promote", "digits", "2", "--stack", "dev", cwd=tmp_path)
    assert (unchanged.returncode, unchanged.stdout) == (0, "locks/dev.json: service digits runs digits v2 already, nothing changed\n")
    assert [entry["version"] for entry in json.loads(converge(url, "list", "digits", "--json", cwd=tmp_path).stdout)] == [1, 2]
    assert json.loads(converge(url, "list", "--json", cwd=tmp_path).stdout) == [{"model": "digits", "versions": [1, 2]}]
    assert json.loads(converge(url, "show", "digits", "1", "--json", cwd=tmp_path).stdout)["files"]["model.onnx"]["sha256"] == hashed
    assert hashed in converge(url, "show", "digits", "1", cwd=tmp_path).stdout
    assert "digits  2" in converge(url, "list", cwd=tmp_path).stdout
    assert converge(url, "verify", "digits", cwd=tmp_path).stdout == "digits version 1: ok\ndigits version 2: ok\n"
    assert converge(url, "verify", "--stack", "dev", cwd=tmp_path).stdout == "digits version 2: ok\n"
    assert converge(url, "fetch", "digits", "1", "--to", "out", cwd=tmp_path).stdout == (
        "fetched digits version 1 into out: model.onnx, golden.json, manifest.json; sha256 checked\n"
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose stack dev has gates, and an app that needs what the sample models have."""
    gates = [{"name": "accuracy", "mayWorsenBy": 0.005}]
    settings = {"converge:baseImage": f"python@sha256:{'a' * 64}", "converge:delivery": {"gates": gates, "reasonRequired": True}}
    (tmp_path / "Pulumi.dev.yaml").write_text(json.dumps({"config": settings}))
    (tmp_path / "app_template" / "app").mkdir(parents=True)
    (tmp_path / "app_template" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app_template" / "app" / "contract.json").write_text(json.dumps({side: DESCRIPTION[side] for side in ("inputs", "outputs")}))
    return tmp_path


def promoted(store: ModelStore, project: Path, version: int, reason: str = "newer") -> LockChange:
    """What the command does, in this process."""
    wanted = Promotion(name="digits", version=version, stack="dev", service="digits", locks=project / "locks", reason=reason)
    return wanted.carry_out(store, Console(file=io.StringIO()))


def refusal(store: ModelStore, project: Path, version: int, reason: str = "newer") -> str:
    with pytest.raises(ModelStoreError) as error:
        promoted(store, project, version, reason)
    return str(error.value)


def test_the_gates_of_a_stack(blob_container_url: str, store: ModelStore, project: Path):
    """A model goes on when nothing of it is worse than the stack allows; otherwise the lock stays, and one message begins with what failed."""
    lock = project / "locks" / "dev.json"
    for number, accuracy in enumerate((0.98, 0.91, 0.976)):
        store.publish("digits", write_folder(project / str(number), sample_model(number), metrics={"accuracy": accuracy}))
    assert refusal(store, project, 1, "") == (
        f"reason: none, this stack asks for one with --reason: fails. digits v1 is not promoted, {lock} stays as it is "
        "(passed: accuracy, contract, golden requests)"
    )
    assert not lock.exists()
    first = promoted(store, project, 1, "the first").gates
    assert first is not None
    assert first.lines() == [
        "gate accuracy none -> 0.98, nothing runs yet: passes",
        "gate contract: digits v1 has what app_template needs: passes",
        "gate golden requests: 1 of 1 answered within tolerance: passes",
        "gate reason: the first: passes",
    ]
    before = lock.read_bytes()
    command = ("promote", "digits", "2", "--stack", "dev", "--reason", "newer", "--json")
    refused = converge(blob_container_url, *command, cwd=project)
    assert (refused.returncode, json.loads(refused.stdout)["changed"], json.loads(refused.stdout)["gates"]["gates"][0]["passed"]) == (1, False, False)
    assert refused.stderr.splitlines()[-1] == (
        "error: accuracy 0.98 -> 0.91, may worsen by 0.005: fails. digits v2 is not promoted, locks/dev.json stays as it is "
        "(passed: contract, golden requests, reason)"
    )
    assert lock.read_bytes() == before
    third = promoted(store, project, 3).gates
    assert third is not None
    assert str(third.gates[0]) == "accuracy 0.98 -> 0.976, may worsen by 0.005: passes"
    assert read_lock(lock).services["digits"].model.version == 3


def test_models_that_do_not_do_what_they_say(store: ModelStore, project: Path):
    store.publish("digits", write_folder(project / "broken", b"no model"))
    case = GOLDEN["cases"][0]
    folder = write_folder(project / "wrong", sample_model(1))
    (folder / "golden.json").write_text(json.dumps({**GOLDEN, "cases": [{**case, "outputs": [{**case["outputs"][0], "data": [4]}]}]}))
    store.publish("digits", folder)
    folder = write_folder(project / "misdeclared", sample_model(1), inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, 3]}])
    (folder / "golden.json").write_text(json.dumps({**GOLDEN, "cases": [{**case, "inputs": [{**case["inputs"][0], "shape": [1, 3], "data": [1, 2, 3]}]}]}))
    store.publish("digits", folder)
    assert refusal(store, project, 1).startswith("golden requests cannot be sent: ONNX Runtime cannot load it: ")
    assert refusal(store, project, 2).startswith(
        "golden requests: 0 of 1 answered within tolerance, case 0: label: value 0 is 3, expected 4 within 1e-05 + 0.0001 of it: fails. "
    )
    misdeclared = refusal(store, project, 3)
    assert misdeclared.startswith("digits: model digits version 3 does not fit the app: the app needs input x FP32 [-1, 2], the model has x FP32 [-1, 3] ")
    assert "its inputs are x FP32 [-1, 2], but its manifest says x FP32 [-1, 3]" in misdeclared
    assert not (project / "locks").exists()


def test_the_running_model_s_requests_are_told_and_decide_nothing(store: ModelStore, container: ContainerClient, project: Path):
    case = GOLDEN["cases"][0]
    store.publish("digits", write_folder(project / "1", sample_model(1)))
    for version in (2, 3):
        folder = write_folder(project / str(version), sample_model(version))
        other = {"inputs": [{**case["inputs"][0], "data": [version, 0]}], "outputs": [{**case["outputs"][0], "data": [2]}]}
        (folder / "golden.json").write_text(json.dumps({**GOLDEN, "cases": [other]}))
        store.publish("digits", folder)
    notes = [gates.notes for version in (1, 2) if (gates := promoted(store, project, version).gates)]
    assert notes == [(), ("golden requests of digits v1: digits v2 answers 1 of 1 like it",)]
    alter(container, "digits/2/golden.json")
    gates = promoted(store, project, 3).gates
    assert gates is not None
    (note,) = gates.notes
    assert note.startswith("golden requests of digits v2 were not sent to digits v3: golden.json of digits version 2 in ")
    assert note.endswith(" has been altered; verify it: converge model verify digits 2")


def test_what_does_not_exist_is_said_with_what_does(blob_container_url: str, store: ModelStore, tmp_path: Path):
    for content in (b"one", b"two"):
        store.publish("digits", write_folder(tmp_path / "in", content))
    url = blob_container_url
    assert message("promote", "digits", "9", "--stack", "dev", url=url, cwd=tmp_path) == f"error: digits version 9 does not exist; {url} has 1-2"
    assert message("show", "letters", url=url, cwd=tmp_path) == (
        f"error: there is no model 'letters' in {url}, which has digits; publish one: converge model publish letters DIR"
    )
    assert not (tmp_path / "locks").exists()


def test_a_missing_container_is_said(blob_container_url: str, tmp_path: Path):
    account, _, name = blob_container_url.rpartition("/")
    absent = f"there is no container '{name}x' in {account}; `pulumi up` of the stack makes it"
    write_folder(tmp_path / "in")
    for arguments in (["list"], ["show", "digits"], ["publish", "digits", "in"], ["verify", "digits", "1"]):
        assert message(*arguments, url=f"{blob_container_url}x", cwd=tmp_path).endswith(absent)


def test_nobody_answers(blob_container_url: str, monkeypatch: pytest.MonkeyPatch):
    assert blob_container_url
    with ModelStore.open("https://127.0.0.1:9/account/models") as store, pytest.raises(ModelStoreError) as error:
        store.models()
    assert str(error.value).startswith("could not list https://127.0.0.1:9/account/models: 127.0.0.1:9 refuses connections; ")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with ModelStore.open(blob_container_url) as store, pytest.raises(ModelStoreError, match=r"is not trusted; .* REQUESTS_CA_BUNDLE$"):
        store.models()


def test_ssl_cert_file_is_enough_to_be_trusted(blob_container_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with ModelStore.open(blob_container_url) as store:
        assert store.models() == {}


def test_a_wrong_login_fails_at_once_and_says_which(blob_container_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    started = datetime.now(UTC)
    with ModelStore.open(blob_container_url) as store, pytest.raises(ModelStoreError, match=r"^no Azure login works here \(ManagedIdentityCredential: "):
        store.models()
    assert datetime.now(UTC) - started < timedelta(seconds=10)


@pytest.fixture
def urls(store: ModelStore, tmp_path: Path) -> dict[str, str]:
    """Signed URLs of a published version."""
    store.publish("digits", write_folder(tmp_path / "in", b"a model"))
    return store.read_urls(store.locked("digits", 1))


def get(url: str, method: str = "GET") -> httpx.Response:
    """A plain request without any login, as the image build sends it."""
    trusted = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    return httpx.request(method, url, verify=trusted, trust_env=False, headers={"x-ms-blob-type": "BlockBlob"})


def test_a_signed_url_needs_no_login(urls: dict[str, str], store: ModelStore):
    for file, url in urls.items():
        answer = get(url)
        assert answer.status_code == 200, answer.text
        assert sha256(answer.content).hexdigest() == store.locked("digits", 1).files[file].sha256
    assert set(urls) == {"model.onnx", "golden.json", "manifest.json"}


def test_a_signed_url_reads_one_blob_and_does_nothing_else(urls: dict[str, str], container: ContainerClient):
    url = urls["model.onnx"]
    for method in ("PUT", "DELETE"):
        assert get(url, method).status_code == 403
    assert get(url.replace("model.onnx", "golden.json")).status_code == 403
    address, _, signature = url.partition("?")
    assert get(address).status_code in (401, 403, 404)
    assert get(f"{address.rsplit('/', 3)[0]}?restype=container&comp=list&{signature}").status_code == 403
    assert container.download_blob("digits/1/model.onnx").readall() == b"a model"


def test_a_signed_url_is_read_only_https_only_and_short_lived(urls: dict[str, str]):
    now = datetime.now(UTC)
    for url in urls.values():
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        start, expiry = (datetime.fromisoformat(query[key]) for key in ("st", "se"))
        assert (query["sp"], query["sr"], query["spr"]) == ("r", "b", "https")
        assert start <= now - timedelta(minutes=4)
        assert timedelta(minutes=29) < expiry - now <= timedelta(minutes=30)
        assert expiry - start < timedelta(hours=1)
        assert "skoid" in query
    assert len({parse_qs(urlsplit(url).query)["skt"][0] for url in urls.values()}) == 1


def test_a_signed_url_ends(store: ModelStore, tmp_path: Path):
    store.publish("digits", write_folder(tmp_path))
    url = store.read_urls(store.locked("digits", 1), timedelta(microseconds=1))["model.onnx"]
    assert get(url).status_code == 403


@pytest.mark.parametrize("validity", [timedelta(0), timedelta(minutes=-1), timedelta(minutes=55), timedelta(days=1)])
def test_no_url_for_an_hour_or_for_no_time(store: ModelStore, tmp_path: Path, validity: timedelta):
    store.publish("digits", write_folder(tmp_path))
    with pytest.raises(ModelStoreError, match=r"^read access may last at most 54 minutes, not "):
        store.read_urls(store.locked("digits", 1), validity)


def test_secrets_are_in_no_log_and_no_message(blob_container_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    for name in ("azure", "azure.core", "azure.identity", "azure.storage", "msal", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    with ModelStore.open(blob_container_url) as store:
        store.publish("digits", write_folder(tmp_path))
        locked = store.locked("digits", 1)
        signed = store.read_urls(locked)
        secrets = [parse_qs(urlsplit(url).query)["sig"][0] for url in signed.values()]
        secrets += [url.partition("sig=")[2].partition("&")[0] for url in signed.values()]
        secrets.append(store._container.credential.get_token("https://storage.azure.com/.default").token)
        secrets.append(os.environ["IDENTITY_HEADER"])
        now = datetime.now(UTC)
        secrets.append(store._container.delegation_key(now, now + timedelta(minutes=1)).value or "no key")
    with ModelStore.open(f"{blob_container_url}x") as absent, pytest.raises(ModelStoreError) as error:
        absent.locked("digits", 1)
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + str(error.value) + str(error.value.__cause__)
    assert "user delegation" in logged or "comp=userdelegationkey" in logged
    for secret in secrets:
        assert len(secret) > 10
        assert secret not in logged
