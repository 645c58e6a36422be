"""Moves between releases, by lock: on to another stack, back to an earlier release, and on again."""

from delivery.release.moves_back import rollback, unpin
from delivery.release.moves_lock import Move
from delivery.release.moves_on import promote

__all__ = ["Move", "promote", "rollback", "unpin"]
