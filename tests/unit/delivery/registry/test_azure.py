import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.containerregistry import ContainerRegistryClient
from azure.identity import CredentialUnavailableError

from delivery.azure.errors import AzureError
from delivery.azure.login import Login
from delivery.registry import Contents, NotKnownError, RegistryError, azure, open_registry
from delivery.registry.azure import AzureRegistry
from delivery.registry.oci import OciRegistry
from tests.unit.delivery.fake_azure import Credential
from tests.unit.delivery.registry.fake_registry import PUSHED, FakeRegistry, refusal, serving
from tests.unit.delivery.registry.oci_images import image, index

NOWHERE = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("localhost").configure_cert(context)
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    issuer.cert_pem.write_to_path(file)
    return context, file


@pytest.fixture
def fake(authority: tuple[ssl.SSLContext, Path]) -> Iterator[FakeRegistry]:
    with serving(FakeRegistry(login="entra"), authority[0]) as running:
        yield running


def registry_at(host: str, authority: Path, credential: Any = None) -> AzureRegistry:
    options = {**azure._OPTIONS, "retry_total": 1, "retry_backoff_factor": 0, "connection_verify": str(authority)}
    login = azure._Credential(Login(credential or Credential()))
    return AzureRegistry(host, ContainerRegistryClient(f"https://{host}", login, audience=azure._AUDIENCE, **options))


@pytest.fixture
def registry(fake: FakeRegistry, authority: tuple[ssl.SSLContext, Path]) -> AzureRegistry:
    return registry_at(fake.host, authority[1])


def test_the_host_says_which_kind_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
    for host in ("converge.azurecr.io", "converge-abc.azurecr.cn", "converge.azurecr.us"):
        assert isinstance(open_registry(host), AzureRegistry)
    for host in ("ghcr.io", "azurecr.io.example", "converge.azurecr.io:444", "localhost:5000"):
        assert isinstance(open_registry(host), OciRegistry)


def test_a_simulated_registry_knows_nothing():
    registry = open_registry("converge.azurecr.io.invalid")
    for ask in (
        lambda: registry.has("digits", NOWHERE),
        lambda: registry.tags("digits"),
        lambda: registry.digest_of("digits", "a"),
        lambda: registry.images("digits"),
        lambda: registry.image("digits", NOWHERE),
        lambda: registry.contents("digits", NOWHERE),
        lambda: registry.delete("digits", NOWHERE),
        lambda: registry.mark("digits", NOWHERE, PUSHED),
        lambda: registry.protect("digits", NOWHERE),
        lambda: registry.unprotect("digits", NOWHERE),
    ):
        with pytest.raises(NotKnownError, match=r"^converge\.azurecr\.io\.invalid is a registry of the simulated Azure"):
            ask()


def test_the_entra_token_is_one_for_registries_and_goes_to_the_exchange_only(fake: FakeRegistry, authority: tuple[ssl.SSLContext, Path]):
    credential = Credential()
    digest = fake.publish("digits", image(b"one"), "a")
    assert registry_at(fake.host, authority[1], credential).has("digits", digest)
    assert set(credential.scopes) == {"https://containerregistry.azure.net/.default"}
    assert [form["grant_type"] for form in fake.forms] == ["access_token", "refresh_token"]
    assert fake.forms[0]["service"] == "the-registry"


def test_images_come_with_what_azure_keeps_about_them(fake: FakeRegistry, registry: AzureRegistry):
    one = image(b"one", b"two")
    digest = fake.publish("team/digits", one, "b", "a")
    fake.repositories["team/digits"].manifests[digest].updated = PUSHED + timedelta(days=3)
    (stored,) = registry.images("team/digits")
    assert (stored.digest, stored.tags, stored.size, stored.created) == (digest, ("a", "b"), one.size, PUSHED)
    assert stored.changed == PUSHED + timedelta(days=3)
    assert not stored.locked
    assert registry.image("team/digits", digest) == stored
    assert registry.tags("team/digits") == {"a": digest, "b": digest}
    assert registry.digest_of("team/digits", "a") == digest


def test_what_is_not_there_is_no_error(fake: FakeRegistry, registry: AzureRegistry):
    fake.publish("digits", image(b"one"), "a")
    assert not registry.has("digits", NOWHERE)
    assert registry.image("digits", NOWHERE) is None
    assert registry.contents("digits", NOWHERE) is None
    assert registry.digest_of("digits", "z") is None
    assert (registry.tags("letters"), registry.images("letters")) == ({}, [])
    registry.delete("digits", NOWHERE)
    registry.unprotect("digits", NOWHERE)
    registry.mark("digits", NOWHERE, PUSHED)


