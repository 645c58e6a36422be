import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pulumi import automation
from pulumi.automation.events import DiagnosticEvent

from local_azure.engine import Diagnostics, installed_pulumi, repair_state
from local_azure.errors import LocalAzureError
from local_azure.sandbox import MARKER

_NO_PROCESS = 2**22 + 1
"""Above the kernel's highest process id."""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    stacks = tmp_path / ".pulumi" / "stacks" / "converge"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text('{"version": 3}')
    (stacks / "local.json.bak").write_text('{"version": 2}')
    return tmp_path


def checkpoint(state: Path) -> Path:
    return state / ".pulumi" / "stacks" / "converge" / "local.json"


def lock(state: Path, content: str) -> Path:
    path = state / ".pulumi" / "locks" / "organization" / "converge" / "local" / "1.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    return path


def test_a_whole_checkpoint_stays_as_it_is(state: Path):
    repair_state(state)
    assert json.loads(checkpoint(state).read_text()) == {"version": 3}


@pytest.mark.parametrize("torn", ["", '{"version": 3, "check'])
def test_a_torn_checkpoint_is_taken_back_to_the_one_before(state: Path, torn: str):
    checkpoint(state).write_text(torn)
    repair_state(state)
    assert json.loads(checkpoint(state).read_text()) == {"version": 2}


def test_torn_attributes_are_removed_and_whole_ones_kept(state: Path):
    torn = checkpoint(state).with_name("local.json.attrs")
    whole = checkpoint(state).with_name("local.json.bak.attrs")
    torn.write_text("")
    whole.write_text('{"user.content_type": "application/json"}')
    repair_state(state)
    assert not torn.exists()
    assert whole.exists()


