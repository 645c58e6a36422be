"""What the caller may do at a scope, by Azure's own account of it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from delivery.azure.arm import Arm

_API = "2022-04-01"


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One role that the caller has at a scope. Exclusions take away from this role only, never from another one."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    @classmethod
    def from_azure(cls, document: Mapping[str, Any]) -> "Permission":
        """From an item of the permissions API; what it leaves out is nothing."""
        keys = {"actions": "actions", "not_actions": "notActions", "data_actions": "dataActions", "not_data_actions": "notDataActions"}
        return cls(**{field: tuple(document.get(key) or ()) for field, key in keys.items()})

    def allows(self, action: str, *, data: bool) -> bool:
        """Whether this role alone gives the action."""
        given, taken = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return _any(given, action) and not _any(taken, action)


def allows(permissions: Iterable[Permission], action: str, *, data: bool = False) -> bool:
    """Whether any of the caller's roles gives the action."""
    return any(permission.allows(action, data=data) for permission in permissions)


def at(arm: Arm, scope: str) -> Sequence[Permission]:
    """The caller's roles at a scope: assigned there or above, to the caller or to a group. Needs no right itself. Deny assignments are not in it."""
    return [Permission.from_azure(item) for item in arm.list(f"{scope}/providers/Microsoft.Authorization/permissions", _API)]


def matches(pattern: str, action: str) -> bool:
    """Whether an action's name falls under a pattern: `*` stands for any text, slashes included; case does not count."""
    return _compiled(pattern.lower()).fullmatch(action.lower()) is not None


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(matches(pattern, action) for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
