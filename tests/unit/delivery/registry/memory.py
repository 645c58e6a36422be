"""A registry without a wire, for questions that are about something else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from delivery.registry import Contents, RegistryError, StoredImage


@dataclass
class MemoryRegistry:
    """Images by repository and digest. `lists_all` says whether it lists what has no tag, and has locks, as Azure's does."""

    host: str = "registry.example"
    has_locks: bool = False
    stored: dict[tuple[str, str], StoredImage] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subjects: Mapping[str, str] = field(default_factory=dict)
    fails_at: str = ""
    done: list[str] = field(default_factory=list)

    def add(self, repository: str, *images: StoredImage) -> None:
        self.stored.update({(repository, image.digest): image for image in images})

    def has(self, repository: str, digest: str) -> bool:
        return (repository, digest) in self.stored

    def tags(self, repository: str) -> dict[str, str]:
        return {tag: image.digest for image in self.images(repository) for tag in image.tags}

    def digest_of(self, repository: str, tag: str) -> str | None:
        return self.tags(repository).get(tag)

    def images(self, repository: str) -> list[StoredImage]:
        return [image for (name, _), image in self.stored.items() if name == repository and (self.has_locks or image.tags)]

    def image(self, repository: str, digest: str) -> StoredImage | None:
        return self.stored.get((repository, digest))

    def contents(self, repository: str, digest: str) -> Contents | None:
        return Contents(parts=self.parts.get(digest, ()), subject=self.subjects.get(digest)) if self.has(repository, digest) else None

    def delete(self, repository: str, digest: str) -> None:
        image = self.stored.get((repository, digest))
        if digest == self.fails_at or (image and (image.locked or image.held)):
            raise RegistryError(f"{self.host} refuses to delete {digest}")
        self.stored.pop((repository, digest), None)
        self.done.append(f"delete {digest}")

    def protect(self, repository: str, digest: str) -> bool:
        image = self.stored[repository, digest]
        self.stored[repository, digest] = replace(image, locked=True) if self.has_locks else replace(image, tags=(*image.tags, f"kept-{digest[7:23]}"))
        self.done.append(f"protect {digest}")
        return self.has_locks

    def mark(self, repository: str, digest: str, moment: datetime) -> None:
        image = self.stored[repository, digest]
        self.stored[repository, digest] = image if self.has_locks else replace(image, changed=image.changed or moment)
        self.done.append(f"mark {digest}")

    def unprotect(self, repository: str, digest: str) -> None:
        self.stored[repository, digest] = replace(self.stored[repository, digest], locked=False)
        self.done.append(f"unprotect {digest}")
