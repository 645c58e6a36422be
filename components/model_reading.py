"""Whether we may sign access to models and read them, which building an image needs: the account itself is asked."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pulumi

from components.rights import NotReachableError, NotYetError, is_simulated
from model_store import ModelStoreError

_PROBED = "converge-probe"
"""No blob has this name: it is forbidden to know that only for those who may not read."""
_VALID_FOR = timedelta(minutes=5)
_REFUSED = 403


def may_read_models(container_url: str) -> None:
    """A probe for `rights.proven`: passes once we have Storage Blob Delegator on the account and Storage Blob Data Reader on the container.

    Raises:
        NotYetError: the account refuses us, which its network rules may do as well.
        NotReachableError: it cannot be asked.
        RunError: there is no Azure login here, or the container does not exist.
    """
    if is_simulated(urlsplit(container_url).hostname or ""):
        return
    # Half a second to import, and a preview needs none of it.
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError  # noqa: PLC0415

    from model_store.address import parse_address  # noqa: PLC0415
    from model_store.blobs import BlobContainer  # noqa: PLC0415

    try:
        container = BlobContainer(parse_address(container_url))
        try:
            now = datetime.now(UTC)
            container.delegation_key(now - _VALID_FOR, now + _VALID_FOR)
            container.size(_PROBED)
        finally:
            container.close()
    except ModelStoreError as error:
        cause = error.__cause__
        if isinstance(cause, HttpResponseError) and cause.status_code == _REFUSED:
            raise NotYetError(str(error)) from error
        if isinstance(cause, (ServiceRequestError, ServiceResponseError)):
            raise NotReachableError(str(error)) from error
        raise pulumi.RunError(f"models cannot be read: {error}") from error
