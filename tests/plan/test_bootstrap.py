"""Bootstrap under the real engine with the simulated Azure: made in two halves, moved, made again by somebody who has no state of it."""

import json
import os
import shutil
from pathlib import Path

import psutil
import pytest

from delivery.azure.errors import AzureError
from delivery.azure.login import Caller
from delivery.azure.stack_file import StackFile
from delivery.bootstrap import condition, run, simulation, wanted
from delivery.bootstrap.engine import Backend, Bootstrap, Step
from local_azure.engine import repair_state

_ROOT = Path(__file__).parents[2]
_CALLER = Caller(object_id="11111111-1111-4111-8111-111111111111", tenant_id="22222222-2222-4222-8222-222222222222", name="ada", kind="User")
_FILE = StackFile(
    stack="dev",
    path=Path("Pulumi.dev.yaml"),
    subscription_id="00000000-0000-0000-0000-000000000001",
    location="westeurope",
    values={"bootstrap:github": "acme/vision"},
)
_ALL = 24


def _resources(place: Backend) -> dict[str, dict]:
    return json.loads(_arm_file(place).read_text())["resources"]


def _arm_file(place: Backend) -> Path:
    return Path(place.variables["CONVERGE_SANDBOX"]) / "arm" / "resources.json"


def _take_away_the_lock(place: Backend) -> dict[str, dict]:
    document = json.loads(_arm_file(place).read_text())
    gone = {key: resource for key, resource in document["resources"].items() if resource["token"].endswith(":ManagementLockByScope")}
    document["resources"] = {key: resource for key, resource in document["resources"].items() if key not in gone}
    _arm_file(place).write_text(json.dumps(document))
    return gone


def _put_back(place: Backend, gone: dict[str, dict]) -> None:
    document = json.loads(_arm_file(place).read_text())
    document["resources"] |= gone
    _arm_file(place).write_text(json.dumps(document))


def _kill_the_engine() -> None:
    for child in psutil.Process(os.getpid()).children(recursive=True):
        if child.name() == "pulumi":
            child.kill()


# The engine that is killed leaves its stream of events cut off, which Pulumi's SDK tells as a warning.
@pytest.mark.filterwarnings("ignore:Error in event stream")
def test_cut_off_continued_moved_and_taken_over(tmp_path: Path):
    made = wanted.from_file(_FILE, _CALLER)
    place = simulation.backend(_ROOT, tmp_path)
    exists = simulation.exists_in(place)
    state = Path(place.url.removeprefix("file://"))

    # Killed in the middle.
    stack = Bootstrap(made, place)
    done: list[Step] = []

    def kill_in_the_middle(step: Step) -> None:
        done.append(step)
        if len(done) == 8:
            _kill_the_engine()

    with pytest.raises(AzureError):
        stack.update(kill_in_the_middle)
    there = len(_resources(place))
    assert 8 <= there < _ALL

    # Continued: of what is there, even what the dead engine had no time to write down, nothing is made twice.
    repair_state(state)
    stack = Bootstrap(made, place)
    steps, _ = stack.plan(exists)
    assert len([step for step in steps if step.operation == "create"]) == _ALL - there
    assert set(stack.update(lambda _step: None)) == {"planClientId", "deployClientId", "deployPrincipalId"}
    assert len(_resources(place)) == _ALL

    # Another run changes nothing but what was taken away by hand, such as the lock, to change a grant: that comes back.
    lock = _take_away_the_lock(place)
    assert [(step.operation, step.name) for step in stack.plan(exists)[0]] == [("create", "state-lock")]
    _put_back(place, lock)
    (limited,) = (resource["inputs"] for resource in _resources(place).values() if resource["inputs"].get("condition"))
    assert limited["condition"] == condition.text()
    assert limited["roleDefinitionId"].endswith("f58310d9-a9f6-439a-9e8d-f62e7b41a168")

    # Moved: the container is a folder here, because the simulation guards no other place. Nothing in it is secret.
    (tmp_path / "container").mkdir()
    target = Bootstrap(made, Backend(url=f"file://{tmp_path / 'container'}", work=tmp_path / "work", variables=place.variables, pulumi=place.pulumi))
    run.move(stack, target, state)
    assert not state.exists()
    assert "4dabf18193072939515e22adb298388d" not in json.dumps(target.export().deployment)

    # Somebody without that state: all of it is found and taken over, and nothing is made twice.
    shutil.rmtree(tmp_path / "work")
    state.mkdir()
    somebody = Bootstrap(made, place)
    steps, taken = somebody.plan(exists)
    assert len(taken) == _ALL
    # What was read back has defaults that Azure filled in; they become what the program says, in place.
    assert {step.operation for step in steps} <= {"update"}
    assert len(_resources(place)) == _ALL
