"""How the caller's own engine is run, and what of its words reaches a user; a shell script stands for it."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from delivery.deploy.engine import Engine
from delivery.errors import DeliveryError

LOG = 'while [ $# -gt 0 ]; do case "$1" in --event-log) log="$2";; esac; shift; done\n'


def engine(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    program = folder / "pulumi"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return Engine(folder, "dev")


def written(*events: dict[str, Any]) -> str:
    lines = "\n".join(json.dumps(event) for event in events)
    return f"{LOG}cat > \"$log\" <<'END'\n{lines}\nEND\n"


def said(severity: str, message: str, **more: Any) -> dict[str, Any]:
    return {"sequence": 1, "timestamp": 1, "diagnosticEvent": {"severity": severity, "message": message, "color": "never", **more}}


def about(kind: str, operation: str, resource: str = "kubernetes:apps/v1:Deployment", name: str = "digits-deployment") -> dict[str, Any]:
    urn = f"urn:pulumi:dev::converge::converge:index:ModelDeployment${resource}::{name}"
    return {kind: {"metadata": {"op": operation, "urn": urn, "type": resource}}}


def silent(_text: str) -> None:
    pass


def test_an_update_tells_of_each_resource_and_keeps_what_came_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    events = [
        about("resourcePreEvent", "update"),
        about("resourcePreEvent", "same", "kubernetes:core/v1:Service", "digits-service"),
        about("resOutputsEvent", "same", "kubernetes:core/v1:Service", "digits-service"),
        about("resOutputsEvent", "update"),
        {"resOutputsEvent": {"metadata": {"op": "update", "urn": "urn:pulumi:dev::converge::pulumi:pulumi:Stack::x", "type": "pulumi:pulumi:Stack"}}},
        said("info#err", "progress of something"),
        said("warning", "<{%fg 1%}>this is deprecated<{%reset%}>"),
        {"summaryEvent": {"resourceChanges": {"same": 1, "update": 1}}},
    ]
    lines: list[str] = []
    places: list[str] = []
    run = engine(tmp_path, written(*events), monkeypatch).update(places.append, lines.append)
    assert lines == ["    update   kubernetes:apps/v1:Deployment digits-deployment"]
    assert (run.problem, run.hints, run.changes) == ("", ("this is deprecated",), {"same": 1, "update": 1})
    assert run.touched == ("kubernetes:apps/v1:Deployment digits-deployment",)
    assert places[-1] == "3 resources"
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert asked.startswith("up --yes --skip-preview --suppress-outputs --event-log ")
    assert asked.endswith(" --stack dev --non-interactive --color never")


def test_errors_are_told_once_in_the_engine_s_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    events = [
        about("resourcePreEvent", "update"),
        said("error", "<{%fg 1%}>the Deployment digits is not ready: [Pod digits-1]: containers with unready status<{%reset%}>\n"),
        said("error", "the Deployment digits is not ready: [Pod digits-1]: containers with unready status"),
        about("resOpFailedEvent", "update"),
        said("error", "update failed"),
    ]
    lines: list[str] = []
    run = engine(tmp_path, f"{written(*events)}exit 255", monkeypatch).update(silent, lines.append)
    assert run.problem == "the Deployment digits is not ready: [Pod digits-1]: containers with unready status"
    assert lines == ["    failed to update   kubernetes:apps/v1:Deployment digits-deployment"]
    assert run.touched == ("kubernetes:apps/v1:Deployment digits-deployment",)


def test_errors_of_an_update_that_succeeded_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert engine(tmp_path, written(said("error", "tried again")), monkeypatch).update(silent, silent).problem == ""


ADVICE = "wait until that update ends; if nobody is at work there any more: `pulumi cancel --stack dev`"


@pytest.mark.parametrize(
    ("complaint", "problem"),
    [
        (
            "error: no stack named 'dev' found",
            "no stack named 'dev' found; make it once with `pulumi stack init dev`, or log in to the backend where it is",
        ),
        (
            "warning: old\nerror: the stack is currently locked by 1 lock(s).\n  created by ada@laptop (pid 7) at 2026-11-24T23:00:00Z",
            f"the stack is currently locked by 1 lock(s).\n  created by ada@laptop (pid 7) at 2026-11-24T23:00:00Z\n{ADVICE}",
        ),
        (
            "error: [409] Conflict: Another update is currently in progress.",
            f"[409] Conflict: Another update is currently in progress.\n{ADVICE}",
        ),
        ("", "pulumi ended with exit code 7"),
    ],
)
def test_what_the_engine_says_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: str, problem: str):
    script = f"cat >&2 <<'END'\n{complaint}\nEND\nexit 7"
    assert engine(tmp_path, script, monkeypatch).update(silent, silent).problem == problem
    with pytest.raises(DeliveryError) as raised:
        engine(tmp_path, script, monkeypatch).preview(silent)
    assert str(raised.value) == f"the stack 'dev' cannot be previewed:\n{problem}"


def test_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    answers = '{"output": {"services": {}}, "history": [{"kind": "refresh"}, {"kind": "update", "version": 4}, {"kind": "update", "version": 3}]}'
    asked = engine(tmp_path, f"echo '{answers}' | python3 -c \"import json, sys; print(json.dumps(json.load(sys.stdin)['$2']))\"", monkeypatch)
    assert asked.outputs() == {"services": {}}
    assert asked.newest_update() == {"kind": "update", "version": 4}
    failing = engine(tmp_path, "echo 'error: no access' >&2; exit 1", monkeypatch)
    with pytest.raises(DeliveryError) as raised:
        failing.outputs()
    assert str(raised.value) == "`pulumi stack output --json` of the stack 'dev' failed: no access"


def test_the_engine_gets_the_caller_s_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_CLIENT_ID", "me")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    script = 'echo "{\\"me\\": \\"$AZURE_CLIENT_ID\\", \\"no\\": \\"$PYTHONDONTWRITEBYTECODE\\", \\"to\\": \\"$PYTHONPYCACHEPREFIX\\"}"'
    assert engine(tmp_path, script, monkeypatch).outputs() == {"me": "me", "no": "", "to": f"{tmp_path}/converge/bytecode"}
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "/elsewhere")
    assert engine(tmp_path, script, monkeypatch).outputs()["to"] == "/elsewhere"


def test_no_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeliveryError, match=r"^there is no `pulumi` on PATH; install it"):
        Engine(tmp_path, "dev")


class _InterruptedError(BaseException):
    pass


def test_an_interrupted_update_ends_in_order_before_anything_else_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The engine is told once, with SIGINT, and takes the time that it needs to write its state."""

    def interrupt(_number: int, _frame: object) -> None:
        raise _InterruptedError

    started, ended = tmp_path / "started", tmp_path / "ended"
    ending = f"trap 'echo x >> {tmp_path}/told; sleep 0.5; touch {ended}; exit 1' INT"
    script = f"{ending}\necho $$ > {started}.new; mv {started}.new {started}\nwhile true; do sleep 0.05; done"

    def send() -> None:
        while not started.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    waiting = engine(tmp_path, script, monkeypatch)
    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        threading.Thread(target=send, daemon=True).start()
        with pytest.raises(_InterruptedError):
            waiting.update(silent, silent)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert ended.exists()
    assert (tmp_path / "told").read_text() == "x\n"
    assert not psutil.pid_exists(int(started.read_text()))


