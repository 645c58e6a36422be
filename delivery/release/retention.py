"""Which images of a registry nobody needs any more, and taking them away."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from delivery.registry import Contents, NotKnownError, Registry, StoredImage, open_registry, split_host
from delivery.release.images import Opener, Place
from delivery.release.record import Record

YOUNG = timedelta(days=7)
"""An image that no release names may belong to a deployment under way, or to one whose record is yet to come."""
_AGE_UNKNOWN = "of no release, but nobody knows how old it is"
_ABOUT_ANOTHER = re.compile(r"sha256-([0-9a-f]{64})(\..+)?")
"""Tag of a signature or attestation: it names the image that it is about."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An image and what is done with it.

    Attributes:
        needed: a release or a lock wants it.
    """

    repository: str
    image: StoredImage
    why: str
    needed: bool = False


@dataclass(kw_only=True)
class CleanUp:
    """What a clean-up does with one registry.

    Attributes:
        protected: what stays and is not protected from others yet.
        marked: what stays because nobody knows how old it is; from now on somebody does.
        stays: everything else that stays.
        missing: what should stay and is not there any more.
        skipped: why nothing is known of the registry; empty otherwise.
    """

    host: str
    registry: Registry
    protected: list[Item] = field(default_factory=list)
    marked: list[Item] = field(default_factory=list)
    stays: list[Item] = field(default_factory=list)
    goes: list[Item] = field(default_factory=list)
    missing: list[tuple[Place, str]] = field(default_factory=list)
    skipped: str = ""

    @property
    def freed(self) -> int:
        """Bytes of what goes. Layers that other images share stay, so it may be less."""
        return sum(item.image.size for item in self.goes)


def plan(records: Sequence[Record], kept: Mapping[Place, str], now: datetime, host: str | None = None, opener: Opener = open_registry) -> list[CleanUp]:
    """What a clean-up would do, registry by registry, in the repositories that releases name. Nothing is changed.

    Args:
        records: of every stack; kept: what must stay, with why; host: only this registry.

    Raises:
        RegistryError: a registry cannot be asked.
    """
    repositories = sorted({service.repository for record in records for service in record.services.values()})
    hosts = dict.fromkeys(split_host(repository)[0] for repository in repositories)
    return [
        _of_registry(opener(one), [name for name in repositories if split_host(name)[0] == one], _Known.of(records, kept), now)
        for one in hosts
        if host in (None, one)
    ]


def carry_out(clean_up: CleanUp, now: datetime) -> Iterator[str]:
    """Protects first, then marks, then deletes; a line for each image, after it is done.

    Raises:
        RegistryError: the registry refuses or went away; what was told is done, and running it again goes on from there.
    """
    registry = clean_up.registry
    for item in clean_up.protected:
        name = split_host(item.repository)[1]
        locked = registry.protect(name, item.image.digest)
        yield f"{'locked' if locked else 'tagged, since this registry has no locks'}: {item.repository}@{item.image.digest} ({item.why})"
    for item in clean_up.marked:
        registry.mark(split_host(item.repository)[1], item.image.digest, now)
        yield f"marked: {item.repository}@{item.image.digest} (of no release; if it is none's in {YOUNG.days} days either, it goes)"
    for item in clean_up.goes:
        name = split_host(item.repository)[1]
        if item.image.locked:
            registry.unprotect(name, item.image.digest)
        registry.delete(name, item.image.digest)
        yield f"deleted: {item.repository}@{item.image.digest} ({item.why})"


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the ledger says of images."""

    kept: Mapping[Place, str]
    released: Mapping[Place, str]
    """Those of releases that succeeded, each with the newest of them."""

    @classmethod
    def of(cls, records: Iterable[Record], kept: Mapping[Place, str]) -> "_Known":
        released: dict[Place, str] = {}
        for record in records:
            for service in record.services.values() if record.succeeded else ():
                released.setdefault((service.repository, service.digest), f"release {record.id} of {record.stack}")
        return cls(kept=kept, released=released)


def _of_registry(registry: Registry, repositories: Sequence[str], known: _Known, now: datetime) -> CleanUp:
    clean_up = CleanUp(host=registry.host, registry=registry)
    try:
        for repository in repositories:
            _of_repository(clean_up, _Repository(registry, repository, known, now))
    except NotKnownError as error:
        clean_up.skipped = str(error)
    return clean_up


def _of_repository(clean_up: CleanUp, repository: "_Repository") -> None:
    stays, goes = repository.sorted()
    for digest, why in stays.items():
        item = Item(repository=repository.name, image=repository.images[digest], why=why, needed=digest in repository.needed)
        # What is young stays by itself; what a release needs is to be safe from others, too.
        group = clean_up.protected if item.needed and not repository.safe(digest) else clean_up.marked if why == _AGE_UNKNOWN else clean_up.stays
        group.append(item)
    clean_up.goes += [Item(repository=repository.name, image=repository.images[digest], why=why) for digest, why in goes.items()]
    clean_up.missing += [(place, why) for place, why in repository.known.kept.items() if place[0] == repository.name and place[1] not in repository.images]


