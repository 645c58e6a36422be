"""docs/app-developer.md says what is so: its hooks.py and its settings are the template's, and its service is made as written."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "app-developer.md").read_text()
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _blocks(section: str) -> list[tuple[str, str]]:
    """Language and text of each."""
    return [(language, text) for language, text in _BLOCK.findall(section)]


def test_the_developer_s_file_stands_whole_in_the_page_and_is_short():
    hooks = (ROOT / "app_template" / "app" / "hooks.py").read_text()
    assert _blocks(_section("Your file")) == [("python", hooks)]
    assert len(hooks.splitlines()) < 60


def test_every_setting_is_explained():
    table = set(re.findall(r"`([A-Z_]+)`", "".join(line.split("|")[1] for line in _section("Settings").splitlines() if line.startswith("| `"))))
    source = (ROOT / "app_template" / "app" / "settings.py").read_text()
    read = set(re.findall(r'read\.\w+\(\s*"([A-Z_]+)"', source))
    assert table - {"OTEL_EXPORTER_OTLP_ENDPOINT"} == read


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of the checkout as the page needs."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (0, 0))  # so that make never makes the environment anew, which is the real one
    shutil.copytree(ROOT / "app_template", tmp_path / "app_template", ignore=shutil.ignore_patterns("out", "__pycache__"))
    (tmp_path / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    return tmp_path


@pytest.fixture
def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    return str(free)


def test_a_service_of_one_s_own_is_made_as_written(checkout: Path, port: str):
    blocks = _blocks(_section("A service of your own"))
    server: subprocess.Popen[str] | None = None
    printed = ""
    try:
        for language, text in blocks:
            if "make app" in text:
                environment = {**os.environ, "PORT": port}
                server = subprocess.Popen(["bash", "-c", text], cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
                assert server.stdout is not None
                assert any(line.startswith("serving topics") for line in server.stdout)
            elif language == "bash":
                commands = re.sub(r"(curl.*)", r"\1; echo", text.replace(":8080", f":{port}"))
                done = subprocess.run(["bash", "-e", "-c", commands], cwd=checkout, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout + done.stderr
                printed = done.stdout
            else:
                assert printed == text
    finally:
        if server is not None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)
            if server.stdout is not None:
                server.stdout.close()
    assert {language for language, _ in blocks} == {"bash", ""}
