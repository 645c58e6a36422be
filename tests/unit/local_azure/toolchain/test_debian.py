import os
import shutil
from pathlib import Path

import pytest

from local_azure.errors import LocalAzureError
from local_azure.toolchain.debian import DebianPrograms


def unpacked(tmp_path: Path, *files: str) -> DebianPrograms:
    programs = DebianPrograms(tmp_path)
    for file in files:
        path = programs.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return programs


@pytest.mark.parametrize("file", ["usr/sbin/ip", "usr/bin/ip", "sbin/ip", "bin/ip"])
def test_a_program_is_found_wherever_its_package_has_it(tmp_path: Path, file: str):
    programs = unpacked(tmp_path, file)
    assert programs.program("ip") == str(programs.root / file)
    assert shutil.which("ip", path=programs.environment()["PATH"]) == str(programs.root / file)


def test_a_missing_program_is_named_with_its_folder(tmp_path: Path):
    programs = unpacked(tmp_path, "usr/bin/runc")
    with pytest.raises(LocalAzureError) as error:
        programs.program("containerd")
    assert str(error.value) == f"containerd is missing in {programs.root}; remove that folder and run the command again"


def test_the_machines_own_programs_stay_reachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/somewhere/bin")
    programs = unpacked(tmp_path, "usr/bin/runc")
    path = programs.environment()["PATH"].split(os.pathsep)
    assert path.index(str(programs.root / "usr/bin")) < path.index("/somewhere/bin")


def test_libraries_are_found_in_both_places(tmp_path: Path):
    programs = unpacked(tmp_path, "usr/lib/x86_64-linux-gnu/one.so", "lib/x86_64-linux-gnu/other.so")
    libraries = [str(programs.root / folder / "x86_64-linux-gnu") for folder in ("usr/lib", "lib")]
    assert programs.environment()["LD_LIBRARY_PATH"].split(os.pathsep) == libraries


def test_without_apt_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalAzureError, match=r"this machine has no apt-get; name services of your own instead: CONVERGE_LOCAL_KUBECONTEXT"):
        DebianPrograms(tmp_path / "cache").ensure()
