"""The state container as seen from here: whether this login may write there. A grant takes effect minutes after it was made."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from delivery.azure.errors import AzureError
from delivery.azure.login import STORAGE, Login
from delivery.bootstrap import names
from delivery.bootstrap.wanted import Wanted

_STORAGE_VERSION = "2025-05-05"
_SPREADS_WITHIN = 600.0
"""Azure's own words: up to ten minutes."""
_ASKS_EVERY = 5.0


@dataclass(kw_only=True)
class StateContainer:
    """What one asks the container itself."""

    wanted: Wanted
    login: Login
    client: httpx.Client
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def wait_until_open(self, say: Callable[[str], None]) -> None:
        """Returns as soon as the login may use the container.

        Raises:
            AzureError: it may not within ten minutes, or the container cannot be reached from here.
        """
        started = self.clock()
        told = False
        while not self.is_open():
            waited = self.clock() - started
            if waited > _SPREADS_WITHIN:
                raise AzureError(f"after {_SPREADS_WITHIN / 60:.0f} minutes this login still may not use the state: {self._who_may()}")
            if not told:
                say("  the grant on the state takes effect within minutes; waiting for it")
                told = True
            self.sleep(_ASKS_EVERY)

    def expect_open(self) -> None:
        """Returns when the login may use a container that has been there for long.

        Raises:
            AzureError: it may not; nobody is about to change that.
        """
        if not self.is_open():
            raise AzureError(f"this login may not use the state of bootstrap: {self._who_may()}")

    def is_open(self) -> bool:
        """Whether the login may use the container now.

        Raises:
            AzureError: the container cannot be reached, or its firewall does not let this machine in.
        """
        url = f"https://{self.wanted.account}.blob.core.windows.net/{names.CONTAINER}"
        headers = {"Authorization": f"Bearer {self.login.token(STORAGE)}", "x-ms-version": _STORAGE_VERSION}
        try:
            answer = self.client.get(url, params={"restype": "container", "comp": "list", "maxresults": "1"}, headers=headers)
        except httpx.HTTPError as error:
            raise AzureError(f"{url} cannot be reached ({error or type(error).__name__}); a new account's name may take a minute: run this again") from error
        code = answer.headers.get("x-ms-error-code", "")
        if answer.is_success:
            return True
        if code in ("AuthorizationPermissionMismatch", "ContainerNotFound", "InsufficientAccountPermissions"):
            return False
        if code == "AuthorizationFailure":
            raise AzureError(
                f"the firewall of {self.wanted.account} does not let this machine in; add its public address to bootstrap:allowedIpRanges in "
                f"Pulumi.{self.wanted.stack}.yaml (now: {', '.join(self.wanted.allowed_ip_ranges) or 'none'}) and run this again"
            )
        raise AzureError(f"{url} answers {answer.status_code} {code or answer.reason_phrase}")

    def _who_may(self) -> str:
        operators = self.wanted.operators
        return (
            f"Storage Blob Data Contributor on {self.wanted.account}/{names.CONTAINER} is for {operators.principal_type} {operators.principal_id}. "
            "Is the login a member of it? A new membership needs a new `az login`"
        )
