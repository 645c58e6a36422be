"""The container on the wire: the few operations that we need, each with its failures as one message."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContentSettings, ExponentialRetry, UserDelegationKey

from model_store.address import StoreAddress
from model_store.credential import Credential, trust
from model_store.failures import Right, error_code, translated

_BLOCK = 8 * 2**20
_LARGEST_SINGLE_WRITE = 16 * 2**20
_PARALLEL_BLOCKS = 4
_CONNECT_SECONDS = 10
_READ_SECONDS = 60


@dataclass(frozen=True)
class Blob:
    """A blob of a listing; size in bytes."""

    name: str
    size: int


class BlobContainer:
    """A container of immutable blobs. Nothing here can overwrite or delete."""

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self.credential = Credential()
        self._service = BlobServiceClient(
            address.account_url,
            credential=self.credential,
            # The library's own default waits for a minute until it gives up; someone sits in front of this. Six seconds for a host that
            # nobody can connect to, fourteen for one that is overloaded.
            retry_policy=ExponentialRetry(initial_backoff=0, increment_base=2, retry_total=3, retry_connect=2, random_jitter_range=1),
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_single_put_size=_LARGEST_SINGLE_WRITE,
            max_block_size=_BLOCK,
            max_single_get_size=_BLOCK,
            max_chunk_get_size=_BLOCK,
            logging_enable=False,
            **trust(),
        )
        self._container = self._service.get_container_client(address.container)

    def close(self) -> None:
        """Ends the connections."""
        self._service.close()
        self.credential.close()

    def listing(self, prefix: str = "") -> list[Blob]:
        """All blobs whose names begin with the prefix; raises ModelStoreError."""
        with translated(self.address, Right.READ, f"list {self.address}"):
            return [Blob(blob.name, blob.size) for blob in self._container.list_blobs(name_starts_with=prefix)]

    def size(self, name: str) -> int | None:
        """Bytes of a blob; None when there is none. Raises ModelStoreError."""
        with translated(self.address, Right.READ, f"read {name}"):
            try:
                return self._container.get_blob_client(name).get_blob_properties().size
            except ResourceNotFoundError as error:
                return _none_unless_container_is_missing(error)

    def chunks(self, name: str, limit: int | None = None) -> Iterator[bytes] | None:
        """The blob's bytes, at most `limit` of them; None when there is none. Iterating, too, raises ModelStoreError."""
        with translated(self.address, Right.READ, f"read {name}"):
            try:
                stream = self._container.download_blob(name, offset=0, length=limit) if limit else self._container.download_blob(name)
            except ResourceNotFoundError as error:
                return _none_unless_container_is_missing(error)
        return self._translated_chunks(name, stream.chunks())

    def create(self, name: str, data: bytes | IO[bytes], size: int, content_type: str) -> bool:
        """Writes a new blob, as one conditional write or as blocks with a conditional commit (If-None-Match: *).

        Returns:
            False when a blob of that name exists; it is left as it is.

        Raises:
            ModelStoreError: no blob was made.
        """
        with translated(self.address, Right.WRITE, f"write {name}"):
            try:
                self._container.upload_blob(
                    name,
                    data,
                    length=size,
                    overwrite=False,
                    max_concurrency=_PARALLEL_BLOCKS,
                    content_settings=ContentSettings(content_type=content_type),
                )
            except ResourceExistsError as error:
                if error_code(error) != "BlobAlreadyExists":
                    raise
                return False
        return True

    def delegation_key(self, start: datetime, expiry: datetime) -> UserDelegationKey:
        """A key that signs SAS in the name of the caller; raises ModelStoreError."""
        with translated(self.address, Right.DELEGATE, f"get a user delegation key of account {self.address.account!r}"):
            return self._service.get_user_delegation_key(start, expiry)

    def _translated_chunks(self, name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            with translated(self.address, Right.READ, f"read {name}"):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


def _none_unless_container_is_missing(error: ResourceNotFoundError) -> None:
    if error_code(error) == "ContainerNotFound":
        raise error
