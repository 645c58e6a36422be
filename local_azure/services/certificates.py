"""The sandbox's certificate authority, and the bundle in which it stands beside the machine's own."""

import os
import ssl
from pathlib import Path

import certifi
import trustme

from local_azure.sandbox import Sandbox


def ensure(sandbox: Sandbox) -> None:
    """Makes authority, server certificate and bundle once; the bundle follows the machine's authorities each time."""
    folder = sandbox.certificates
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = folder / "ca.pem"
    if not authority.exists():
        # Both are valid until 2038.
        ca = trustme.CA(organization_name="Converge sandbox")
        server = ca.issue_cert("localhost", "127.0.0.1")
        _write_private(folder / "server.key", server.private_key_pem.bytes())
        (folder / "server.pem").write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        authority.write_bytes(ca.cert_pem.bytes())
    sandbox.ca_bundle.write_bytes(machine_authorities().read_bytes().rstrip() + b"\n" + authority.read_bytes())


def machine_authorities() -> Path:
    """The file of certificate authorities that this machine trusts, a company's own included."""
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        named = os.environ.get(variable, "")
        if named and Path(named).is_file() and Path(named).name != "ca-bundle.pem":
            return Path(named)
    default = ssl.get_default_verify_paths().cafile
    return Path(default) if default and Path(default).is_file() else Path(certifi.where())


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
