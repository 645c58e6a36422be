"""The golden requests of a locked model: kept beside the checkout once they were fetched, so that they are there when the store is not."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from delivery.errors import DeliveryError
from model_store import LockedModel, ModelStoreError, layout
from model_store import golden as documents
from model_store.documents import write_file
from model_store.golden import Golden

FOLDER = Path(".converge") / "golden"
"""Not committed; the file's name is its hash, so it is never out of date."""


def golden_requests(checkout: Path, model: LockedModel, store: str) -> Golden:
    """From the folder, else from the store; in both cases the bytes that the lock names.

    Args:
        store: URL of the model store that the stack says; CONVERGE_MODEL_STORE is asked instead when it is set.

    Raises:
        DeliveryError: neither has them; says why.
    """
    wanted = model.files[layout.GOLDEN]
    kept = checkout / FOLDER / f"{wanted.sha256}.json"
    content = _kept(kept)
    if content is None or sha256(content).hexdigest() != wanted.sha256:
        content = _fetched(model, os.environ.get("CONVERGE_MODEL_STORE") or store)
        # Who cannot write there has them anyhow, this time.
        with suppress(ModelStoreError):
            write_file(kept, content)
    where = f"{layout.GOLDEN} of {model.name} v{model.version}"
    try:
        return documents.check(content, model.inputs, model.outputs, where)
    except ModelStoreError as error:
        raise DeliveryError(str(error)) from error


def _kept(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _fetched(model: LockedModel, store: str) -> bytes:
    if not store:
        raise DeliveryError("no model store is known; set CONVERGE_MODEL_STORE")
    from model_store.address import parse_address  # noqa: PLC0415 - Azure's libraries take long to import
    from model_store.blobs import BlobContainer  # noqa: PLC0415 - the same

    wanted = model.files[layout.GOLDEN]
    try:
        container = BlobContainer(parse_address(store))
        try:
            chunks = container.chunks(layout.blob_name(model.name, model.version, layout.GOLDEN), limit=wanted.size + 1)
            content = None if chunks is None else b"".join(chunks)
        finally:
            container.close()
    except ModelStoreError as error:
        raise DeliveryError(str(error)) from error
    if content is None:
        raise DeliveryError(f"{store} does not have {layout.GOLDEN} of {model.name} v{model.version}")
    found = sha256(content).hexdigest()
    if found != wanted.sha256:
        raise DeliveryError(f"{layout.GOLDEN} of {model.name} v{model.version} in {store} is not the one of the lock: sha256 {found}, not {wanted.sha256}")
    return content
