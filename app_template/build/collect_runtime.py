"""Collects what Python needs to run, out of a base image, so that an image without shell and package manager can be made of it.

    collect_runtime.py --venv /srv/venv --to FOLDER

What goes along: the interpreter that runs this, its standard library, every shared library that these or the packages of
the venv are linked with, certificate authorities, time zones, one user who is not root, an empty /tmp, and the records of
the Debian packages that files came from, so that scanners know what is there. Standard library only.
"""

import argparse
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

USER_ID = 65532
# Of the standard library: what installs packages, draws windows, or tests Python itself.
LEFT_OUT = (
    *("ensurepip", "idlelib", "tkinter", "turtledemo", "turtle.py", "test", "lib2to3", "pydoc_data", "config-*", "site-packages", "dist-packages"),
    *("__pycache__", "EXTERNALLY-MANAGED"),
)
# Of its modules in C: the same, and what a terminal or a database library would be needed for.
LEFT_OUT_MODULES = ("_tkinter*", "_test*", "_xxtest*", "xxlimited*", "_ctypes_test*", "_curses*", "readline*", "_dbm*", "_gdbm*", "nis*", "ossaudiodev*")
# Taken where the base image has it.
DATA = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/usr/share/zoneinfo",
)
LEFT_OUT_DATA = ("posix", "right", "posixrules")
LOADER = "/lib64/ld-linux-x86-64.so.2"
PASSWD = f"nonroot:x:{USER_ID}:{USER_ID}:nonroot:/srv:/sbin/nologin\n"
GROUP = f"nonroot:x:{USER_ID}:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"


class CollectError(Exception):
    """Something that Python needs is not in the base image; the text names it."""


@dataclass
class Collection:
    """A folder that becomes the root of an image; every file keeps its path."""

    root: Path
    base: Path = Path("/")
    taken: set[str] = field(default_factory=set)
    """Files and links, by the path that they have in the base image, without links in it."""

    def add(self, path: str) -> None:
        """Takes a file or a folder, with every link on the way to it."""
        found = self._follow(path)
        if found.is_dir():
            self._add_folder(found)
        else:
            self._copy(found)

    def add_tree(self, folder: str, left_out: Iterable[str] = (), left_out_below: Iterable[str] = ()) -> None:
        """Takes a folder without what has one of these names, at its top or anywhere in it."""
        found = self._follow(folder)
        for path in sorted(found.iterdir()):
            if not _named(path, (*left_out, *left_out_below)):
                self._add_folder(path, tuple(left_out_below)) if path.is_dir() and not path.is_symlink() else self.add(self._name(path))

    def _add_folder(self, folder: Path, left_out: tuple[str, ...] = ()) -> None:
        (self.root / self._name(folder).lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            if _named(path, left_out):
                continue
            if path.is_dir() and not path.is_symlink():
                self._add_folder(path, left_out)
            else:
                self.add(self._name(path))

    def _follow(self, path: str) -> Path:
        """Where a path leads to; the links on the way are taken."""
        here = self.base
        parts = [part for part in path.split("/") if part]
        steps = 0
        while parts:
            here = here.parent if (part := parts.pop(0)) == ".." else here / part
            if here.is_symlink():
                steps += 1
                if steps > 40:
                    raise CollectError(f"{path}: links lead in a circle")
                self._link(here)
                target = str(here.readlink())
                parts = [step for step in target.split("/") if step] + parts
                here = self.base if target.startswith("/") else here.parent
        if not here.exists():
            raise CollectError(f"{path}: is not in the base image")
        return here

    def _name(self, path: Path) -> str:
        return f"/{path.relative_to(self.base).as_posix()}"

    def _link(self, link: Path) -> None:
        target = self.root / self._name(link).lstrip("/")
        if not target.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(link.readlink())
            self.taken.add(self._name(link))

    def _copy(self, file: Path) -> None:
        name = self._name(file)
        if name not in self.taken:
            target = self.root / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            target.chmod(0o755 if os.access(file, os.X_OK) else 0o644)
            self.taken.add(name)

    def write(self, name: str, text: str) -> None:
        """Makes a file that the base image does not have like this."""
        target = self.root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o644)


def _named(path: Path, patterns: Iterable[str]) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in patterns)


