"""Looks for secrets in everything that a deployment leaves behind: files, and what is packed inside them."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and of an archive (an image's layer) also every file inside it.

    Raises:
        AssertionError: something is packed in a way that cannot be looked into; passing it over would prove nothing.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield from unpacked(str(path.relative_to(folder)), path.read_bytes())


def unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The content itself and, when it is an archive, what is in it."""
    assert not content.startswith(_ZSTD), f"{name} is packed with zstd, which this test cannot read"
    if content.startswith(_GZIP):
        content = gzip.decompress(content)
    yield name, content
    if content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file:
                    yield f"{name}!{member.name}", file.read()


def found_in(places: Iterable[tuple[str, bytes]], secrets: Mapping[str, str]) -> list[str]:
    """Which secret stands where; never the secret itself."""
    needles = {what: secret.encode() for what, secret in secrets.items()}
    return [f"{what} in {place}" for place, content in places for what, needle in needles.items() if needle in content]