def test_contents_are_read_from_the_manifest(fake: FakeRegistry, registry: AzureRegistry):
    ours, attestation = image(b"app"), image(b"provenance")
    whole = index(ours, attestation)
    fake.publish("digits", whole, "a")
    assert registry.contents("digits", whole.digest) == Contents(parts=(attestation.digest, ours.digest))
    assert registry.contents("digits", ours.digest) == Contents()


def test_a_protected_image_cannot_be_deleted_until_it_is_opened(fake: FakeRegistry, registry: AzureRegistry):
    digest = fake.publish("digits", image(b"one"), "a")
    stored = fake.repositories["digits"].manifests[digest]
    assert registry.has_locks
    assert registry.protect("digits", digest) is True
    # Writing stays allowed: the same commit, built again, is pushed again.
    assert (stored.can_delete, stored.can_write) == (False, True)
    assert registry.images("digits")[0].locked
    with pytest.raises(RegistryError, match=f"^could not delete {digest} in {fake.host}/digits: it is locked .*az acr manifest update-metadata"):
        registry.delete("digits", digest)
    registry.unprotect("digits", digest)
    registry.delete("digits", digest)
    assert fake.repositories["digits"].manifests == {}


def test_a_lock_that_is_not_ours_is_told_and_stays(fake: FakeRegistry, registry: AzureRegistry):
    digest = fake.publish("digits", image(b"one"), "a")
    fake.repositories["digits"].manifests[digest].can_write = False
    (stored,) = registry.images("digits")
    assert (stored.locked, stored.held) == (False, True)
    registry.unprotect("digits", digest)
    assert not fake.repositories["digits"].manifests[digest].can_write


def test_content_that_is_not_that_of_the_digest_is_refused(fake: FakeRegistry, registry: AzureRegistry):
    digest = fake.publish("digits", image(b"one"), "a")
    fake.repositories["digits"].manifests[digest].content = b"{}"
    with pytest.raises(RegistryError, match=r"^could not read sha256:.*: what comes back is not that image .*; do not use it$"):
        registry.contents("digits", digest)


@pytest.mark.parametrize(
    ("call", "role"),
    [
        ("has", "AcrPull (with ABAC permissions: Container Registry Repository Reader)"),
        ("delete", "AcrDelete (with ABAC permissions: Container Registry Repository Contributor)"),
        ("protect", "Container Registry Repository Writer (or another with repositories/metadata/write; AcrPush does not have it)"),
    ],
)
def test_a_missing_right_is_told_with_the_role_that_has_it(fake: FakeRegistry, registry: AzureRegistry, call: str, role: str):
    fake.troubles = [refusal(403, "DENIED", "requested access to the resource is denied")]
    with pytest.raises(RegistryError) as raised:
        getattr(registry, call)("digits", NOWHERE)
    assert f"you lack the role {role} on the registry" in str(raised.value)
    assert str(raised.value).startswith("could not ")


def test_a_registry_that_does_not_let_this_machine_in_is_told(fake: FakeRegistry, registry: AzureRegistry):
    fake.troubles = [refusal(403, "DENIED", "client with IP '203.0.113.9' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.")]
    with pytest.raises(RegistryError, match=r"does not let this machine in .*; run it inside the registry's network"):
        registry.images("digits")


def test_a_busy_registry_is_asked_again_and_then_told(fake: FakeRegistry, registry: AzureRegistry):
    digest = fake.publish("digits", image(b"one"), "a")
    busy = refusal(429, "TOOMANYREQUESTS", "too many requests", **{"Retry-After": "0"})
    fake.troubles = [busy]
    assert registry.has("digits", digest)
    fake.troubles = [busy] * 8
    with pytest.raises(RegistryError, match=r"has too many requests .*, also after waiting; try again later"):
        registry.has("digits", digest)


def test_nobody_there_is_one_message(authority: tuple[ssl.SSLContext, Path]):
    with pytest.raises(RegistryError, match=r"^could not list its images in localhost:1/digits: it cannot be reached \(.*\); check its name and the network"):
        registry_at("localhost:1", authority[1]).images("digits")


def test_without_a_login_the_message_says_how_to_get_one(fake: FakeRegistry, authority: tuple[ssl.SSLContext, Path]):
    fake.publish("digits", image(b"one"), "a")
    registry = registry_at(fake.host, authority[1], Credential(error=CredentialUnavailableError(message="nothing works")))
    with pytest.raises(AzureError, match=r"^not logged in at Azure; run `az login`"):
        registry.has("digits", NOWHERE)