def collect(collection: Collection, venv: Path) -> None:
    """Takes all that a venv's Python needs besides the venv itself. Raises CollectError."""
    interpreter = _interpreter(venv)
    library = sysconfig.get_path("stdlib")
    collection.add(interpreter)
    collection.add_tree(library, (*LEFT_OUT, "lib-dynload"), ("__pycache__",))
    collection.add_tree(f"{library}/lib-dynload", LEFT_OUT_MODULES)
    for path in DATA:
        if Path(path).exists():
            collection.add_tree(path, LEFT_OUT_DATA) if path.endswith("zoneinfo") else collection.add(path)
    binaries = [interpreter, *(str(path) for path in (collection.root / library.lstrip("/") / "lib-dynload").glob("*.so"))]
    binaries += [str(path) for path in sorted(venv.rglob("*.so*")) if path.is_file()]
    collection.add(LOADER)
    for needed in sorted({found for binary in binaries for found in libraries(binary, venv)}):
        collection.add(needed)
    collection.write("/etc/passwd", PASSWD)
    collection.write("/etc/group", GROUP)
    collection.write("/etc/nsswitch.conf", NSSWITCH)
    (collection.root / "tmp").mkdir(exist_ok=True)


def _interpreter(venv: Path) -> str:
    """Where the links of a venv lead to, outside of it; a further link there stays one."""
    path = venv / "bin" / "python"
    while path.is_relative_to(venv):
        if not path.is_symlink():
            raise CollectError(f"{path}: is not a link; make the venv without --copies")
        path = path.parent / path.readlink()
    return str(path)


def libraries(binary: str, venv: Path) -> Iterator[str]:
    """Files that the loader would load with a program or library, other than the venv's own. Raises CollectError when one is missing."""
    listed = subprocess.run([LOADER, "--list", binary], capture_output=True, text=True, check=False, env={"PATH": ""})
    for line in listed.stdout.splitlines():
        if "not found" in line:
            raise CollectError(f"{binary}: needs {line.split()[0]}, which is not in the base image")
        found = re.search(r"=> (/\S+)", line)
        if found and not Path(found[1]).resolve().is_relative_to(venv.resolve()):
            yield found[1]


def record_packages(collection: Collection, dpkg: Path = Path("/var/lib/dpkg")) -> list[str]:
    """Writes the records of the packages that files came from, one file each, as scanners expect them of images without dpkg."""
    stanzas = dict(_stanzas(dpkg / "status"))
    found: list[str] = []
    # A package's list may name a file by a link to its folder (/lib is one to /usr/lib).
    taken = collection.taken | {name.removeprefix("/usr") for name in collection.taken}
    for listing in sorted((dpkg / "info").glob("*.list")):
        package = listing.name.removesuffix(".list").partition(":")[0]
        if package in stanzas and taken & _files(listing, collection.base):
            collection.write(f"/var/lib/dpkg/status.d/{package}", stanzas[package])
            if (collection.base / (terms := f"usr/share/doc/{package}/copyright")).exists():
                collection.add(terms)
            found.append(package)
    return found


def _files(listing: Path, base: Path) -> set[str]:
    """Not folders, nor links to them: many packages share those."""
    return {line for line in listing.read_text().splitlines() if not (base / line.lstrip("/")).is_dir()}


def _stanzas(status: Path) -> Iterator[tuple[str, str]]:
    if not status.exists():
        return
    for stanza in status.read_text(encoding="utf-8").split("\n\n"):
        if (name := re.match(r"Package: (\S+)", stanza)) and re.search(r"^Status: install ok installed$", stanza, re.MULTILINE):
            yield name[1], f"{stanza.strip()}\n"


def finish(root: Path, library: str) -> None:
    """Bytecode, the loader's cache, modes and times: the same content is the same layer."""
    # Never checked against file times: a start without compiling, on a file system that is read-only.
    compiled = compileall.compile_dir(
        root / library.lstrip("/"), quiet=1, stripdir=str(root), prependdir="/", invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    if not compiled:
        raise CollectError(f"{library}: could not be compiled")
    if (root / "etc" / "ld.so.conf").exists():
        subprocess.run(["/sbin/ldconfig", "-X", "-r", str(root)], check=True)
        shutil.rmtree(root / "var" / "cache", ignore_errors=True)
    for path in (root, *root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        os.utime(path, (0, 0), follow_symlinks=False)
    (root / "tmp").chmod(0o1777)
    for path in (root / "tmp", root):
        os.utime(path, (0, 0))


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="collect_runtime.py", description="Collect what a venv's Python needs to run.")
    parser.add_argument("--venv", required=True, type=Path)
    parser.add_argument("--to", required=True, type=Path)
    options = parser.parse_args(arguments)
    collection = Collection(options.to)
    try:
        options.to.mkdir(parents=True, exist_ok=True)
        collect(collection, options.venv)
        packages = record_packages(collection)
        finish(options.to, sysconfig.get_path("stdlib"))
    except CollectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{len(collection.taken)} files, of the packages {', '.join(packages) or 'of none that are recorded'}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
