from pathlib import Path

import certifi
import pytest

from model_store import authorities

OWN = "-----BEGIN CERTIFICATE-----\nb3du\n-----END CERTIFICATE-----"
COMMENT = "# Certificate authorities besides the usual ones.\n"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_only_what_not_every_system_has_is_left(tmp_path: Path, variable: str):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(f"{Path(certifi.where()).read_text()}\n# ours\n{OWN}\n")
    assert authorities.additional({variable: str(bundle)}) == f"{COMMENT}{OWN}\n"


def test_line_ends_of_another_system_make_no_other_certificate(tmp_path: Path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes().replace(b"\n", b"\r\n"))
    assert authorities.additional({"SSL_CERT_FILE": str(bundle)}) == COMMENT


@pytest.mark.parametrize("environment", [{}, {"SSL_CERT_FILE": ""}, {"SSL_CERT_FILE": "/nowhere/bundle.pem"}])
def test_without_a_bundle_there_is_nothing_to_add(environment: dict[str, str]):
    assert authorities.additional(environment) == COMMENT
