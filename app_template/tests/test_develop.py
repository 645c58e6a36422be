"""`make app` without make: code is edited, and the answers change."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
import pytest
from serving_process import APP_TEMPLATE

_SECONDS = 60
_EDITED = re.compile('^APP_RELEASE = ".*"', re.MULTILINE)


class Developed:
    """develop.py of a copy of the app, and what it printed."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.hooks = folder / "app" / "hooks.py"
        self.process = subprocess.Popen(
            [sys.executable, "develop.py", *arguments],
            cwd=folder,
            env={**os.environ, "HOST": "127.0.0.1", "PORT": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self.printed: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line.rstrip("\n"))

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The next line that has it."""
        while True:
            try:
                line = self._lines.get(timeout=_SECONDS)
            except Empty:
                raise AssertionError(f"no line with {pattern!r} after: {self.printed}") from None
            self.printed.append(line)
            if found := re.search(pattern, line):
                return found

    def serving(self) -> str:
        """The URL, once it serves."""
        return self.wait_for(r"^serving digits \S+ at (http://\S+)")[1]

    def edit(self, release: str) -> None:
        """Saves the one line that every answer tells of."""
        self.hooks.write_text(_EDITED.sub(f'APP_RELEASE = "{release}"', self.hooks.read_text()))


Develop = Callable[..., Developed]


@pytest.fixture
def develop(tmp_path: Path) -> Iterator[Develop]:
    folder = tmp_path / "repository" / "app_template"
    shutil.copytree(APP_TEMPLATE, folder, ignore=shutil.ignore_patterns("out", "tests", "__pycache__"))
    started: list[Developed] = []

    def start(*arguments: str, **environment: str) -> Developed:
        started.append(Developed(folder, *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        one.process.terminate()
        try:
            one.process.wait(20)
        finally:
            one.process.kill()


def _release(url: str, golden_input: dict[str, Any]) -> str:
    answer = httpx.post(f"{url}/v2/models/digits/infer", json={"inputs": [golden_input]}, trust_env=False)
    return answer.raise_for_status().json()["parameters"]["app_release"]


def test_an_edit_is_served_a_mistake_is_shown_and_the_next_save_mends_it(develop: Develop, model_dir: Path, golden_input: dict[str, Any]) -> None:
    one = develop("--model", str(model_dir))
    url = one.serving()
    assert _release(url, golden_input) == "1"
    one.edit("2")
    assert one.serving() == url
    assert _release(url, golden_input) == "2"

    good = one.hooks.read_text()
    one.hooks.write_text(f"{good}\ndef broken(:\n")
    line = len(good.splitlines()) + 2
    assert one.wait_for("hooks.py, line")[0]
    assert one.printed[-1] == f"app/hooks.py, line {line}: invalid syntax"
    one.wait_for("the code from before goes on; save it again")
    assert _release(url, golden_input) == "2"

    one.hooks.write_text(f"{good}\nno_such_name\n")
    one.wait_for("NameError: name 'no_such_name' is not defined")
    one.wait_for("the service ended; save a change")

    one.hooks.write_text(good)
    one.edit("3")
    assert one.serving() == url
    assert _release(url, golden_input) == "3"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_leaves_nothing(develop: Develop, model_dir: Path, number: signal.Signals) -> None:
    one = develop("--model", str(model_dir))
    url = one.serving()
    one.process.send_signal(number)
    assert one.process.wait(10) == 0
    one.wait_for("^stopped$")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v2", trust_env=False)


def test_a_port_that_is_taken(develop: Develop, model_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = develop("--model", str(model_dir), PORT=str(port))
        assert one.process.wait(20) == 1
        one.wait_for(rf"^error: port {port} is taken or not allowed \(Address already in use\); choose another one: make app PORT={port + 1}$")


def test_models_that_are_not_there(develop: Develop, tmp_path: Path) -> None:
    develop("--model", str(tmp_path / "nothing")).wait_for("^error: there is no folder ")
    develop("--stack", "nothing").wait_for("^error: stack nothing has no lock, .*MODEL=folder$")
    locks = tmp_path / "repository" / "locks"
    locks.mkdir()
    (locks / "two.json").write_text('{"services": {"a": {}, "b": {}}}')
    develop("--stack", "two").wait_for("^error: stack two has several services; name one with make app STACK=two SERVICE=...: a, b$")
    (locks / "bad.json").write_text("{")
    develop("--stack", "bad").wait_for("^error: cannot read .*bad.json")


def test_the_locked_model_comes_from_the_cache(develop: Develop, model_dir: Path, manifest: dict[str, Any], tmp_path: Path) -> None:
    sha256 = manifest["files"]["model.onnx"]["sha256"]
    model = {"name": "digits", "version": manifest["version"], "files": {"model.onnx": {"sha256": sha256}}}
    (tmp_path / "repository" / "locks").mkdir()
    (tmp_path / "repository" / "locks" / "some.json").write_text(f'{{"services": {{"digits": {{"model": {model!r}}}}}}}'.replace("'", '"'))
    shutil.copytree(model_dir, tmp_path / "cache" / "converge" / "models" / f"digits-{manifest['version']}-{sha256[:12]}")
    one = develop("--stack", "some", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert one.wait_for(r"^serving digits (\S+) at")[1] == str(manifest["version"])


def test_without_a_model_one_is_trained(develop: Develop) -> None:
    pytest.importorskip("training.train", reason="training's packages are not installed", exc_type=ImportError)
    one = develop()
    one.wait_for("no model is named: training one")
    one.wait_for("^wrote .*model.onnx")
    one.serving()
