from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.promotion.rules import StackRules
from model_store import LockedService
from model_store.gates import Gate
from tests.unit.delivery.release.moving import project, services
from tests.unit.delivery.release.releases import model

_PROOF = Gate("golden requests", passed=True, compared="golden requests: 4 of 4 answered within tolerance")


def rules(folder: Path, **settings: object) -> StackRules:
    found = StackRules.beside(project(folder, dev=settings) / "locks" / "dev.json", "dev")
    assert found is not None
    return found


def test_settings_lie_beside_the_folder_of_the_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path, dev={})
    assert StackRules.beside(tmp_path / "locks" / "prod.json", "prod") is None
    assert StackRules.beside(tmp_path / "elsewhere" / "locks" / "dev.json", "dev") is None
    monkeypatch.chdir(tmp_path)
    found = StackRules.beside(Path("locks/dev.json"), "dev")
    assert found is not None
    assert found.root == tmp_path


def test_settings_that_are_wrong_are_told(tmp_path: Path):
    with pytest.raises(DeliveryError, match=r"converge:delivery\.gates\[0\]\.mayWorsenBy: was -1; allowed is a number from 0"):
        rules(tmp_path, delivery={"gates": [{"name": "accuracy", "mayWorsenBy": -1}]})


def test_every_gate_in_the_order_of_the_settings(tmp_path: Path):
    made = rules(tmp_path, delivery={"gates": [{"name": "loss", "better": "lower"}, {"name": "accuracy"}], "reasonRequired": True})
    report = made.judge("digits", model(1), LockedService(model=model(2)), [_PROOF], "newer")
    assert [(gate.name, gate.passed) for gate in report.gates] == [
        ("loss", False),
        ("accuracy", True),
        ("contract", True),
        ("golden requests", True),
        ("reason", True),
    ]


def test_a_stack_that_asks_for_nothing_asks_for_contract_and_golden_requests(tmp_path: Path):
    report = rules(tmp_path).judge("digits", None, LockedService(model=model(2)), [_PROOF], "")
    assert [str(gate) for gate in report.gates] == ["contract: digits v2 has what app_template needs: passes", str(_PROOF)]
    assert report.passed


def test_the_contract_is_the_one_of_the_service_s_own_app(tmp_path: Path):
    made = rules(tmp_path, services=[*services("digits"), {"name": "reader", "app": "apps/reader", "model": "digits"}])
    after = LockedService(model=model(2))
    assert made.misfits("digits", after) == []
    # An app that is missing is a problem of its own service only.
    assert made.misfits("reader", after) == [f"the folder {tmp_path}/apps/reader of service reader has no app/contract.json"]
    app = tmp_path / "apps" / "reader"
    (app / "app").mkdir(parents=True)
    (app / "Dockerfile").write_text("FROM scratch\n")
    (app / "app" / "contract.json").write_text('{"inputs": [], "outputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}]}')
    problems = made.misfits("reader", after)
    assert [problem.partition(" (app: ")[0] for problem in problems] == [
        "reader: model digits version 2 does not fit the app: the model needs input image FP32 [-1, 64], the app does not send it",
        "reader: model digits version 2 does not fit the app: the app needs output text BYTES [-1], the model has label INT64 [-1]",
    ]
    assert made.misfits("reader", LockedService(model=model(2), image=f"sha256:{'e' * 64}")) == []


def test_the_key_of_the_right_service_is_named(tmp_path: Path):
    made = rules(tmp_path, services=[*services("digits"), {"name": "reader", "model": "letters"}])
    (problem,) = made.misfits("reader", LockedService(model=model(2)))
    assert problem.startswith("converge:services[1].model: is 'letters', but ")


def test_a_service_that_the_stack_does_not_have(tmp_path: Path):
    with pytest.raises(DeliveryError) as error:
        rules(tmp_path).service("reader")
    assert str(error.value) == "stack dev has no service 'reader', only digits; name one with --service, or add it to Pulumi.dev.yaml first"
