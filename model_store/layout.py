"""Names in the store: models, versions and blobs. No other module puts a blob's name together or takes one apart."""

import re
from dataclasses import dataclass

from model_store.errors import ModelStoreError

MODEL = "model.onnx"
GOLDEN = "golden.json"
MANIFEST = "manifest.json"
DESCRIPTION = "model.json"
"""What training writes beside model and golden requests; the manifest takes its content over."""

CONTENT = (MODEL, GOLDEN)
"""The files that a manifest names."""
FILES = (*CONTENT, MANIFEST)
"""All files of a version."""

LATEST = "latest"
NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
"""Of models and of services: good for blobs, images, Kubernetes and URLs alike."""
HIGHEST_VERSION = 999_999_999

_NAME = re.compile(NAME_PATTERN)
_STACK = re.compile(r"^[A-Za-z0-9_.-]{1,100}$")
_VERSION = re.compile(r"^[1-9][0-9]{0,8}$")


@dataclass(frozen=True)
class BlobPath:
    """Where a blob belongs: a model's version, and the file's name below it."""

    model: str
    version: int
    file: str


def check_name(name: str, what: str = "model") -> str:
    """Returns the name of a model or service; raises ModelStoreError when it breaks the rule."""
    if not _is_name(name):
        raise ModelStoreError(
            f"{what} name {name!r} is not allowed: lower-case letters, digits and '-', from a letter to a letter or digit, at most 63 characters"
        )
    return name


def check_stack(stack: str) -> str:
    """Returns the name of a stack; raises ModelStoreError when it cannot be part of a file's name."""
    if not _STACK.fullmatch(stack) or stack.strip(".") == "":
        raise ModelStoreError(f"stack name {stack!r} is not allowed: letters, digits, '-', '_' and '.', without organization and project")
    return stack


def parse_version(text: str) -> int | None:
    """The version that a user wrote as 13 or v13; None for `latest`. Raises ModelStoreError."""
    if text == LATEST:
        return None
    digits = text.removeprefix("v")
    if not _VERSION.fullmatch(digits):
        raise ModelStoreError(f"version {text!r} is not allowed: an integer from 1 to {HIGHEST_VERSION}, or {LATEST}")
    return int(digits)


def blob_name(model: str, version: int, file: str) -> str:
    """Name of a file's blob; raises ModelStoreError when the model's name or the version breaks the rules."""
    if isinstance(version, bool) or not 1 <= version <= HIGHEST_VERSION:
        raise ModelStoreError(f"version {version!r} of model {model} is not allowed: an integer from 1 to {HIGHEST_VERSION}")
    return f"{model_prefix(model)}{version}/{file}"


def model_prefix(model: str) -> str:
    """What the names of all blobs of a model begin with."""
    return f"{check_name(model)}/"


def parse_blob_name(name: str) -> BlobPath | None:
    """The opposite of blob_name; None for a blob that is no part of the layout."""
    model, _, rest = name.partition("/")
    version, _, file = rest.partition("/")
    if not _is_name(model) or not _VERSION.fullmatch(version) or not file:
        return None
    return BlobPath(model, int(version), file)


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None