class _Repository:
    """The images of a repository, and what becomes of each."""

    def __init__(self, registry: Registry, name: str, known: _Known, now: datetime) -> None:
        self.name = name
        self.known = known
        self.needed: set[str] = set()
        """What a release needs, with all parts of it."""
        self._registry = registry
        self._path = split_host(name)[1]
        self._now = now
        self._contents: dict[str, Contents | None] = {}
        self.images = {image.digest: image for image in registry.images(self._path)}
        for place in (*known.kept, *known.released):
            if place[0] == name:
                self._find(place[1])

    def sorted(self) -> tuple[dict[str, str], dict[str, str]]:
        """What stays and what goes, each with why."""
        goes = {digest: why for digest, image in self.images.items() if (why := self._out_of_use(image))}
        stays = {digest: self._reason(digest) for digest in self.images if digest not in goes}
        self.needed = {digest for digest in stays if (self.name, digest) in self.known.kept}
        for digest in list(stays):
            self._keep_parts(digest, stays, goes)
        for digest in list(goes):
            # A signature stays with what it signs.
            if (subject := self._subject(digest)) in stays:
                stays[digest] = f"about {subject}, which stays"
                del goes[digest]
                self._keep_parts(digest, stays, goes)
        for digest, why in stays.items():
            if why == _AGE_UNKNOWN and (subject := self._subject(digest)) in stays:
                stays[digest] = f"about {subject}, which stays"
        for digest in list(stays):
            # And goes with it, however young it is: about an image that is gone nobody asks.
            if digest not in self.needed and (subject := self._subject(digest)) in goes and not (self.images[digest].held or self.images[digest].locked):
                goes[digest] = f"about {subject}, which goes"
                del stays[digest]
        for digest in list(goes):
            self._take_parts_along(digest, stays, goes)
        return stays, goes

    def safe(self, digest: str) -> bool:
        """Whether others let it alone: it is locked, or where there are no locks it has a tag."""
        image = self.images[digest]
        return image.locked or image.held if self._registry.has_locks else bool(image.tags)

    def _out_of_use(self, image: StoredImage) -> str:
        """Why nobody needs it; empty when it stays."""
        place = (self.name, image.digest)
        if place in self.known.kept or image.held:
            return ""
        if place in self.known.released:
            return f"{self.known.released[place]}, older than those that are kept"
        if image.locked or image.changed is None or self._now - image.changed < YOUNG:
            return ""
        return f"of no release, {(self._now - image.changed).days} days old"

    def _reason(self, digest: str) -> str:
        image = self.images[digest]
        if why := self.known.kept.get((self.name, digest)):
            return why
        if image.held or image.locked:
            return "locked by somebody"
        return f"of no release, but younger than {YOUNG.days} days" if image.changed else _AGE_UNKNOWN

    def _keep_parts(self, digest: str, stays: dict[str, str], goes: dict[str, str]) -> None:
        contents = self._read(digest)
        for part in contents.parts if contents else ():
            if self._find(part):
                stays[part] = stays.get(part, f"part of {digest}")
                goes.pop(part, None)
                self.needed |= {part} if digest in self.needed else set()
                self._keep_parts(part, stays, goes)

    def _take_parts_along(self, digest: str, stays: Mapping[str, str], goes: dict[str, str]) -> None:
        """A registry that lists only what has a tag would keep the parts for ever."""
        contents = self._read(digest)
        for part in contents.parts if contents else ():
            if part not in stays and part not in goes and self._find(part):
                goes[part] = f"part of {digest}, which goes"
                self._take_parts_along(part, stays, goes)

    def _subject(self, digest: str) -> str | None:
        named = [match[1] for tag in self.images[digest].tags if (match := _ABOUT_ANOTHER.fullmatch(tag))]
        if named:
            return f"sha256:{named[0]}"
        contents = self._read(digest)
        return contents.subject if contents else None

    def _read(self, digest: str) -> Contents | None:
        if digest not in self._contents:
            self._contents[digest] = self._registry.contents(self._path, digest)
        return self._contents[digest]

    def _find(self, digest: str) -> bool:
        """Whether it is there; known from now on also when the registry does not list it."""
        if digest not in self.images and (image := self._registry.image(self._path, digest)):
            self.images[digest] = image
        return digest in self.images


def now() -> datetime:
    """In UTC, as registries have it."""
    return datetime.now(UTC)
