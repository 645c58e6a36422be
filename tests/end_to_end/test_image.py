"""The image that the copy's service runs: what is in it, and above all what is not."""

import gzip
import io
import tarfile
from pathlib import PurePosixPath

import pytest

from delivery.image.inventory import inventory
from delivery.registry import ArtifactRegistry, open_artifacts, split_host
from tests.end_to_end.copy_of_checkout import Copy

_LARGEST = 120_000_000
_NOT_THERE = {
    *("sh", "bash", "dash", "ash", "busybox", "su", "sudo", "login", "env"),
    *("pip", "pip3", "apt", "apt-get", "dpkg", "curl", "wget", "git", "perl"),
    *("gcc", "cc", "g++", "c++", "cpp", "ld", "as", "make", "clang"),
}


def files_of(registry: ArtifactRegistry, repository: str, digest: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Everything but folders, by path; of small files the content, too."""
    manifest = registry.manifest(repository, digest)
    assert manifest is not None
    assert sum(layer["size"] for layer in manifest.document["layers"]) < _LARGEST
    found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    for layer in manifest.document["layers"]:
        content = registry.blob(repository, layer["digest"])
        assert content is not None
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content)), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() and member.size < 10_000 else None
                if not member.isdir():
                    found[f"/{member.name}"] = (member, file.read() if file else b"")
    return found


def check(registry: ArtifactRegistry, repository: str, digest: str) -> None:
    files = files_of(registry, repository, digest)
    paths = [PurePosixPath(name) for name in files]
    assert not [path for path in paths if path.name in _NOT_THERE and "dpkg" not in path.parts]
    assert not [path for path in paths if {"pip", "setuptools", "ensurepip"} & set(path.parts)]
    assert files["/etc/passwd"][1].decode().splitlines() == ["nonroot:x:65532:65532:nonroot:/srv:/sbin/nologin"]
    assert not [name for name, (member, _) in files.items() if member.mode & 0o6000]
    assert not [name for name, (member, _) in files.items() if member.isfile() and (member.mode & 0o022 or member.uid)]
    assert not [name for name, (member, _) in files.items() if member.mtime]
    manifest = registry.manifest(repository, digest)
    assert manifest is not None
    config = registry.blob(repository, manifest.document["config"]["digest"])
    assert config is not None
    assert b'"User":"65532:65532"' in config


def test_the_image_has_no_shell_no_pip_no_compiler_and_no_root(copy: Copy):
    copy.up()
    name, _, digest = str(copy.service()["image"]).partition("@")
    host, repository = split_host(name)
    check(open_artifacts(host), repository, digest)


@pytest.mark.parametrize("package", [("debian", "libc6"), ("python", "numpy"), ("model", "digits")])
def test_scanners_can_tell_what_is_in_it(copy: Copy, package: tuple[str, str]):
    name, _, digest = str(copy.service()["image"]).partition("@")
    host, repository = split_host(name)
    items = inventory(open_artifacts(host), repository, digest, copy.sandbox.folder / "layers")
    assert package in [(item.kind, item.name) for item in items]
