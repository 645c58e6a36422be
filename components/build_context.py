"""The folder that the image builder gets: the same content is the same folder on every machine, umask and clock."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path, PurePosixPath

from filelock import FileLock

STAGED = Path(".converge/context")
_LARGEST_FILE = 32 * 2**20
_LARGEST_CONTEXT = 128 * 2**20
_KEEP = 8
_KEEP_SECONDS = 24 * 3600
"""Contexts that somebody may still be building from are not removed."""


class BuildContextError(Exception):
    """An app folder that cannot be built from; the text names the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """A staged folder."""

    location: str
    """Relative to the project, so that it is the same text on every machine (the builder compares it literally)."""
    sha256: str
    """Of names, modes and contents of all its files."""


@dataclass(frozen=True, kw_only=True)
class _File:
    name: str
    source: Path
    mode: int
    content: bytes


def stage(app: Path, staged: Path = STAGED) -> BuildContext:
    """Copies what the app's .dockerignore lets through, with fixed modes and times, into a folder named by its content.

    Args:
        app: folder with a Dockerfile and a .dockerignore that is an allow-list.
        staged: where contexts are kept; several runs may stage at once.

    Raises:
        BuildContextError: a file that cannot be read, is a link, or is too large; a .dockerignore that is no allow-list.
    """
    files = _files(app)
    digest = _digest(files)
    folder = staged / digest[:32]
    try:
        staged.mkdir(parents=True, exist_ok=True)
        # One run at a time: another could take a half-written folder for a broken one, or remove what we look at.
        with FileLock(staged / ".lock"):
            folder.with_suffix(".used").touch()
            if not _is_whole(folder, digest):
                _write(files, folder)
            _prune(staged)
    except OSError as error:
        raise BuildContextError(f"{staged}: cannot be written: {error.strerror}") from error
    return BuildContext(location=folder.as_posix(), sha256=digest)


def _files(app: Path) -> list[_File]:
    allowed, excluded = _rules(app / ".dockerignore")
    files: list[_File] = []
    size = 0
    for path in sorted(_walk(app, excluded), key=lambda path: path.relative_to(app).as_posix()):
        name = path.relative_to(app).as_posix()
        if name != "Dockerfile" and not any(PurePosixPath(name).is_relative_to(entry) for entry in allowed):
            continue
        files.append(_read(path, name))
        size += len(files[-1].content)
        if size > _LARGEST_CONTEXT:
            raise BuildContextError(
                f"{app}: has more than {_LARGEST_CONTEXT >> 20} MiB for the image builder; models belong into the model store, not into an app"
            )
    return files


def _rules(ignore_file: Path) -> tuple[list[str], list[str]]:
    """What is let through, and the names that are not wherever they are."""
    try:
        lines = [line.strip() for line in ignore_file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BuildContextError(f"{ignore_file}: cannot be read; copy it from app_template") from error
    rules = [line for line in lines if line and not line.startswith("#")]
    if not rules or rules[0] != "*":
        raise BuildContextError(f"{ignore_file}: must start with * and then let through what the Dockerfile copies, as in app_template")
    allowed: list[str] = []
    excluded: list[str] = []
    for rule in rules[1:]:
        path = rule[1:].strip("/") if rule.startswith("!") else ""
        name = rule.removeprefix("**/").strip("/") if rule.startswith("**/") else ""
        if path and not any(character in path for character in "*?[\\"):
            allowed.append(path)
        elif name and "/" not in name and "**" not in name:
            excluded.append(name)
        else:
            raise BuildContextError(f"{ignore_file}: the rule {rule!r} is not understood; allowed are * first, then !path and **/name")
    return allowed, excluded


def _walk(folder: Path, excluded: list[str]) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise BuildContextError(f"{folder}: cannot be read: {error.strerror}") from error
    for path in entries:
        if any(fnmatch(path.name, pattern) for pattern in excluded):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, excluded)
        else:
            yield path


def _read(path: Path, name: str) -> _File:
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise BuildContextError(f"{path}: is a symbolic link; put the file itself there, since links lead elsewhere on other machines")
        if not stat.S_ISREG(status.st_mode):
            raise BuildContextError(f"{path}: is not a regular file; remove it, or exclude it in .dockerignore")
        if status.st_size > _LARGEST_FILE:
            raise BuildContextError(
                f"{path}: has {status.st_size >> 20} MiB, more than the {_LARGEST_FILE >> 20} MiB that an app's file may have; models go into the model store"
            )
        content = path.read_bytes()
    except OSError as error:
        raise BuildContextError(f"{path}: cannot be read: {error.strerror}") from error
    # Git keeps one bit of a mode; everything else comes from the umask.
    return _File(name=name, source=path, mode=0o755 if status.st_mode & stat.S_IXUSR else 0o644, content=content)


def _digest(files: list[_File]) -> str:
    digest = sha256()
    for file in files:
        digest.update(f"{file.mode:o} {len(file.name.encode())} {file.name} {len(file.content)} ".encode())
        digest.update(file.content)
    return digest.hexdigest()


def _is_whole(folder: Path, digest: str) -> bool:
    if not folder.is_dir():
        return False
    try:
        return (
            _digest(
                [_read(path, path.relative_to(folder).as_posix()) for path in sorted(_walk(folder, []), key=lambda path: path.relative_to(folder).as_posix())]
            )
            == digest
        )
    except BuildContextError:
        return False


def _write(files: list[_File], folder: Path) -> None:
    """Writes beside, then renames: a run that is killed leaves no half context behind."""
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    try:
        for file in files:
            target = partial / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(file.mode)
            os.utime(target, (0, 0))
        for directory in (partial, *(path for path in partial.rglob("*") if path.is_dir())):
            directory.chmod(0o755)
            os.utime(directory, (0, 0))
        _remove(folder)
        partial.rename(folder)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _prune(staged: Path) -> None:
    # Left by runs that were killed: whoever holds the lock writes none but its own, and that is renamed by now.
    for partial in staged.glob(".partial-*"):
        _remove(partial)
    markers = sorted(staged.glob("*.used"), key=lambda marker: marker.stat().st_mtime, reverse=True)
    for marker in markers[_KEEP:]:
        if time.time() - marker.stat().st_mtime > _KEEP_SECONDS:
            _remove(marker.with_suffix(""))
            marker.unlink()
