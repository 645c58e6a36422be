"""Who one is for Azure: tokens of the login that every tool uses, and what they say about the caller."""

import base64
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError, DefaultAzureCredential

from delivery.azure.errors import AzureError

MANAGEMENT = "https://management.azure.com/.default"
STORAGE = "https://storage.azure.com/.default"
_EXPIRED = re.compile(r"AADSTS(700082|70043|50173|50078|50079|700084|500133|70008)\b|has expired|expired or revoked")
"""Entra's codes for a refresh token or session that is over."""
_CODE = re.compile(r"AADSTS\d+")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who the token is for."""

    object_id: str
    tenant_id: str
    name: str
    """As people know it: user name or application; empty when the token has none."""
    kind: str
    """`User` or `ServicePrincipal`, as role assignments call it."""


class Login:
    """The login of this shell: environment, workload identity, managed identity, or Azure CLI, in the order of `DefaultAzureCredential`."""

    def __init__(self, credential: TokenCredential | None = None) -> None:
        # Which of its eight ways did not work and why is a page that nobody needs when one of them does, or when none is set up.
        logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
        self._credential = credential or DefaultAzureCredential()

    def token(self, scope: str = MANAGEMENT) -> str:
        """A token.

        Raises:
            AzureError: there is no login, it is over, or Entra cannot be reached.
        """
        try:
            return self._credential.get_token(scope).token
        except ServiceRequestError as error:
            raise AzureError(f"Entra cannot be reached to log in ({_first_line(error)}); check the network, and HTTPS_PROXY where there is a proxy") from error
        except (CredentialUnavailableError, ClientAuthenticationError) as error:
            raise AzureError(_no_login(str(error))) from error
        except SdkError as error:
            raise AzureError(f"logging in at Azure failed: {_first_line(error)}") from error

    def caller(self) -> Caller:
        """Who the login is, read from the token itself: that needs no right on anything.

        Raises:
            AzureError: there is no login, or its token is none of Entra's.
        """
        claims = _claims(self.token())
        try:
            application = claims.get("idtyp") == "app" or not (claims.get("upn") or claims.get("unique_name"))
            names = (claims.get("upn"), claims.get("unique_name"), claims.get("app_displayname"), claims.get("appid"))
            return Caller(
                object_id=claims["oid"],
                tenant_id=claims["tid"],
                name=next((str(name) for name in names if name), ""),
                kind="ServicePrincipal" if application else "User",
            )
        except KeyError as error:
            raise AzureError(f"the login's token does not say who it is for (no {error}); log in again with `az login`") from error


def _claims(token: str) -> Mapping[str, Any]:
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError) as error:
        raise AzureError("the login's token cannot be read; log in again with `az login`") from error
    return claims if isinstance(claims, dict) else {}


def _no_login(text: str) -> str:
    if _EXPIRED.search(text):
        return "the login at Azure has expired; log in again with `az login` (in a pipeline: the federated token is too old, run the job again)"
    if code := _CODE.search(text):
        return f"Entra refused the login ({code[0]}); log in again with `az login`, in a pipeline compare issuer and subject of the federated credential"
    return "not logged in at Azure; run `az login` (in a pipeline: log in with the federated identity first, docs/bootstrap.md has the lines)"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
