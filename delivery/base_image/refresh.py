"""The base image of a stack: what its file says, what the registry says, and the new digest in the file."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from delivery.errors import DeliveryError
from delivery.registry import Reference, Registry, RegistryError, open_registry

KEY = "converge:baseImage"
_SECTION = "config"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The image in the file, and the one that its tag points at now.

    Attributes:
        created: when the image in the file was built; None when the registry does not have it any more, or does not say.
    """

    text: str
    written: Reference
    now: Reference
    created: datetime | None
    now_created: datetime | None

    @property
    def same(self) -> bool:
        """Whether the tag still points at the image in the file."""
        return self.written.digest == self.now.digest


def look(file: Path, stack: str, opener: Callable[[str], Registry] = open_registry) -> Found:
    """Asks the registry.

    Raises:
        DeliveryError: there is no such stack, its file has no base image with a tag, or the registry cannot be asked or has no such tag.
    """
    text = _value(file, stack).value
    written = Reference.parse(text)
    if written.tag is None:
        raise DeliveryError(f"{file.name}: {KEY} is {text}, without a tag, so nobody can say what is newer; name one: <repository>:<tag>@sha256:<digest>")
    registry = opener(written.host)
    digest = registry.digest_of(written.repository, written.tag)
    if digest is None:
        raise RegistryError(f"{written.host} has no {written.repository}:{written.tag}, which {KEY} in {file.name} names; choose a tag that is there")
    now = written.at(digest)
    created = _created(registry, written)
    return Found(text=text, written=written, now=now, created=created, now_created=created if digest == written.digest else _created(registry, now))


def lines(found: Found) -> Iterator[str]:
    """What was found, for people."""
    name = str(found.now).partition("@")[0]
    if found.same:
        yield f"{name} is still {found.now.digest}{_built(found.now_created)}"
        return
    yield f"{name} has moved on"
    yield f"  old: {found.written.digest or 'no digest in the file'}{_built(found.created)}"
    yield f"  new: {found.now.digest}{_built(found.now_created)}"


def write(file: Path, found: Found) -> None:
    """Changes exactly the text of the image; comments, order, quotes and line ends stay.

    Raises:
        DeliveryError: the file is another one by now, or cannot be written.
    """
    try:
        content = file.read_bytes().decode()
        place = _node(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DeliveryError(f"{file.name} cannot be read: {' '.join(str(error).split())}") from error
    start, end = (place.start_mark.index, place.end_mark.index) if place else (0, 0)
    if content[start:end].count(found.text) != 1:
        raise DeliveryError(f"{file.name}: {KEY} is not {found.text} in one piece on one line any more; nothing was written, run it again or change it by hand")
    changed = content[:start] + content[start:end].replace(found.text, str(found.now)) + content[end:]
    _replace(file, changed.encode())


def _value(file: Path, stack: str) -> yaml.ScalarNode:
    try:
        content = file.read_bytes().decode()
        node = _node(content)
    except FileNotFoundError as error:
        there = ", ".join(sorted(path.name.split(".")[1] for path in file.parent.glob("Pulumi.*.yaml")))
        raise DeliveryError(f"there is no stack {stack!r}: no {file.name} in {file.parent}; stacks here: {there or 'none'}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DeliveryError(f"{file.name} cannot be read: {' '.join(str(error).split())}") from error
    if node is None:
        raise DeliveryError(f"{file.name} has no {KEY} below `{_SECTION}:`; it must be an image: <repository>:<tag>@sha256:<digest>")
    return node


def _node(content: str) -> yaml.ScalarNode | None:
    """Where the value stands in the text. Parsed, not searched for: the same text may stand in a comment."""
    section = _below(yaml.compose(content, Loader=yaml.SafeLoader), _SECTION)
    value = _below(section, KEY)
    return value if isinstance(value, yaml.ScalarNode) and value.value else None


def _below(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if isinstance(name, yaml.ScalarNode) and name.value == key), None)


def _created(registry: Registry, image: Reference) -> datetime | None:
    """When it was built. The date is only for people: one that cannot be had does not keep them from the new digest."""
    if image.digest is None:
        return None
    with suppress(RegistryError):
        found = registry.image(image.repository, image.digest)
        return found.created if found else None
    return None


def _built(created: datetime | None) -> str:
    return f", built {created:%Y-%m-%d}" if created else ""


def _replace(file: Path, content: bytes) -> None:
    """Whole or not at all, with the rights that it had."""
    try:
        handle, made = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        raise DeliveryError(f"{file.name} cannot be written: {error.strerror}") from error
    partial = Path(made)
    try:
        with os.fdopen(handle, "wb") as output:
            output.write(content)
        partial.chmod(file.stat().st_mode)
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DeliveryError(f"{file.name} cannot be written: {error.strerror}") from error