@pytest.mark.parametrize("content", ["", json.dumps({"pid": _NO_PROCESS})])
def test_the_lock_of_a_killed_engine_is_removed(state: Path, content: str):
    path = lock(state, content)
    repair_state(state)
    assert not path.exists()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a process with a name of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        shutil.copy(shutil.which("sleep") or "sleep", tmp_path / name)
        started.append(subprocess.Popen([tmp_path / name, "60"]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_the_lock_of_a_living_engine_is_respected(state: Path, program: Callable[[str], subprocess.Popen[bytes]]):
    engine = program("pulumi")
    path = lock(state, json.dumps({"pid": engine.pid}))
    with pytest.raises(LocalAzureError, match=rf"another Pulumi run \(process {engine.pid}\) is at work on the sandbox's state"):
        repair_state(state)
    assert path.exists()


def test_the_lock_of_a_killed_engine_that_nobody_has_waited_for_is_removed(state: Path, program: Callable[[str], subprocess.Popen[bytes]]):
    engine = program("pulumi")
    engine.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, engine.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.pid_exists(engine.pid)
    path = lock(state, json.dumps({"pid": engine.pid}))
    repair_state(state)
    assert not path.exists()


def test_a_process_id_that_another_program_has_by_now_locks_nothing(state: Path, program: Callable[[str], subprocess.Popen[bytes]]):
    path = lock(state, json.dumps({"pid": program("editor").pid}))
    repair_state(state)
    assert not path.exists()


def test_a_state_that_does_not_exist_yet_needs_no_repair(tmp_path: Path):
    repair_state(tmp_path)


def programs(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("pulumi", "pulumi-language-python"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_pulumi_on_path_is_found_unless_it_is_a_sandboxs_own(tmp_path: Path):
    machine, sandbox = programs(tmp_path / "usr" / "bin"), programs(tmp_path / "sandbox" / "pulumi-home" / "bin")
    (tmp_path / "sandbox" / MARKER).touch()
    assert installed_pulumi({"PATH": f"{sandbox}:{machine}"}) == machine
    assert installed_pulumi({"PATH": str(sandbox)}) is None
    assert installed_pulumi({}) is None


def test_a_pulumi_without_its_language_host_is_not_used(tmp_path: Path):
    (programs(tmp_path / "bin") / "pulumi-language-python").unlink()
    assert installed_pulumi({"PATH": str(tmp_path / "bin")}) is None


def error(message: str) -> automation.EngineEvent:
    return automation.EngineEvent(0, 0, diagnostic_event=DiagnosticEvent(message=message, color="never", severity="error"))


def test_an_error_is_told_once_and_without_colour():
    diagnostics = Diagnostics()
    for message in ("<{%reset%}>broken<{%reset%}>\n", "\x1b[31mbroken\x1b[0m", "update failed"):
        diagnostics.collect(error(message))
    assert diagnostics.message() == "broken"


@pytest.mark.parametrize("prefix", ["+  docker-build:index:Image one creating (3s) ", "~  docker-build:index:Image one updating (12s) [diff: ~labels,tags]; "])
@pytest.mark.parametrize("shell", ["", 'eval \\"$0\\" || { sleep 1; exit 1; } '])
def test_a_failed_build_step_is_told_by_what_it_printed(prefix: str, shell: str):
    diagnostics = Diagnostics()
    for line in (
        "#5 [model 2/2] RUN --mount=type=secret,id=model_url python3 /build/fetch_model.py --model digits",
        "#6 [dependencies 2/2] RUN python3 -m venv /srv/venv",
        "#5 0.18 attempt 2",
        "#6 0.20 beside it",
        "#5 1.18 error: model.onnx: expected sha256 aaa, got bbb (20992 bytes)",
        "#6 CANCELED",
    ):
        diagnostics.read(f" {prefix}{line}")
        diagnostics.read(" ~  kubernetes:apps/v1:Deployment digits updating (3s) something else")
    command = f'{shell}python3 /build/fetch_model.py --model \\"${{MODEL}}\\"'
    diagnostics.collect(error(f'failed to solve: process "/bin/sh -c {command}" did not complete successfully: exit code: 1'))
    assert diagnostics.message() == (
        "the image was not built, because the step [model 2/2] failed:\n    attempt 2\n    error: model.onnx: expected sha256 aaa, got bbb (20992 bytes)"
    )


def test_signs_that_lists_have_may_also_stand_in_a_command():
    diagnostics = Diagnostics()
    for line in (
        "#10 [application 1/1] RUN --mount=type=bind,source=app     python -m compileall -q /out  && chmod -R u=rwX,go=rX /out-* && find [a-z]* {} +",
        "#10 0.262 SyntaxError: invalid syntax",
    ):
        diagnostics.read(f" ~  docker-build:index:Image one updating (0s) [diff: ~context]; {line}")
    diagnostics.collect(
        error(
            'failed to solve: process "/bin/sh -c eval \\"$0\\" || { sleep 1; exit 1; } python -m compileall -q /out  && chmod -R u=rwX,go=rX /out-* '
            '&& find [a-z]* {} +" did not complete successfully: exit code: 1'
        )
    )
    assert diagnostics.message() == "the image was not built, because the step [application 1/1] failed:\n    SyntaxError: invalid syntax"


def test_a_failed_step_without_a_shell_is_told_by_what_it_printed():
    diagnostics = Diagnostics()
    for line in (
        '#20 [test 2/2] RUN --mount=type=bind,source=tests ["/srv/venv/bin/python", "/build/check_image.py", "/test-packages", "tests/image"]',
        "#20 1.18 FAILED tests/image/test_golden.py::test_golden_requests",
    ):
        diagnostics.read(f" +  docker-build:index:Image one creating (3s) {line}")
    diagnostics.collect(
        error('failed to solve: process "/srv/venv/bin/python /build/check_image.py /test-packages tests/image" did not complete successfully: exit code: 1')
    )
    assert diagnostics.message() == (
        "the image was not built, because the step [test 2/2] failed:\n    FAILED tests/image/test_golden.py::test_golden_requests"
    )


def test_a_failed_build_without_output_keeps_its_error():
    diagnostics = Diagnostics()
    diagnostics.collect(error('failed to solve: process "/bin/false" did not complete successfully: exit code: 1'))
    assert diagnostics.message() == 'failed to solve: process "/bin/false" did not complete successfully: exit code: 1'
