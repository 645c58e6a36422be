"""Where a store is: the URL of a blob container, in Azure or in an emulator."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from model_store.errors import ModelStoreError

# <account>.blob.core.windows.net, other clouds' suffixes, DNS zone endpoints (.z12), private-link names, and the -ipv6 and -dualstack endpoints.
_AZURE_HOST = re.compile(r"^(?P<account>[a-z0-9]{3,24})(-ipv6|-dualstack)?(\.z[0-9]{1,2})?(\.privatelink)?\.blob\.[a-z0-9-]+(\.[a-z0-9-]+)+$")
_ACCOUNT = re.compile(r"^[a-z0-9]{3,24}$")
_CONTAINER = re.compile(r"^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
_FORMS = "https://<account>.blob.core.windows.net/<container>, or for an emulator https://<host>:<port>/<account>/<container>"


@dataclass(frozen=True)
class StoreAddress:
    """A container's URL, taken apart.

    Attributes:
        account_url: URL of the account, without a slash at the end.
        account: the storage account's name, which a SAS is signed for.
        host: host with port, for messages.
    """

    account_url: str
    account: str
    container: str
    host: str

    @property
    def url(self) -> str:
        """The container's URL."""
        return f"{self.account_url}/{self.container}"

    def __str__(self) -> str:
        return self.url


def parse_address(url: str) -> StoreAddress:
    """Takes a container's URL apart; raises ModelStoreError that says what is wrong with it and what is allowed.

    The message never repeats a user's query or password: it may be a SAS.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _wrong("it is no URL") from error
    if parts.query or parts.fragment or parts.username or parts.password:
        raise _wrong("it must have no user, query or fragment; a SAS is never needed, access is by your Azure login")
    shown = f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.scheme else url.strip()
    if parts.scheme != "https":
        raise _wrong(f"{shown!r} does not begin with https://")
    if not host:
        raise _wrong(f"{shown!r} names no host")
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    names = [name for name in parts.path.split("/") if name]
    azure = _AZURE_HOST.fullmatch(host)
    wanted = 1 if azure else 2
    if len(names) != wanted:
        raise _wrong(f"{shown!r} must have {'only the container' if azure else 'account and container'} after the host")
    account = azure["account"] if azure else names[0]
    return StoreAddress(
        account_url=f"https://{netloc}" if azure else f"https://{netloc}/{_checked_account(account)}",
        account=account,
        container=_checked_container(names[-1]),
        host=netloc,
    )


def _checked_account(name: str) -> str:
    if not _ACCOUNT.fullmatch(name):
        raise _wrong(f"the account name {name!r} is not allowed: 3 to 24 lower-case letters and digits")
    return name


def _checked_container(name: str) -> str:
    if not _CONTAINER.fullmatch(name):
        raise _wrong(f"the container name {name!r} is not allowed: 3 to 63 lower-case letters, digits and single '-', from letter or digit to letter or digit")
    return name


def _wrong(problem: str) -> ModelStoreError:
    return ModelStoreError(f"the model store's URL is wrong: {problem}; allowed: {_FORMS}")
