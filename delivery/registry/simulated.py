"""Registries of the simulated Azure: they have names and no service."""

from datetime import datetime
from typing import NoReturn

from delivery.registry.errors import NotKnownError
from delivery.registry.kinds import Contents, StoredImage


class SimulatedRegistry:
    """Says of every question that nobody knows."""

    has_locks = False

    def __init__(self, host: str) -> None:
        self.host = host

    def has(self, repository: str, digest: str) -> bool:
        """Raises NotKnownError, as every method here."""
        self._unknown(repository, digest)

    def tags(self, repository: str) -> dict[str, str]:
        """Raises NotKnownError."""
        self._unknown(repository)

    def digest_of(self, repository: str, tag: str) -> str | None:
        """Raises NotKnownError."""
        self._unknown(repository, tag)

    def images(self, repository: str) -> list[StoredImage]:
        """Raises NotKnownError."""
        self._unknown(repository)

    def image(self, repository: str, digest: str) -> StoredImage | None:
        """Raises NotKnownError."""
        self._unknown(repository, digest)

    def contents(self, repository: str, digest: str) -> Contents | None:
        """Raises NotKnownError."""
        self._unknown(repository, digest)

    def delete(self, repository: str, digest: str) -> None:
        """Raises NotKnownError."""
        self._unknown(repository, digest)

    def mark(self, repository: str, digest: str, moment: datetime) -> None:
        """Raises NotKnownError."""
        self._unknown(repository, digest, moment.isoformat())

    def protect(self, repository: str, digest: str) -> bool:
        """Raises NotKnownError."""
        self._unknown(repository, digest)

    def unprotect(self, repository: str, digest: str) -> None:
        """Raises NotKnownError."""
        self._unknown(repository, digest)

    def _unknown(self, *_: str) -> NoReturn:
        raise NotKnownError(f"{self.host} is a registry of the simulated Azure, with no service behind it; what it has is not known")
