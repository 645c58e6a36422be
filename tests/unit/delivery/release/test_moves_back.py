from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from delivery.errors import DeliveryError
from delivery.release.moves import Move, rollback, unpin
from delivery.release.record import Outcome, Record
from model_store import Pin
from tests.unit.delivery.release.moving import Recorded, as_released, built, lock, locked, pinned_to, project, registries, services
from tests.unit.delivery.release.releases import release, service

_FIRST, _SECOND = (release(minutes, stack="prod", services=[service(version)]) for minutes, version in ((10, 1), (20, 2)))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prod runs version 2, built from a commit."""
    made = project(tmp_path, prod={})
    lock(made, "prod", digits=built(2))
    monkeypatch.chdir(made)
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    return made


def back(checkout: Path, *records: Record, **options: Any) -> Move:
    return rollback(checkout, "prod", **{"ledger": Recorded(*(records or (_FIRST, _SECOND))), "opener": registries(), **options})


def refusal(checkout: Path, *records: Record, **options: Any) -> str:
    before = (checkout / "locks" / "prod.json").read_bytes()
    with pytest.raises(DeliveryError) as error:
        back(checkout, *records, **options)
    assert (checkout / "locks" / "prod.json").read_bytes() == before
    return str(error.value)


def test_the_pair_of_the_release_before_is_pinned(checkout: Path):
    move = back(checkout, reason="v2 answers\noddly")
    after = locked(checkout, "prod")["digits"]
    assert (after.model, after.image) == (service(1).model, service(1).digest)
    assert after.pin is not None
    assert (after.pin.release, after.pin.reason, after.pin.by) == (_FIRST.id, "v2 answers oddly", "ada")
    assert datetime.now(UTC) - after.pin.at < timedelta(minutes=1)
    assert (move.changed, move.what) == (["digits"], f"back to release {_FIRST.id}")
    assert move.notes == (f"release {_FIRST.id}: the newest before {_SECOND.id} that ran anything else",)
    assert move.changes[0].lines()[0] == "locks/prod.json: service digits: digits v2 -> v1"
    assert move.changes[0].lines()[-2:] == [
        f"image: built from the commit -> {service(1).digest}",
        f"pin: stays at release {_FIRST.id} until it is unpinned: v2 answers oddly",
    ]


def test_the_second_time_nothing_changes(checkout: Path):
    """Nor does the pin: who went back first, when and why, is what counts."""
    back(checkout, reason="v2 answers oddly")
    before = (checkout / "locks" / "prod.json").stat()
    move = back(checkout, opener=registries(silent=True))
    assert move.changed == []
    assert (checkout / "locks" / "prod.json").stat() == before
    assert "not deployed yet" in move.notes[0]


def test_any_release_by_its_id_or_the_beginning_of_it(checkout: Path):
    third = release(60, stack="prod", services=[service(3)])
    assert back(checkout, _FIRST, _SECOND, third, to=_FIRST.id).what == f"back to release {_FIRST.id}"
    # Forth is a way back, too: somebody had gone back too far.
    assert back(checkout, _FIRST, _SECOND, third, to=third.id[:-4]).what == f"back to release {third.id}"
    assert locked(checkout, "prod")["digits"].image == service(3).digest
    assert refusal(checkout, to="2027") == f"prod has no release '2027'; it has {_SECOND.id}, {_FIRST.id}"


def test_what_runs_can_be_pinned_too(checkout: Path):
    """So that nothing changes it until somebody has looked."""
    assert back(checkout, to=_SECOND.id).changed == ["digits"]
    assert locked(checkout, "prod")["digits"].pin is not None


def test_a_release_that_failed_is_none_to_go_back_to(checkout: Path):
    failed = release(30, stack="prod", outcome=Outcome.FAILED)
    assert refusal(checkout, _FIRST, failed, to=failed.id) == (
        f"release {failed.id} of prod failed, so it is none to go back to; `converge release list prod` shows those that succeeded"
    )


def test_without_a_reason_the_pin_says_so(checkout: Path):
    back(checkout)
    pin = locked(checkout, "prod")["digits"].pin
    assert pin is not None
    assert pin.reason == "no reason was given"


def test_services_that_the_release_did_not_run_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project(tmp_path, prod={"services": services("digits", "reader")}))
    lock(tmp_path, "prod", digits=built(2), reader=built(1, "reader"))
    gone = release(10, stack="prod", services=[service(1), service(1, name="of-the-past")])
    move = back(tmp_path, gone, _SECOND)
    assert move.changed == ["digits"]
    assert move.notes[-1] == f"reader was no part of release {gone.id} and stays as it is"
    assert locked(tmp_path, "prod")["reader"] == built(1, "reader")
    assert refusal(tmp_path, gone, _SECOND, services=["reader"], to=gone.id) == f"release {gone.id} of prod did not run reader"
    only_past = release(10, stack="prod", services=[service(1, name="of-the-past")])
    assert refusal(tmp_path, only_past, to=only_past.id) == f"release {only_past.id} of prod ran no service that the stack has by now: digits, reader"


def test_an_image_that_is_gone(checkout: Path):
    third = release(30, stack="prod", services=[service(3)])
    first = service(1)
    text = f"release {_FIRST.id} of prod cannot be brought back, its image is gone: {first.image}; "
    assert refusal(checkout, _FIRST, _SECOND, third, to=_FIRST.id, opener=registries(gone=[first.digest])) == (
        f"{text}releases that can be gone back to: {third.id}, {_SECOND.id}"
    )
    everything = registries(gone=[service(version).digest for version in (1, 2, 3)])
    assert refusal(checkout, _FIRST, _SECOND, third, to=_FIRST.id, opener=everything) == (f"{text}no release can be gone back to; promote a model instead")


def test_a_registry_that_the_stack_no_longer_pulls_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shared = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/shared/providers/Microsoft.ContainerRegistry/registries/shared"
    monkeypatch.chdir(project(tmp_path, prod={"registry": {"registryId": shared}}))
    lock(tmp_path, "prod", digits=built(2))
    old, new = (
        release(minutes, stack="prod", services=[service(version).model_copy(update={"image": f"{host}.azurecr.io/digits@{service(version).digest}"})])
        for minutes, version, host in ((5, 1, "own"), (10, 2, "shared"))
    )
    assert refusal(tmp_path, old, new, to=old.id) == (
        f"release {old.id} of prod cannot be brought back, its image is in own.azurecr.io, but prod pulls from shared by now (converge:registry.registryId)"
    )
    assert back(tmp_path, old, new, to=new.id).changed == ["digits"]


def test_a_registry_that_does_not_answer_is_no_reason_to_stay(checkout: Path):
    """The cluster may reach it, and the old pods serve until the new ones do."""
    move = back(checkout, opener=registries(silent=True))
    assert move.notes[-1] == f"the registry could not be asked whether it has {service(1).image}"
    assert move.changed == ["digits"]


def test_the_app_may_have_become_another_since(checkout: Path):
    """What is gone back to has an app of its own in its image."""
    (checkout / "app_template" / "app" / "contract.json").write_text('{"inputs": [], "outputs": [{"name": "new", "datatype": "FP32", "shape": [1]}]}')
    assert back(checkout).changed == ["digits"]


def unpinned(checkout: Path, *records: Record, **options: Any) -> Move:
    return unpin(checkout, "prod", ledger=Recorded(*records), **options)


def test_a_stack_that_builds_from_commits_builds_again(checkout: Path):
    lock(checkout, "prod", digits=pinned_to(_FIRST))
    rolled_back = release(30, stack="prod", services=[service(1, pin=pinned_to(_FIRST).pin)])
    move = unpinned(checkout, _FIRST, _SECOND, rolled_back)
    assert locked(checkout, "prod")["digits"] == built(1)
    assert move.what == "digits no longer pinned"
    assert move.changes[0].lines()[-2:] == [
        f"image: no longer pinned to {service(1).digest}, built from the commit",
        "pin: taken away; it was set 2026-11-24 23:18 UTC by ada: v2 answers oddly",
    ]


def test_an_image_of_another_stack_stays_until_the_next_promotion(checkout: Path):
    lock(checkout, "prod", digits=pinned_to(_FIRST))
    promoted = release(20, stack="prod", services=[service(2).model_copy(update={"pinned": True})])
    failed = release(25, stack="prod", services=[service(3)], outcome=Outcome.FAILED)
    unpinned(checkout, _FIRST, promoted, failed)
    assert locked(checkout, "prod")["digits"] == as_released(service(1))


def test_without_any_record_what_runs_goes_on_running(checkout: Path):
    lock(checkout, "prod", digits=pinned_to(_FIRST))
    unpinned(checkout)
    assert locked(checkout, "prod")["digits"] == as_released(service(1))


def test_nothing_is_pinned(checkout: Path):
    move = unpinned(checkout, _FIRST)
    assert (move.changed, move.what) == ([], "nothing is pinned")


def test_only_one_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project(tmp_path, prod={"services": services("digits", "reader")}))
    pin = Pin(release=_FIRST.id, reason="odd", by="ada", at=datetime.now(UTC))
    lock(tmp_path, "prod", digits=pinned_to(_FIRST), reader=as_released(service(1, name="reader"), pin))
    assert unpinned(tmp_path, services=["reader"]).changed == ["reader"]
    assert locked(tmp_path, "prod")["digits"].pin is not None
    with pytest.raises(DeliveryError, match=r"^stack prod has no service 'nobody', only digits, reader; "):
        unpinned(tmp_path, services=["nobody"])


def test_a_model_that_the_app_of_the_commit_cannot_use_is_told(checkout: Path):
    lock(checkout, "prod", digits=pinned_to(_FIRST))
    (checkout / "app_template" / "app" / "contract.json").write_text(
        '{"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}], "outputs": [{"name": "new", "datatype": "FP32", "shape": [1]}]}'
    )
    (note,) = unpinned(checkout, _FIRST).notes
    assert note.startswith("digits: model digits version 1 does not fit the app: the app needs output new FP32 [1], the model has label INT64 [-1] ")
