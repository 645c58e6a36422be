"""Who we are: Azure's own chain of credentials, and its failures as one message. There is no other way in, and no key."""

import base64
import binascii
import json
import logging
import os
import subprocess
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from model_store.errors import ModelStoreError

_STORAGE = "https://storage.azure.com/.default"
_PERSON_OR_PROGRAM = ("upn", "preferred_username", "unique_name", "email", "appid", "azp", "oid")
"""Claims that say who asked, best first: a person's sign-in name, else a program's id, else the directory object's."""

# Without a handler Python prints the libraries' warnings to stderr, beside our message. Whoever configures logging still gets them.
for _name in ("azure", "msal"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class Credential:
    """DefaultAzureCredential whose failure is a ModelStoreError.

    That is also why it fails at once: azure-core's retry policy would ask again and again after one of its own exceptions.
    """

    def __init__(self) -> None:
        self._chain = DefaultAzureCredential(**trust())

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """As azure-core's TokenCredential; raises ModelStoreError."""
        try:
            return self._chain.get_token(*scopes, **options)
        except (AzureError, ValueError, OSError) as error:
            raise ModelStoreError(_explain(error)) from error

    def principal(self) -> str:
        """Who publishes: from the token's claims; where it has none, git's user of this machine; else `unknown`."""
        return _principal_of(self.get_token(_STORAGE).token) or _git_user() or "unknown"

    def close(self) -> None:
        """Ends the chain's connections."""
        self._chain.close()


def trust() -> dict[str, Any]:
    """Options for an Azure client so that SSL_CERT_FILE counts too; requests by itself reads only REQUESTS_CA_BUNDLE."""
    file = os.environ.get("SSL_CERT_FILE")
    return {"connection_verify": file} if file and not os.environ.get("REQUESTS_CA_BUNDLE") else {}


def _principal_of(token: str) -> str | None:
    """The claim is for people to read and proves nothing, so the signature need not be checked."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = next((claims[claim] for claim in _PERSON_OR_PROGRAM if claims.get(claim)), None)
    except (IndexError, ValueError, binascii.Error, AttributeError, TypeError):
        return None
    return found if isinstance(found, str) and found.isprintable() else None


def _git_user() -> str | None:
    try:
        found = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, check=False, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return found if found.isprintable() and found else None


def _explain(error: Exception) -> str:
    """One line per kind of credential is too much; the ones that are set up here and failed are what helps."""
    failed = [line.strip() for line in str(error).splitlines() if _is_telling(line)]
    reason = f" ({'; '.join(failed)})" if failed else ""
    return (
        f"no Azure login works here{reason}; log in with `az login`, or in a pipeline give the job its federated identity "
        '(AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE); for the local stack run eval "$(converge local env)"'
    )


_NOT_SET_UP = ("unavailable", "not found on path", "could not be found", "is not installed", "requires the", "not fully configured")


def _is_telling(line: str) -> bool:
    return line.startswith("\t") and "Credential:" in line and not any(words in line for words in _NOT_SET_UP)
