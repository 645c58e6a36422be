"""Certificate authorities that this machine trusts besides the usual ones: a company's, a proxy's, an emulator's."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import certifi

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_HEADER = "# Certificate authorities besides the usual ones.\n"


def additional(environment: Mapping[str, str] = os.environ) -> str:
    """PEM text of the authorities in the file that REQUESTS_CA_BUNDLE or SSL_CERT_FILE names, without those that every system has.

    Whoever downloads in our place, an image build for instance, trusts the store with it as we do. Never empty: without any it is a comment.
    """
    named = environment.get("REQUESTS_CA_BUNDLE") or environment.get("SSL_CERT_FILE")
    if not named or not Path(named).is_file():
        return _HEADER
    usual = set(_certificates(Path(certifi.where())))
    return _HEADER + "".join(f"{certificate}\n" for certificate in _certificates(Path(named)) if certificate not in usual)


def _certificates(file: Path) -> list[str]:
    return _CERTIFICATE.findall(file.read_text(errors="replace").replace("\r\n", "\n"))
