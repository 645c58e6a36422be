import json
import os
from pathlib import Path

import pytest

from local_azure.engine import installed_pulumi, repair_state
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


def test_the_lock_of_a_living_engine_is_respected(state: Path):
    path = lock(state, json.dumps({"pid": os.getpid()}))
    with pytest.raises(LocalAzureError, match=rf"another Pulumi run \(process {os.getpid()}\) is at work on the sandbox's state"):
        repair_state(state)
    assert path.exists()


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
