"""Short-lived URLs for one build: whoever holds one can read one blob, for less than an hour, over HTTPS."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas

from model_store import layout
from model_store.blobs import BlobContainer
from model_store.errors import ModelStoreError
from model_store.lock import LockedModel

DEFAULT_VALIDITY = timedelta(minutes=30)
_CLOCK_SKEW = timedelta(minutes=5)
_LONGEST = timedelta(hours=1)


def read_urls(container: BlobContainer, locked: LockedModel, valid_for: timedelta = DEFAULT_VALIDITY) -> dict[str, str]:
    """URL of each file of a locked version, signed with one user delegation key.

    They are secrets: they go into the build as secrets and nowhere else.

    Raises:
        ModelStoreError: no delegation key, or a validity that is not allowed.
    """
    if not timedelta(0) < valid_for < _LONGEST - _CLOCK_SKEW:
        raise ModelStoreError(f"read access may last at most {(_LONGEST - _CLOCK_SKEW).seconds // 60 - 1} minutes, not {valid_for}")
    # A signature carries whole seconds.
    now = datetime.now(UTC).replace(microsecond=0)
    start, expiry = now - _CLOCK_SKEW, now + valid_for
    key = container.delegation_key(start, expiry)
    names = {file: layout.blob_name(locked.name, locked.version, file) for file in locked.files}
    return {file: _signed(container, name, key, start, expiry) for file, name in names.items()}


def _signed(container: BlobContainer, name: str, key: UserDelegationKey, start: datetime, expiry: datetime) -> str:
    address = container.address
    signature = generate_blob_sas(
        account_name=address.account,
        container_name=address.container,
        blob_name=name,
        user_delegation_key=key,
        permission=BlobSasPermissions(read=True),
        start=start,
        expiry=expiry,
        protocol="https",
    )
    return f"{address.url}/{quote(name)}?{signature}"
