"""Signatures, tokens, keys and the kubeconfig stand nowhere in the open after deployments of every kind (the story before this one)."""

import base64
import json
import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import psutil
import pytest
import yaml

from local_azure.sandbox import PRINCIPAL_ID, TENANT_ID
from tests.end_to_end.copy_of_checkout import Copy
from tests.end_to_end.leaks import contents, found_in

# The simulated identity's tokens begin with the same header, whatever their times.
_TOKEN_START = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")


@pytest.fixture
def secrets(copy: Copy) -> dict[str, str]:
    """What must not be found. Every signed URL has another signature, so what all of them have besides is looked for."""
    sandbox = copy.sandbox
    user = yaml.safe_load(sandbox.kubeconfig.read_text())["users"][0]["user"]
    return {
        "a signed URL (owner of its delegation key)": f"skoid={PRINCIPAL_ID}",
        "a signed URL (tenant of its delegation key)": f"sktid={TENANT_ID}",
        "a token": _TOKEN_START,
        "the secret of the token endpoint": sandbox.secret("identity-header"),
        "the storage account's key": base64.b64encode(bytes.fromhex(sandbox.secret("blob-account-key", 64))).decode(),
        "the passphrase of the stack": sandbox.secret("pulumi-passphrase"),
        "the kubeconfig's key": user["client-key-data"],
        "the kubeconfig's key, decoded": base64.b64decode(user["client-key-data"]).decode().splitlines()[1],
    }


def test_the_search_finds_what_is_there(copy: Copy, secrets: dict[str, str], tmp_path: Path):
    """The opposite of the test below: a search that sees nothing would pass it."""
    for number, secret in enumerate(secrets.values()):
        (tmp_path / f"{number}.log").write_text(f"... {secret} ...")
    assert len(found_in(contents(tmp_path), secrets)) >= len(secrets)
    # A line of the model's golden requests lies in a layer of an image in the registry.
    golden = json.dumps(copy.golden_of("digits", 1))[:10]
    assert any(golden.encode()[:2] in content and place.endswith("golden.json") for place, content in contents(copy.sandbox.folder / "registry"))


def test_no_secret_in_state_outputs_logs_and_images(copy: Copy, secrets: dict[str, str]):
    sandbox = copy.sandbox
    # Configuration, history, layers and attestations of every image are blobs of the registry, those of refused builds included.
    places = [sandbox.pulumi_state, sandbox.folder / "logs", sandbox.folder / "registry", sandbox.folder / "arm", sandbox.folder / "previews"]
    places += [sandbox.folder / "buildkit" / "content", copy.folder / "locks", copy.folder / ".converge"]
    assert found_in(chain.from_iterable(named(place) for place in places if place.exists()), secrets) == []
    assert found_in([("Pulumi.local.yaml", (copy.folder / "Pulumi.local.yaml").read_bytes())], secrets) == []
    printed = [
        (command, (result := copy.in_sandbox(command)).stdout.encode() + result.stderr.encode())
        for command in (
            "pulumi stack output --json --stack local",
            "pulumi stack export --stack local",
            "pulumi preview --stack local --diff --non-interactive",
            "pulumi logs --stack local",
            "pulumi stack history --stack local --json",
        )
    ]
    assert found_in(printed, secrets) == []


def named(folder: Path) -> Iterator[tuple[str, bytes]]:
    return ((f"{folder.name}/{place}", content) for place, content in contents(folder))


def test_no_secret_on_a_command_line(secrets: dict[str, str]):
    lines = [(str(process.pid), " ".join(process.info["cmdline"] or []).encode()) for process in psutil.process_iter(["cmdline"])]
    assert found_in(lines, secrets) == []


def test_files_that_must_hold_a_secret_are_their_owners_alone(copy: Copy):
    folder = copy.sandbox.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (*(folder / "secrets").iterdir(), folder / "environment.sh", copy.sandbox.kubeconfig, folder / "certificates" / "server.key"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert path.stat().st_uid == os.getuid()
