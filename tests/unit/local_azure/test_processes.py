import json
import os
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from local_azure.errors import LocalAzureError
from local_azure.processes import Service, Supervisor, run, write_if_changed
from local_azure.sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox.of(tmp_path / "checkout", {"HOME": str(tmp_path)})
    made.create()
    return made


def sleeper(name: str = "sleeper", **more: object) -> Service:
    return Service(name=name, command=[sys.executable, "-c", "import time; time.sleep(60)"], healthy=lambda: None, **more)  # pyright: ignore[reportArgumentType]


def test_a_service_is_found_again_by_a_later_command_and_started_only_once(sandbox: Sandbox):
    Supervisor(sandbox).start(sleeper())
    process = Supervisor(sandbox).process("sleeper")
    assert process is not None
    Supervisor(sandbox).start(sleeper())
    again = Supervisor(sandbox).process("sleeper")
    assert again is not None
    assert again.pid == process.pid
    Supervisor(sandbox).stop(["sleeper"])
    assert Supervisor(sandbox).process("sleeper") is None


def test_a_killed_service_is_started_again(sandbox: Sandbox):
    supervisor = Supervisor(sandbox)
    supervisor.start(sleeper())
    process = supervisor.process("sleeper")
    assert process is not None
    process.kill()
    process.wait(5)
    assert supervisor.process("sleeper") is None
    supervisor.start(sleeper())
    assert supervisor.process("sleeper") is not None
    supervisor.stop(["sleeper"])


def test_a_process_id_that_somebody_else_has_now_is_not_ours(sandbox: Sandbox):
    record = {"pid": os.getpid(), "created": psutil.Process().create_time() - 100}
    (sandbox.folder / "pids" / "sleeper.json").write_text(json.dumps(record))
    assert Supervisor(sandbox).process("sleeper") is None


@pytest.mark.parametrize("content", ["", "{", "{}", '{"pid": 1}', "[]"])
def test_a_broken_pid_file_means_not_running(sandbox: Sandbox, content: str):
    (sandbox.folder / "pids" / "sleeper.json").write_text(content)
    assert Supervisor(sandbox).process("sleeper") is None


def test_a_service_that_ends_at_once_is_reported_with_the_end_of_its_log(sandbox: Sandbox):
    service = Service(name="broken", command=[sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"], healthy=lambda: "no answer", within=20)
    with pytest.raises(LocalAzureError) as caught:
        Supervisor(sandbox).start(service)
    assert "the broken service ended right after its start" in str(caught.value)
    assert str(sandbox.log("broken")) in str(caught.value)
    assert "no such thing" in str(caught.value)


def test_a_service_that_ends_is_not_healthy_because_something_else_answers(sandbox: Sandbox):
    """As the API server does for a node whose kubelet has just been killed."""
    ended = Service(name="stale", command=[sys.executable, "-c", "raise SystemExit(3)"], healthy=lambda: time.sleep(1))
    with pytest.raises(LocalAzureError, match="the stale service ended right after its start"):
        Supervisor(sandbox).start(ended)


def test_a_service_that_ends_while_it_is_looked_at_is_started_again(sandbox: Sandbox):
    supervisor = Supervisor(sandbox)
    supervisor.start(sleeper())
    first = supervisor.process("sleeper")
    assert first is not None

    def healthy() -> str | None:
        if first.is_running():
            first.kill()
            first.wait(5)
            return "no answer"
        return None

    supervisor.start(Service(name="sleeper", command=sleeper().command, healthy=healthy))
    second = supervisor.process("sleeper")
    assert second is not None
    assert second.pid != first.pid
    supervisor.stop(["sleeper"])


def test_a_service_that_never_answers_is_reported_with_the_reason(sandbox: Sandbox):
    with pytest.raises(LocalAzureError, match=r"did not get healthy within 0 s \(HTTP 503\)"):
        Supervisor(sandbox).start(Service(name="silent", command=[sys.executable, "-c", "import time; time.sleep(60)"], healthy=lambda: "HTTP 503", within=0.3))
    Supervisor(sandbox).stop(["silent"])


def test_a_service_that_ignores_the_request_to_stop_is_killed(sandbox: Sandbox):
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    log = sandbox.log("stubborn")
    ready = lambda: None if log.exists() and "deaf" in log.read_text() else "not yet"  # noqa: E731
    supervisor = Supervisor(sandbox)
    supervisor.start(Service(name="stubborn", command=[sys.executable, "-c", stubborn], healthy=ready))
    process = supervisor.process("stubborn")
    assert process is not None
    supervisor.stop(["stubborn"], within=0.5)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_port_in_use_names_who_holds_it_and_how_to_choose_another(sandbox: Sandbox):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(LocalAzureError) as caught:
            Supervisor(sandbox).check_port(sleeper(name="blob", port=port))
    assert f"port {port}, which the blob service needs, is in use by" in str(caught.value)
    assert f"(process {os.getpid()})" in str(caught.value)
    assert "CONVERGE_LOCAL_PORT_BASE" in str(caught.value)


def test_our_own_running_service_may_hold_its_port(sandbox: Sandbox):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        service = sleeper(port=holder.getsockname()[1])
        Supervisor(sandbox).start(service)
        Supervisor(sandbox).check_port(service)
        Supervisor(sandbox).stop(["sleeper"])


def test_a_failed_command_names_what_was_done_the_log_and_its_end(sandbox: Sandbox):
    log = sandbox.log("build-thing")
    with pytest.raises(LocalAzureError) as caught:
        run([sys.executable, "-c", "print('disk full'); raise SystemExit(7)"], log=log, what="building thing")
    assert str(caught.value) == f"building thing failed (exit code 7); its log is {log} and ends with:\n    disk full"


def test_a_program_that_is_missing_is_named(sandbox: Sandbox):
    with pytest.raises(LocalAzureError, match="building thing needs the program 'no-such-program', which is not on PATH"):
        run(["no-such-program"], log=sandbox.log("x"), what="building thing")


def test_stopping_does_not_wait_for_what_is_not_there(sandbox: Sandbox):
    started = time.monotonic()
    Supervisor(sandbox).stop(["nothing"])
    assert time.monotonic() - started < 5


def test_a_configuration_that_stays_the_same_is_not_touched(tmp_path: Path):
    """kube-proxy ends when its file is written, and no Service follows a roll-out any more."""
    path = tmp_path / "configuration.json"
    write_if_changed(path, "one")
    os.utime(path, (0, 0))
    write_if_changed(path, "one")
    assert path.stat().st_mtime == 0
    write_if_changed(path, "other")
    assert path.read_text() == "other"