def test_an_interruption_while_the_engine_is_being_started_reaches_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(_number: int, _frame: object) -> None:
        raise _InterruptedError

    class Interrupted(subprocess.Popen[bytes]):
        """One that is interrupted before anybody knows of it."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            signal.raise_signal(signal.SIGINT)
            started.append(self.pid)

    started: list[int] = []
    waiting = engine(tmp_path, "exec sleep 60", monkeypatch)
    monkeypatch.setattr("subprocess.Popen", Interrupted)
    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(_InterruptedError):
            waiting.update(silent, silent)
        assert signal.getsignal(signal.SIGINT) is interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
    assert started
    assert not psutil.pid_exists(started[0])


def test_a_long_silence_says_what_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("delivery.deploy.watch._SILENCE_SECONDS", 0.15)
    begun = about("resourcePreEvent", "update")
    status = said(
        "info#err", "Waiting for app ReplicaSet to be available (0/1 Pods available)", ephemeral=True, urn=begun["resourcePreEvent"]["metadata"]["urn"]
    )
    lines: list[str] = []
    engine(tmp_path, f"{written(begun)}sleep 0.4; echo '{json.dumps(status)}' >> \"$log\"; sleep 0.4", monkeypatch).update(silent, lines.append)
    assert lines[0] == "    still at work on kubernetes:apps/v1:Deployment digits-deployment"
    assert lines[-1] == f"{lines[0]}: Waiting for app ReplicaSet to be available (0/1 Pods available)"
