"""The way into an Azure container registry: an Entra token, exchanged in the run for one of the registry's own. No admin user, no earlier login."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pulumi
import pulumi_docker_build as docker_build

from components import rights
from components.patience import AwaitedGrant, Patience
from components.rights import NotReachableError, NotYetError
from components.web import client, unreachable
from model_store import ModelStoreError

_AZURE_REGISTRY = re.compile(r"\.azurecr\.(io|us|cn)$")
_ENTRA_SCOPE = "https://containerregistry.azure.net/.default"
"""Good for registries and nothing else, and accepted as well where tokens for Azure Resource Manager are switched off (azureADAuthenticationAsArmPolicy)."""
_TOKEN_USER = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - the same for everybody
"""Says that the password is a refresh token."""
_PREVIEWED_PASSWORD = "asked for in an update only"  # noqa: S105 - a placeholder; a preview asks no registry
_NO_PASSWORD = "the registry asks for none"  # noqa: S105
_PROBED = "converge/probe"
"""A repository that need not exist: AcrPush holds for all of a registry."""
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def logins(host: pulumi.Input[str], grants: Sequence[AwaitedGrant], patience: Patience | None = None) -> pulumi.Output[list[docker_build.RegistryArgs]]:
    """What an image's `registries` is to be: one login for an Azure container registry; none for any other, where docker's own login counts.

    Which of the two follows from the name alone, so that preview and update agree without asking. In an update it waits until we may push. The password differs
    every time; the builder's plugin leaves passwords out when it looks for changes, so a new one is no reason to build.

    Args:
        host: of the registry; grants: the deployer's right to push there.
    """
    password = pulumi.Output.secret(
        rights.obtained(host, _password, previewed=lambda _: _PREVIEWED_PASSWORD, what="the right to push to the registry", grants=grants, patience=patience)
    )

    def login(known: str) -> list[docker_build.RegistryArgs]:
        return [docker_build.RegistryArgs(address=known, username=_TOKEN_USER, password=password)] if is_azure(known) else []

    return pulumi.Output.from_input(host).apply(login)


def is_azure(host: str) -> bool:
    """Whether it is the name of an Azure container registry."""
    return bool(_AZURE_REGISTRY.search(host))


def _password(host: str) -> str:
    return (AzureRegistry(host).login() or _NO_PASSWORD) if is_azure(host) else _NO_PASSWORD


class AzureRegistry:
    """One registry, asked over HTTPS."""

    def __init__(self, host: str, entra_token: Callable[[], str] | None = None, base_url: str | None = None) -> None:
        self._host = host
        self._entra_token = entra_token or _entra_token
        self._base_url = base_url or f"https://{host}"

    def login(self, repository: str = _PROBED) -> str | None:
        """A refresh token that may push, good for some three hours; None where the registry asks for no login.

        It has the rights that we have now: what is granted later needs a new one.

        Raises:
            NotYetError: we may not push yet.
            NotReachableError: the registry cannot be asked.
            RunError: there is no Azure login here, or it is no Azure container registry.
        """
        with client() as http, unreachable(self._host):
            service = self._challenge(http)
            if service is None:
                return None
            token = self._token(http, "exchange", "refresh_token", grant_type="access_token", service=service, access_token=self._entra_token())
            scope = f"repository:{repository}:pull,push"
            access = self._token(http, "token", "access_token", grant_type="refresh_token", service=service, scope=scope, refresh_token=token)
        granted = _actions(access)
        if not granted & {"push", "*"}:
            raise NotYetError(f"{self._host} lets us {' and '.join(sorted(granted)) or 'do nothing'} there, not push")
        return token

    def _challenge(self, http: httpx.Client) -> str | None:
        """The service that a token is to be for, as the registry says when it is asked without one; None when it asks for none."""
        answer = http.get(f"{self._base_url}/v2/")
        if answer.is_success:
            return None
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            self._refuse_failures(answer)
        # Azure offers Basic as well, as a challenge of its own.
        bearer = next((challenge for challenge in answer.headers.get_list("www-authenticate") if challenge.lower().startswith("bearer ")), None)
        if bearer is None:
            raise pulumi.RunError(f"{self._host} asks for a login that is not by token; is it an Azure container registry?")
        # Its realm is not followed: the Entra token goes to the registry that was named, and to nobody else.
        return dict(_PARAMETER.findall(bearer)).get("service", self._host)

    def _token(self, http: httpx.Client, endpoint: str, key: str, **form: str) -> str:
        answer = http.post(f"{self._base_url}/oauth2/{endpoint}", data=form)
        self._refuse_failures(answer)
        token = _document(answer).get(key)
        if not isinstance(token, str):
            raise pulumi.RunError(f"{self._host} answers /oauth2/{endpoint} without {key}; is it an Azure container registry?")
        return token

    def _refuse_failures(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        said = f"{self._host} answers {answer.status_code} to {answer.request.url.path}{_reasons(answer)}"
        shut_out = answer.status_code == httpx.codes.FORBIDDEN and "is not allowed access" in said
        if shut_out or answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise NotReachableError(said)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NotYetError(said)
        raise pulumi.RunError(f"{said}; is it an Azure container registry?")


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _reasons(answer: httpx.Response) -> str:
    """The registry's own words, which have no token in them: {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}."""
    errors = _document(answer).get("errors")
    found = [f"{error.get('code')}, {error.get('message')}" for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return f" ({'; '.join(found)})" if found else ""


def _actions(access_token: str) -> set[str]:
    """What an access token allows, from its claims; the registry checks the signature, not we."""
    try:
        payload = access_token.split(".")[1]
        entries = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["access"]
        return {action for entry in entries for action in entry["actions"]}
    except (IndexError, KeyError, TypeError, ValueError):
        return set()


def _entra_token() -> str:
    # Half a second to import, and a preview needs none.
    from model_store.credential import Credential  # noqa: PLC0415

    credential = Credential()
    try:
        return credential.get_token(_ENTRA_SCOPE).token
    except ModelStoreError as error:
        raise pulumi.RunError(f"no login to the registry: {error}") from error
    finally:
        credential.close()
