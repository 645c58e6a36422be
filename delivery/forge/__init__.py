"""GitHub and Azure DevOps: comments on pull requests, and pull requests.

What works with them is imported when it is first asked for: few commands need it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from delivery.forge.commenting import comment
    from delivery.forge.proposing import open_pull_request

__all__ = ["comment", "open_pull_request"]


def __getattr__(name: str) -> object:
    if name == "comment":
        from delivery.forge.commenting import comment  # noqa: PLC0415 - httpx, see above

        return comment
    if name == "open_pull_request":
        from delivery.forge.proposing import open_pull_request  # noqa: PLC0415 - the same

        return open_pull_request
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
