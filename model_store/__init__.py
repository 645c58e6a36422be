"""Published models and the locks that say which of them a stack runs.

`ModelStore` is imported when it is first asked for: a plan reads locks and needs neither the store nor Azure's libraries.
"""

from typing import TYPE_CHECKING

from model_store.errors import ModelStoreError
from model_store.lock import Lock, LockedModel, LockedService, Pin, read_lock, write_lock
from model_store.manifest import LockedFile, Manifest
from model_store.promotion import LockChange, promote
from model_store.tensors import Tensor

if TYPE_CHECKING:
    from model_store.store import ModelStore

__all__ = [
    "Lock",
    "LockChange",
    "LockedFile",
    "LockedModel",
    "LockedService",
    "Manifest",
    "ModelStore",
    "ModelStoreError",
    "Pin",
    "Tensor",
    "promote",
    "read_lock",
    "write_lock",
]


def __getattr__(name: str) -> object:
    if name == "ModelStore":
        from model_store.store import ModelStore  # noqa: PLC0415 - costs half a second, see above

        return ModelStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
