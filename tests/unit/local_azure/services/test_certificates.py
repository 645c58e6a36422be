import ssl
from pathlib import Path

import pytest

from local_azure.sandbox import Sandbox
from local_azure.services import certificates


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox.of(tmp_path, {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)})
    made.create()
    return made


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The authorities of a machine whose company has its own."""
    path = tmp_path / "company.pem"
    path.write_text("-- the company's authority --\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return path


def test_the_bundle_has_the_machines_authorities_and_the_sandboxs_own(sandbox: Sandbox, company: Path):
    certificates.ensure(sandbox)
    assert sandbox.ca_bundle.read_bytes() == company.read_bytes() + (sandbox.certificates / "ca.pem").read_bytes()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_in_a_shell_with_the_sandboxs_environment_the_bundle_stays_the_same(sandbox: Sandbox, company: Path, monkeypatch: pytest.MonkeyPatch, variable: str):
    assert company.exists()
    certificates.ensure(sandbox)
    before = sandbox.ca_bundle.read_bytes()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    monkeypatch.setenv(variable, str(sandbox.ca_bundle))
    certificates.ensure(sandbox)
    assert sandbox.ca_bundle.read_bytes() == before


def test_another_sandboxs_authority_is_not_trusted(sandbox: Sandbox, company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = Sandbox.of(tmp_path / "other", {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)})
    other.create()
    certificates.ensure(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.ca_bundle))
    certificates.ensure(sandbox)
    assert sandbox.ca_bundle.read_bytes() == company.read_bytes() + (sandbox.certificates / "ca.pem").read_bytes()


def test_the_server_is_trusted_by_the_authority_and_its_key_is_private(sandbox: Sandbox, company: Path):
    assert company.exists()
    certificates.ensure(sandbox)
    key = sandbox.certificates / "server.key"
    assert key.stat().st_mode & 0o077 == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sandbox.certificates / "server.pem", key)
