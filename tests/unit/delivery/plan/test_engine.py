"""How the engine is run, and what of its words reaches a user; a shell script stands for it."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from delivery.errors import DeliveryError
from delivery.plan.engine import Stack
from delivery.plan.sandbox import Engine, PlanSandbox

EVENTS = """
while [ $# -gt 0 ]; do case "$1" in --event-log) log="$2";; --config-file) cp "$2" "$CONVERGE_SANDBOX/settings";; esac; shift; done
"""


def stack(tmp_path: Path, script: str) -> Stack:
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    folder = tmp_path / "sandbox"
    folder.mkdir()
    environment = {"PATH": os.environ["PATH"], "CONVERGE_SANDBOX": str(folder)}
    return Stack(PlanSandbox(folder=folder, engine=Engine(pulumi=program, language_host=tmp_path), environment=environment), "dev")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: converge\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  a:b: c\n")
    return folder


def event(severity: str, message: str) -> str:
    return f'{{"diagnosticEvent":{{"severity":"{severity}","message":"{message}"}}}}'


def test_errors_are_told_once_without_colours_and_closing_words(tmp_path: Path, project: Path):
    lines = [
        event("error", "<{%fg 1%}>the key x is wrong\\n<{%reset%}>"),
        event("error", "the key x is wrong"),
        event("error", "preview failed"),
        event("warning", "using pulumi-language-python from $PATH"),
        event("warning", "this is deprecated"),
        event("debug", "registering resource"),
        event("info", "service digits is not deployed"),
        event("info", "service digits is not deployed"),
        '{"resOutputsEvent":',
    ]
    written = "\n".join(lines)
    outcome = stack(tmp_path, f"{EVENTS}cat > \"$log\" <<'E'\n{written}\nE\nexit 255").preview(project, lambda _text: None)
    assert outcome.errors == ["the key x is wrong"]
    assert outcome.hints == ["this is deprecated", "service digits is not deployed"]


def test_an_engine_that_only_complains(tmp_path: Path, project: Path):
    with pytest.raises(DeliveryError) as raised:
        stack(tmp_path, "echo 'warning: using another' >&2; echo 'error: invalid stack name' >&2; exit 255").create(project)
    assert str(raised.value) == "the stack 'dev' cannot be planned: invalid stack name"


def test_an_engine_that_ends_without_a_word(tmp_path: Path, project: Path):
    assert stack(tmp_path, "exit 7").update(project, lambda _text: None).errors == ["pulumi ended with exit code 7"]


def test_errors_of_a_run_that_succeeded_are_none(tmp_path: Path, project: Path):
    outcome = stack(tmp_path, f"{EVENTS}echo '{event('error', 'tried again')}' > \"$log\"; echo answer").preview(project, lambda _text: None)
    assert (outcome.errors, outcome.answer) == ([], "answer\n")


def settings_for(tmp_path: Path, project: Path, written: dict[str, Any]) -> dict[str, Any]:
    (project / "Pulumi.dev.yaml").write_text(yaml.safe_dump(written))
    stack(tmp_path, EVENTS).preview(project, lambda _text: None)
    return yaml.safe_load((tmp_path / "sandbox" / "settings").read_text())


def test_the_stack_s_own_keys_for_secrets_stay_out_and_its_file_as_it_is(tmp_path: Path, project: Path):
    written = {"secretsprovider": "azurekeyvault://x", "encryptedkey": "k", "encryptionsalt": "v1:salt", "config": {"a:b": "c"}}
    assert settings_for(tmp_path, project, written) == {"encryptionsalt": "", "config": {"a:b": "c"}}
    assert yaml.safe_load((project / "Pulumi.dev.yaml").read_text()) == written


def test_what_is_encrypted_is_told_by_a_mark_that_changes_with_it(tmp_path: Path, project: Path):
    config = {"a:token": {"secure": "v1:one"}, "a:list": [{"secure": "v1:one"}, {"x": {"secure": "v1:two"}}], "a:not": {"secure": "x", "other": 1}}
    found = settings_for(tmp_path, project, {"config": config})["config"]
    assert found == {
        "a:token": "[secret 1b2dcecf]",
        "a:list": ["[secret 1b2dcecf]", {"x": "[secret bfa524b8]"}],
        "a:not": {"secure": "x", "other": 1},
    }


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (b"config: [", "{path} is no YAML: while parsing"),
        (b"\xff\xfe", "{path} is no YAML: "),
        (b"- a", "{path} has no keys; it must have `config:` with the stack's settings below"),
    ],
)
def test_a_stack_file_that_cannot_be_read(tmp_path: Path, project: Path, written: bytes, message: str):
    path = project / "Pulumi.dev.yaml"
    path.write_bytes(written)
    with pytest.raises(DeliveryError) as raised:
        stack(tmp_path, "exit 1").preview(project, lambda _text: None)
    assert str(raised.value).startswith(message.format(path=path))
    assert "\n" not in str(raised.value)


def test_progress_counts_resources(tmp_path: Path, project: Path):
    said: list[str] = []
    script = f'{EVENTS}sleep 0.3; echo \'{{"resOutputsEvent":{{}}}}\' >> "$log"; echo \'{{"resOutputsEvent":{{}}}}\' >> "$log"; sleep 0.3'
    stack(tmp_path, script).update(project, said.append)
    assert list(dict.fromkeys(said)) == ["starting the program", "2 resources"]


class _InterruptedError(BaseException):
    pass


def test_an_interrupted_run_ends_the_engine_and_all_it_started(tmp_path: Path, project: Path):
    """Plugins are in process groups of their own, so a signal to the engine's group would not reach them."""
    started = tmp_path / "pids"

    def interrupt(_number: int, _frame: object) -> None:
        raise _InterruptedError

    def send() -> None:
        while not started.exists() or len(started.read_text().split()) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGUSR1)

    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        threading.Thread(target=send, daemon=True).start()
        with pytest.raises(_InterruptedError):
            stack(tmp_path, f"setsid sleep 60 & echo $! $$ > {started}; wait").preview(project, lambda _text: None)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    for pid in map(int, started.read_text().split()):
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
