"""The order of a bootstrap, and where its state is in each case. The engine's part is tested with the engine in tests/plan."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from delivery.azure.errors import AzureError
from delivery.bootstrap import run
from delivery.bootstrap.engine import Backend, Step
from delivery.bootstrap.report import next_lines, plan
from tests.unit.delivery.bootstrap.test_wanted import _GROUP, _SUBSCRIPTION, made

_STEP = Step(operation="create", kind="resources:ResourceGroup", name="state-group")
_OUTPUTS = {"planClientId": "plan-client", "deployClientId": "deploy-client", "deployPrincipalId": "deploy-principal"}
_URL = made().backend_url


class Engine:
    """Bootstrap's stack; what happened is kept for all of them in one list."""

    log: list[str]
    steps: Sequence[Step]
    loses = 0

    def __init__(self, _wanted: Any, backend: Backend) -> None:
        self.backend = backend
        self.where = "container" if backend.url == _URL else "local"
        self.log.append(f"open {self.where}")

    def plan(self, _exists: Any) -> tuple[Sequence[Step], list[str]]:
        return self.steps, ["/one"] if self.where == "container" else []

    def update(self, on_step: Callable[[Step], None]) -> dict[str, str]:
        self.log.append(f"update {self.where}")
        on_step(_STEP)
        return _OUTPUTS

    def outputs(self) -> dict[str, str]:
        return _OUTPUTS

    def resources(self) -> int:
        return 30 - (self.loses if self.where == "container" else 0)

    def export(self) -> str:
        return "state"

    def replace_state(self, state: str) -> None:
        self.log.append(f"import {state} into {self.where}")


class Container:
    def __init__(self, log: list[str]) -> None:
        self._log = log

    def wait_until_open(self, say: Callable[[str], None]) -> None:
        say("waiting")
        self._log.append("container open")

    def expect_open(self) -> None:
        self._log.append("container is open")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(run, "Bootstrap", Engine)
    Engine.log, Engine.steps, Engine.loses = [], [_STEP], 0
    return Engine.log


def go(tmp_path: Path, log: list[str], *, container_exists: bool = False, answer: bool = True) -> tuple[dict[str, str] | None, list[str]]:
    said: list[str] = []
    places = run.Places.of(made(), {"XDG_STATE_HOME": str(tmp_path)})
    asked = run.Asked(say=said.append, confirm=lambda _steps: answer)
    return run.run(made(), places, lambda identifier, _version: container_exists and identifier.endswith("/containers/state"), Container(log), asked), said


def local_state(tmp_path: Path) -> Path:
    return tmp_path / "converge" / "bootstrap" / _SUBSCRIPTION / "dev" / "state"


def test_the_first_time_the_state_begins_here_and_moves(tmp_path: Path, log: list[str]):
    outputs, said = go(tmp_path, log)
    assert outputs == _OUTPUTS
    assert log == ["open local", "update local", "container open", "open container", "import state into container"]
    assert said[-1] == f"  bootstrap's own state has moved to {_URL}"
    assert not local_state(tmp_path).exists()


def test_afterwards_it_is_in_the_container(tmp_path: Path, log: list[str]):
    Engine.steps = []
    outputs, said = go(tmp_path, log, container_exists=True)
    assert outputs == _OUTPUTS
    assert log == ["container is open", "open container"]
    assert "  1 resources are there already and belong to bootstrap's state from now on" in said


def test_a_state_that_was_left_here_knows_more_than_an_empty_container(tmp_path: Path, log: list[str]):
    left = local_state(tmp_path) / ".pulumi" / "stacks" / "converge-bootstrap"
    left.mkdir(parents=True)
    (left / "dev.json").write_text('{"version": 3}')
    go(tmp_path, log, container_exists=True)
    assert log[0] == "open local"
    assert log[-1] == "import state into container"


def test_no_means_no(tmp_path: Path, log: list[str]):
    outputs, _ = go(tmp_path, log, answer=False)
    assert outputs is None
    assert log == ["open local"]


def test_a_state_that_does_not_arrive_whole_stays_here(tmp_path: Path, log: list[str]):
    Engine.loses = 3
    with pytest.raises(AzureError, match="27 of 30 resources arrived"):
        go(tmp_path, log)
    assert local_state(tmp_path).exists()


def test_what_is_printed_can_be_copied():
    lines = next_lines(made(bootstrap__operators=_GROUP), _OUTPUTS)
    assert "  gh variable set AZURE_PLAN_CLIENT_ID_DEV --body plan-client" in lines
    assert "  gh variable set AZURE_DEPLOY_CLIENT_ID_DEV --body deploy-client" in lines
    assert "      ARM_CLIENT_ID: ${{ vars.AZURE_DEPLOY_CLIENT_ID_DEV }}" in lines
    assert f"  az ad group member add --group {_GROUP['principalId']} --member-id deploy-principal" in lines
    assert lines[-3:] == [
        f"  pulumi login '{_URL}'",
        f"  pulumi stack init dev --secrets-provider '{made().secrets_provider}'",
        "  converge doctor dev",
    ]
    assert not any("az ad group" in line for line in next_lines(made(), _OUTPUTS))


def test_azure_pipelines_get_their_own_lines():
    connection = {"issuer": "https://issuer", "subject": "/eid1/s"}
    lines = next_lines(made(bootstrap__github="", bootstrap__azurePipelines={"plan": connection, "deploy": connection}), _OUTPUTS)
    assert any(line.startswith("  deploy: client id deploy-client, tenant ") for line in lines)
    assert not any("gh variable" in line for line in lines)


def test_the_plan_says_who_gets_in_and_from_where():
    lines = plan(made(bootstrap__allowedIpRanges=["203.0.113.0/24"]), [_STEP])
    assert lines[0] == "  create          resources:ResourceGroup                       state-group"
    assert any(line.endswith("they are reached from only 203.0.113.0/24") for line in lines)
    assert "  deploys: repo:acme/vision:environment:dev" in lines
    assert any(line.endswith("reached from every address, with a grant") for line in plan(made(), []))
    changed = Step(operation="update", kind="storage:StorageAccount", name="state-account", changes=("sku.name",))
    assert plan(made(), [changed])[0].endswith("state-account: sku.name")
