"""From resources, lock and settings to the sections of a report."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from delivery.plan.added import with_sections
from delivery.plan.before import NOTHING, Before
from delivery.plan.sections import Pods
from local_azure.progress import Progress
from model_store import Lock, LockedService, ModelStoreError
from model_store.documents import to_json
from tests.unit.delivery.plan.reports import locked, report

IMAGE = f"sha256:{'d' * 64}"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CONVERGE_MODEL_STORE", raising=False)
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  converge:services: [{name: digits}, {name: letters}]\n")
    return tmp_path


def write_lock(checkout: Path, **services: LockedService) -> None:
    (checkout / "locks").mkdir(exist_ok=True)
    (checkout / "locks" / "dev.json").write_bytes(to_json(Lock(services=services)))


def meant(checkout: Path, before: Before | None):
    with Progress(Console(file=io.StringIO())) as progress:
        return with_sections(report(), checkout, before, progress)


def test_a_stack_from_nothing_has_first_models_and_no_history(checkout: Path):
    write_lock(checkout, digits=locked(image=IMAGE), elsewhere=locked())
    found = meant(checkout, NOTHING)
    assert [(model.service, model.before) for model in found.models] == [("digits", None)]
    assert [(roll.service, roll.pods) for roll in found.rolls] == [("digits", Pods.STAY)]
    assert [(pin.service, pin.new) for pin in found.pins] == [("digits", True)]
    assert found.apps == ()


def test_what_nobody_knows_is_not_told(checkout: Path):
    write_lock(checkout, digits=locked(2))
    found = meant(checkout, None)
    assert (found.models, found.apps) == ((), ())
    assert found.rolls


def test_a_service_that_is_taken_away(checkout: Path):
    write_lock(checkout, digits=locked())
    found = meant(checkout, Before(label="x", commit=None, locked={"digits": locked(), "letters": locked(5)}))
    assert [(model.service, model.after) for model in found.models] == [("letters", None)]


def test_a_stack_without_a_lock_and_one_that_cannot_be_read(checkout: Path):
    assert meant(checkout, NOTHING).models == ()
    (checkout / "locks").mkdir()
    (checkout / "locks" / "dev.json").write_text("{")
    with pytest.raises(ModelStoreError, match=r"locks/dev\.json: not valid JSON"):
        meant(checkout, NOTHING)
