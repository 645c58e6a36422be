"""The services behind the simulated Azure, one by one: what they say on the wire, and that their data survives a kill."""

import base64
import json
import signal
import sys
from pathlib import Path

import httpx
import pytest

from local_azure.assembly import LocalAzure
from local_azure.sandbox import PRINCIPAL_ID
from local_azure.services import buildkit, identity, registry
from local_azure.toolchain.go_tools import BUILDKIT

_MANIFEST = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def token_endpoint(azure: LocalAzure) -> str:
    azure.supervisor.start(identity.service(azure.sandbox, sys.executable))
    return azure.sandbox.identity_environment()["IDENTITY_ENDPOINT"]


def ask(endpoint: str, header: str | None, resource: str | None = "https://storage.azure.com") -> httpx.Response:
    headers = {"X-IDENTITY-HEADER": header} if header else {}
    return httpx.get(endpoint, params={"resource": resource} if resource else {}, headers=headers, trust_env=False)


def test_a_token_is_for_the_audience_that_was_asked_for(azure: LocalAzure, token_endpoint: str):
    answer = ask(token_endpoint, azure.sandbox.secret("identity-header"), "https://example.org").json()
    assert answer["token_type"] == "Bearer"
    claims = json.loads(base64.urlsafe_b64decode(answer["access_token"].split(".")[1] + "=="))
    assert claims["aud"] == "https://example.org"
    assert claims["oid"] == PRINCIPAL_ID
    assert claims["exp"] == int(answer["expires_on"])


def test_who_does_not_know_the_header_gets_no_token(azure: LocalAzure, token_endpoint: str):
    assert ask(token_endpoint, None).status_code == 401
    assert ask(token_endpoint, "wrong").status_code == 401
    assert ask(token_endpoint, azure.sandbox.secret("identity-header"), None).status_code == 400


@pytest.fixture(scope="module")
def pushed(azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image built by BuildKit and pushed to the registry, by digest."""
    azure.debian.ensure()
    azure.namespaces.create()
    azure.supervisor.start(registry.service(azure.sandbox, azure.debian))
    tool = azure.builder.folder(BUILDKIT)
    azure.supervisor.start(buildkit.service(azure.sandbox, tool, azure.debian, azure.namespaces))
    return buildkit.push(azure.sandbox, tool, context=context(tmp_path_factory.mktemp("image"), "hello"), name="tests/hello")


def context(folder: Path, text: str) -> Path:
    (folder / "greeting").write_text(text)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY greeting /greeting\n")
    return folder


def manifest(image: str) -> httpx.Response:
    repository, digest = image.split("@")
    host, name = repository.split("/", 1)
    return httpx.get(f"http://{host}/v2/{name}/manifests/{digest}", headers={"Accept": _MANIFEST}, trust_env=False)


def test_what_was_pushed_can_be_pulled_by_its_digest(pushed: str):
    answer = manifest(pushed)
    assert answer.status_code == 200
    assert answer.headers["docker-content-digest"] == pushed.partition("@")[2]


def test_a_killed_registry_comes_back_with_its_images(azure: LocalAzure, pushed: str):
    process = azure.supervisor.process("registry")
    assert process
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    azure.supervisor.start(registry.service(azure.sandbox, azure.debian))
    assert manifest(pushed).status_code == 200


def test_a_broken_dockerfile_is_told_with_its_log(azure: LocalAzure, pushed: str, tmp_path: Path):
    assert pushed
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY missing /missing\n")
    with pytest.raises(
        Exception, match=r'building the image localhost:18202/tests/broken failed \(exit code 1\); its log is .*\n(.*\n)*.*"/missing": not found'
    ):
        buildkit.push(azure.sandbox, azure.builder.folder(BUILDKIT), context=tmp_path, name="tests/broken")
