import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from local_azure.errors import LocalAzureError
from local_azure.toolchain import chromium
from local_azure.toolchain.chromium import Chromium
from local_azure.toolchain.debian import DebianPrograms


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "_is_debian", lambda: True)
    monkeypatch.setattr(DebianPrograms, "ensure", lambda _self: None)


@pytest.mark.usefixtures("debian")
def test_it_lies_in_the_cache_with_libraries_and_fonts(tmp_path: Path):
    made = Chromium(tmp_path)
    root = made.program.parents[3]
    (root / "usr" / "lib" / "x86_64-linux-gnu").mkdir(parents=True)
    made.ensure()
    made.ensure()
    assert root.parent == tmp_path / "tools"
    environment = made.environment()
    libraries = f"{root}/usr/lib/x86_64-linux-gnu"
    assert environment["LD_LIBRARY_PATH"].split(os.pathsep) == [libraries, f"{libraries}/pulseaudio"]
    assert environment["PATH"] == os.environ["PATH"]
    fonts = ElementTree.fromstring(Path(environment["FONTCONFIG_FILE"]).read_text())
    assert [one.text for one in fonts.findall("dir")] == [f"{root}/usr/share/fonts"]
    assert {alias.findtext("family"): alias.findtext("prefer/family") for alias in fonts.findall("alias")}["system-ui"] == "Inter"


@pytest.mark.usefixtures("debian")
def test_it_is_another_set_of_programs_than_the_sandboxs(tmp_path: Path):
    assert Chromium(tmp_path).program.parents[3] != DebianPrograms(tmp_path).root


def test_elsewhere_the_machines_own_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chromium, "_is_debian", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalAzureError) as error:
        Chromium(tmp_path).ensure()
    assert str(error.value) == "no browser: this is no Debian, and none of chromium, google-chrome, google-chrome-stable is on PATH; install one of them"
    browser = tmp_path / "google-chrome"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    made = Chromium(tmp_path)
    made.ensure()
    assert made.program == browser
    assert "FONTCONFIG_FILE" not in made.environment()
