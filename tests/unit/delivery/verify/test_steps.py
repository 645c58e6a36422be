"""The order of the run, and that it always ends with destroying, with commands that only pretend."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from delivery.azure.errors import AzureError
from delivery.verify import smoke
from delivery.verify.machine import Shell
from delivery.verify.steps import Verification
from tests.unit.delivery.fake_azure import FakeAzure

_REGISTRY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"
_ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
_CONTAINER = f"{_ACCOUNT}/blobServices/default/containers/models"
_GRANT = f"{_REGISTRY}/providers/Microsoft.Authorization/roleAssignments/1"
_ROLE = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/8311e382-0749-4cb8-b61a-304f252e45ec"
_STATE = {
    "deployment": {
        "resources": [
            {"type": "pulumi:pulumi:Stack"},
            {"type": "azure-native:containerregistry:Registry", "id": _REGISTRY},
            {"type": "azure-native:storage:StorageAccount", "id": _ACCOUNT},
            {"type": "azure-native:storage:BlobContainer", "id": _CONTAINER},
            {"type": "azure-native:authorization:RoleAssignment", "id": _GRANT, "inputs": {"principalId": "p", "roleDefinitionId": _ROLE}},
        ]
    }
}
_SERVICE = {"namespace": "digits", "service": "digits", "port": 80, "model": {"name": "digits", "version": 1}}
_OUTPUTS = {"storageAccount": "a", "modelStore": "https://a/models", "resourceGroup": "g", "cluster": "c", "services": {"digits": _SERVICE}}
_ORDER = [
    "converge doctor",
    "pulumi up",
    "az role",
    "train",
    "converge model publish",
    "converge model promote",
    "pulumi up",
    "az aks",
    "kubelogin",
    "predict",
    "pulumi preview",
    "pulumi refresh",
    "pulumi preview",
    "pulumi state",
    "pulumi destroy",
    "az group",
    "pulumi stack rm",
]
_MADE = _ORDER.index("pulumi state")


class Pretending:
    """Answers like the programs; fails, or is interrupted, at the n-th command of a name."""

    def __init__(self, fails_at: int | None = None, error: BaseException | None = None, times: int = 1) -> None:
        self.done: list[str] = []
        self._fails_at = fails_at
        self._error = error or AzureError("it failed")
        self._times = times

    def note(self, name: str) -> None:
        self.done.append(name)
        if self._fails_at is not None and len(self.done) - 1 == self._fails_at and self._times:
            self._times -= 1
            if self._times:
                self._fails_at += 1
            raise self._error

    def run(self, *command: str) -> str:
        name = self._name(command)
        if name in ("pulumi stack output", "pulumi stack export"):
            return json.dumps(_OUTPUTS if name.endswith("output") else _STATE)
        self.note(name)
        return "[]" if name == "az group" else ""

    def predict(self, _service: Mapping[str, Any], _golden: Path, _kubeconfig: Path) -> str:
        self.note("predict")
        return "fine"

    @staticmethod
    def _name(command: tuple[str, ...]) -> str:
        if "training.train" in command:
            return "train"
        if "cli" in command:
            return " ".join(["converge", *command[3 : 5 if command[3] == "model" else 4]])
        words = 3 if command[:2] == ("pulumi", "stack") else 1 if command[0] == "kubelogin" else 2
        return " ".join(command[:words])


def healthy() -> FakeAzure:
    azure = FakeAzure()
    for holder in (_REGISTRY, _ACCOUNT):
        azure.set(f"{holder}/providers/Microsoft.Authorization/locks", {"value": [{"properties": {"level": "CanNotDelete"}}]})
    azure.set(_GRANT, {"properties": {"principalId": "P", "roleDefinitionId": _ROLE.upper()}})
    return azure


def verification(machine: Pretending, tmp_path: Path, azure: FakeAzure | None = None, say: Callable[[str], None] = lambda _line: None) -> Verification:
    who = {"principalId": "me", "principalType": "User"}
    return Verification(
        machine=machine,
        arm=(azure or healthy()).arm,
        folder=tmp_path,
        python="python",
        publisher=who,
        smoke=machine.predict,
        say=say,
        sleep=lambda _seconds: None,
    )


def test_everything_in_its_order(tmp_path: Path):
    machine = Pretending()
    verification(machine, tmp_path).run()
    assert machine.done == _ORDER


def test_where_the_doctor_refuses_nothing_is_made_or_destroyed(tmp_path: Path):
    machine = Pretending(fails_at=0)
    with pytest.raises(AzureError, match="it failed"):
        verification(machine, tmp_path).run()
    assert machine.done == ["converge doctor"]


@pytest.mark.parametrize("step", [number for number in range(1, _MADE) if _ORDER[number] != "converge model publish"])
def test_whatever_fails_all_of_it_is_destroyed(tmp_path: Path, step: int):
    machine = Pretending(fails_at=step)
    with pytest.raises(AzureError, match="it failed"):
        verification(machine, tmp_path).run()
    assert machine.done == [*_ORDER[: step + 1], *_ORDER[_MADE:]]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(1), ValueError("a mistake of ours")])
def test_an_interruption_destroys_too(tmp_path: Path, interruption: BaseException):
    machine = Pretending(fails_at=6, error=interruption)
    with pytest.raises(type(interruption)):
        verification(machine, tmp_path).run()
    assert machine.done[-4:] == _ORDER[_MADE:]


def test_publishing_waits_for_the_grant(tmp_path: Path):
    machine = Pretending(fails_at=4, times=3)
    verification(machine, tmp_path).run()
    assert machine.done.count("converge model publish") == 4


def test_what_azure_frees_late_is_destroyed_by_a_second_attempt(tmp_path: Path):
    machine = Pretending(fails_at=_MADE + 1)
    verification(machine, tmp_path).run()
    assert machine.done.count("pulumi destroy") == 2
    assert machine.done[-1] == "pulumi stack rm"


def test_what_could_not_be_destroyed_is_told_loudly(tmp_path: Path):
    said: list[str] = []
    machine = Pretending(fails_at=_MADE + 1, times=2)
    with pytest.raises(AzureError, match="NOT EVERYTHING IS DESTROYED, AND IT COSTS MONEY: it failed"):
        verification(machine, tmp_path, say=said.append).run()
    assert any("--destroy" in line for line in said)


def test_both_failures_are_told(tmp_path: Path):
    class Twice(Pretending):
        def note(self, name: str) -> None:
            self.done.append(name)
            if name in ("pulumi up", "pulumi destroy"):
                raise AzureError(f"{name} failed")

    with pytest.raises(AzureError) as raised:
        verification(Twice(), tmp_path).run()
    assert str(raised.value).startswith("pulumi up failed\nNOT EVERYTHING IS DESTROYED")


def test_a_group_that_is_left_is_a_failure(tmp_path: Path):
    class Left(Pretending):
        def run(self, *command: str) -> str:
            answer = super().run(*command)
            return '[{"name": "converge-models-group1"}]' if command[:2] == ("az", "group") else answer

    with pytest.raises(AzureError, match="resource groups are left: converge-models-group1"):
        verification(Left(), tmp_path).run()


def test_only_destroying(tmp_path: Path):
    machine = Pretending()
    verification(machine, tmp_path).destroy_only()
    assert machine.done == _ORDER[_MADE:]


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        (f"{_REGISTRY}/providers/Microsoft.Authorization/locks", {"value": []}, "registries/r has no lock against deletion (found: none)"),
        (f"{_ACCOUNT}/providers/Microsoft.Authorization/locks", {"value": [{"properties": {"level": "ReadOnly"}}]}, "(found: ReadOnly)"),
        (_GRANT, None, "is not in Azure"),
        (_GRANT, {"properties": {"principalId": "q", "roleDefinitionId": _ROLE}}, "principalId is q, wanted is p"),
    ],
)
def test_a_lock_or_grant_that_is_not_there_fails_the_run_and_destroys(tmp_path: Path, path: str, answer: Any, words: str):
    azure = healthy()
    azure.set(path, answer)
    machine = Pretending()
    with pytest.raises(AzureError) as raised:
        verification(machine, tmp_path, azure).run()
    assert words in str(raised.value)
    assert machine.done == _ORDER


def test_a_real_command_is_logged_and_its_failure_told_by_its_end(tmp_path: Path):
    shell = Shell(folder=tmp_path, log=tmp_path / "log", variables={"WORD": "hello"})
    assert shell.run("sh", "-c", "echo $WORD") == "hello\n"
    with pytest.raises(AzureError, match=r"`sh -c .+` failed \(all of it is in .+/log\):\n    no"):
        shell.run("sh", "-c", "echo no >&2; exit 3")
    with pytest.raises(AzureError, match="no-such-program is not on PATH"):
        shell.run("no-such-program")
    assert "hello" in (tmp_path / "log").read_text()


def test_an_answer_is_the_models_or_none():
    expected = [{"name": "label", "data": [7]}, {"name": "probabilities", "data": [0.5, 0.25]}]
    answer = {"model_version": "1", "outputs": [{"name": "label", "data": [7]}, {"name": "probabilities", "data": [0.50001, 0.25]}]}
    smoke.compare(answer, expected, "1")
    for changed, words in (
        ({**answer, "model_version": "2"}, "version 2 of the model answers, deployed is 1"),
        ({**answer, "outputs": [{"name": "label", "data": [8]}]}, r"output label is \[8\], the golden request demands \[7\]"),
        ({**answer, "outputs": []}, r"output label is \[\]"),
    ):
        with pytest.raises(AzureError, match=words):
            smoke.compare(changed, expected, "1")


def test_a_prediction_goes_through_a_forwarded_port_and_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "golden.json").write_text(json.dumps({"cases": [{"inputs": [], "outputs": []}]}))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'error: pods is forbidden'\nexit 1\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(AzureError, match="kubectl port-forward gives no port: error: pods is forbidden"):
        smoke.predict(_SERVICE, tmp_path / "golden.json", tmp_path / "kubeconfig")
    kubectl.write_text("#!/bin/sh\necho 'Forwarding from 127.0.0.1:9 -> 8080'\nexec sleep 30\n")
    with pytest.raises(AzureError, match="the service digits does not answer a prediction"):
        smoke.predict(_SERVICE, tmp_path / "golden.json", tmp_path / "kubeconfig")
