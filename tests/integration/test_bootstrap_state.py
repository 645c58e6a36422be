"""Bootstrap's own state moves into a real blob container, by the engine's own client and with Entra tokens: there is no account key to use."""

from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient
from pulumi import automation

from delivery.azure.login import Caller
from delivery.azure.stack_file import StackFile
from delivery.bootstrap import run, simulation, wanted
from delivery.bootstrap.engine import PROJECT, Backend, Bootstrap
from local_azure.assembly import LocalAzure
from local_azure.sandbox import STORAGE_ACCOUNT

_CALLER = Caller(object_id="11111111-1111-4111-8111-111111111111", tenant_id="22222222-2222-4222-8222-222222222222", name="ada", kind="User")
_KIND = "pulumi:pulumi:Stack"
_STATE = {
    "manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""},
    "resources": [{"urn": f"urn:pulumi:dev::{PROJECT}::{_KIND}::{PROJECT}-dev", "custom": False, "type": _KIND, "outputs": {"planClientId": "plan-client"}}],
}


def test_the_state_moves_into_the_container_and_is_read_there(azure: LocalAzure, blob_container_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AZURE_STORAGE_KEY", raising=False)
    file = StackFile(
        stack="dev",
        path=Path("Pulumi.dev.yaml"),
        subscription_id="00000000-0000-0000-0000-000000000001",
        location="westeurope",
        values={"bootstrap:github": "acme/vision"},
    )
    made = wanted.from_file(file, _CALLER)
    place = simulation.backend(Path(__file__).parents[2], tmp_path)
    # What `pulumi login` takes for an emulator; for Azure itself the first parameter is enough.
    container = blob_container_url.rsplit("/", 1)[-1]
    url = f"azblob://{container}?storage_account={STORAGE_ACCOUNT}&protocol=https&domain=127.0.0.1:{azure.sandbox.ports.blob}&localemu=true"
    variables = {**place.variables, **azure.sandbox.identity_environment()}
    here = Bootstrap(made, place)
    here.replace_state(automation.Deployment(version=3, deployment=_STATE))
    there = Bootstrap(made, Backend(url=url, work=tmp_path / "work", variables=variables, pulumi=place.pulumi))

    local_state = Path(place.url.removeprefix("file://"))
    run.move(here, there, local_state)

    assert not local_state.exists()
    assert there.outputs() == {"planClientId": "plan-client"}
    with DefaultAzureCredential() as credential, ContainerClient.from_container_url(blob_container_url, credential) as client:
        assert f".pulumi/stacks/{PROJECT}/dev.json" in {blob.name for blob in client.list_blobs()}
