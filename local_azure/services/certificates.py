"""The sandbox's certificate authority, and the bundle in which it stands beside the machine's own."""

import os
import ssl
from pathlib import Path

import certifi
import trustme

from local_azure.sandbox import Sandbox

_AUTHORITY = "ca.pem"
_BUNDLE = "ca-bundle.pem"


def ensure(sandbox: Sandbox) -> None:
    """Makes authority, server certificate and bundle once; the bundle follows the machine's authorities each time."""
    folder = sandbox.certificates
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = folder / _AUTHORITY
    if not authority.exists():
        # Both are valid until 2038.
        ca = trustme.CA(organization_name="Converge sandbox")
        server = ca.issue_cert("localhost", "127.0.0.1")
        _write_private(folder / "server.key", server.private_key_pem.bytes())
        (folder / "server.pem").write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        authority.write_bytes(ca.cert_pem.bytes())
    sandbox.ca_bundle.write_bytes(machine_authorities().rstrip() + b"\n" + authority.read_bytes())


def machine_authorities() -> bytes:
    """The certificate authorities that this machine trusts, a company's own included, and no sandbox's.

    In a shell with a sandbox's environment the usual variables lead to that sandbox's bundle; what it adds is taken off again, or the bundle, and
    with it the base image, would be another one there.
    """
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        named = Path(os.environ.get(variable) or "/nowhere")
        if named.is_file():
            added = named.with_name(_AUTHORITY)
            return named.read_bytes().removesuffix(added.read_bytes() if named.name == _BUNDLE and added.is_file() else b"")
    default = Path(ssl.get_default_verify_paths().openssl_cafile)
    return (default if default.is_file() else Path(certifi.where())).read_bytes()


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
