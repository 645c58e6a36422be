"""Names of what bootstrap makes: the same for everybody and every run, so that a second run finds what the first one made."""

import re
from base64 import b32encode
from hashlib import sha256
from uuid import UUID, uuid5

CONTAINER = "state"
KEY = "pulumi-secrets"
_ROLE_ASSIGNMENTS = UUID("5d0e2c1c-6d3d-4f2e-9a39-5f0c6e6b7a41")
"""The namespace of the program's own grants: the same grant has one name, whoever makes it."""
_UNIQUE_LETTERS = 13
_LONGEST_NAME = 24
"""Of a storage account and of a vault."""


def group(stack: str) -> str:
    """The resource group."""
    return f"converge-bootstrap-{_safe(stack)}"


def storage_account(subscription_id: str, stack: str) -> str:
    """The account of the state: 3 to 24 lower-case letters and digits, unique in the world through its last 13."""
    return "state" + re.sub(r"[^a-z0-9]", "", stack.lower())[: _LONGEST_NAME - _UNIQUE_LETTERS - 5] + _fingerprint(subscription_id, stack)


def vault(subscription_id: str, stack: str) -> str:
    """The vault: 3 to 24 letters, digits and single hyphens, starting with a letter, unique in the world through its last 13."""
    return re.sub(r"-+", "-", f"kv-{_safe(stack)[: _LONGEST_NAME - _UNIQUE_LETTERS - 4]}-{_fingerprint(subscription_id, stack)}")


def identity(stack: str, purpose: str) -> str:
    """An identity of the pipeline: 3 to 128 letters, digits and hyphens."""
    return f"converge-{_safe(stack)}-{purpose}"


def role_assignment(scope: str, principal_id: str, role_id: str) -> str:
    """The GUID of a grant. Azure allows one per scope, principal and role, so these three name it."""
    return str(uuid5(_ROLE_ASSIGNMENTS, f"{scope}|{principal_id}|{role_id}".lower()))


def _safe(stack: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", stack.lower()).strip("-") or "stack"


def _fingerprint(subscription_id: str, stack: str) -> str:
    return b32encode(sha256(f"{subscription_id.lower()}/{stack}/bootstrap".encode()).digest()).decode().lower()[:_UNIQUE_LETTERS]
