"""Names that people or DNS must know: pure, the same on every machine, and within Azure's limits."""

import re
from base64 import b32encode
from hashlib import sha256
from uuid import UUID, uuid5

_ROLE_ASSIGNMENTS = UUID("5d0e2c1c-6d3d-4f2e-9a39-5f0c6e6b7a41")
"""Namespace of our role assignment names; never change it, or every assignment is replaced."""
_UNIQUE_LETTERS = 13
_LONGEST_TAG = 20


def storage_account(prefix: str, unique_name: str) -> str:
    """A storage account name: 3 to 24 lower-case letters and digits, unique in the world through its last 13."""
    return _alphanumeric(prefix)[: 24 - _UNIQUE_LETTERS] + _fingerprint(unique_name)


def registry(prefix: str, unique_name: str) -> str:
    """A registry name: 5 to 50 letters and digits, unique in the world through its last 13."""
    return _alphanumeric(prefix)[: 50 - _UNIQUE_LETTERS] + _fingerprint(unique_name)


def role_assignment(scope: str, principal_id: str, role_id: str) -> str:
    """The GUID of a grant. Azure allows one per scope, principal and role, so these three name it; ARM ids do not differ by case."""
    return str(uuid5(_ROLE_ASSIGNMENTS, f"{scope}|{principal_id}|{role_id}".lower()))


def image_tag(*content: str) -> str:
    """A tag that stands for content: the same for the same content, and for nothing else."""
    digest = sha256()
    for part in content:
        digest.update(f"{len(part.encode())}:".encode() + part.encode())
    return digest.hexdigest()[:_LONGEST_TAG]


def _alphanumeric(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _fingerprint(text: str) -> str:
    return b32encode(sha256(text.encode()).digest()).decode().lower()[:_UNIQUE_LETTERS]
