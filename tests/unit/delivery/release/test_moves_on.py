from pathlib import Path
from typing import Any

import pytest

from delivery.errors import DeliveryError
from delivery.release.ledger import Ledger
from delivery.release.moves import Move, promote
from delivery.release.record import Check, Outcome, Record, ReleasedService, SmokeResult
from model_store import ModelStoreError
from tests.unit.delivery.release.moving import Recorded, as_released, built, lock, locked, pinned_to, project, registries, services
from tests.unit.delivery.release.releases import model, release, service

_IN_DEV = release(10, services=[service(2)])
_PROD_BEFORE = release(5, stack="prod", services=[service(1)])
_SAME = "prod is not promoted, locks/prod.json stays as it is"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dev and prod with one service, prod running version 1."""
    made = project(tmp_path, dev={}, prod={})
    lock(made, "prod", digits=as_released(service(1)))
    monkeypatch.chdir(made)
    return made


def on(checkout: Path, *records: Record, **options: Any) -> Move:
    """Promoted from dev to prod, whose registry has everything unless told otherwise."""
    ledger: Ledger = options.pop("ledger", Recorded(*(records or (_IN_DEV, _PROD_BEFORE))))
    return promote(checkout, "dev", "prod", **{"ledger": ledger, "opener": registries(), **options})


def refusal(checkout: Path, *records: Record, **options: Any) -> list[str]:
    """The lines of the message; the lock stays as it was."""
    before = (checkout / "locks" / "prod.json").read_bytes()
    with pytest.raises((DeliveryError, ModelStoreError)) as error:
        on(checkout, *records, **options)
    assert (checkout / "locks" / "prod.json").read_bytes() == before
    return str(error.value).splitlines()


def smoke(*checks: tuple[str, bool | None, str]) -> SmokeResult:
    return SmokeResult(checks=tuple(Check(name=name, passed=passed, text=text) for name, passed, text in checks))


def test_model_and_image_that_dev_has_proven_go_to_prod(checkout: Path):
    move = on(checkout, reason="proven in dev")
    (change,) = move.changes
    assert locked(checkout, "prod") == {"digits": as_released(service(2))}
    assert (move.changed, move.what, move.notes) == (["digits"], f"what release {_IN_DEV.id} of dev runs", ())
    assert change.lines()[0] == "locks/prod.json: service digits: digits v1 -> v2"
    assert change.lines()[-1] == f"image: {service(1).digest[:19]} -> {service(2).digest}"
    assert change.gates is not None
    assert change.gates.lines() == [
        "gate contract: digits v2 has what the app in its image needs: passes",
        "gate golden requests: answered in the image's build, not asked again since: passes",
    ]


def test_what_the_release_runs_is_promoted_and_not_what_the_lock_says(checkout: Path):
    """The lock may be ahead of what has been deployed."""
    lock(checkout, "dev", digits=built(3))
    on(checkout)
    assert locked(checkout, "prod")["digits"].model == model(2)


def test_a_release_that_failed_is_not_what_dev_runs(checkout: Path):
    on(checkout, _IN_DEV, _PROD_BEFORE, release(20, outcome=Outcome.FAILED, services=[service(3)]))
    assert locked(checkout, "prod")["digits"].model == model(2)


def test_the_second_time_nothing_changes(checkout: Path):
    on(checkout)
    before = (checkout / "locks" / "prod.json").stat()
    move = on(checkout, opener=registries(silent=True))
    assert move.changed == []
    assert move.changes[0].lines() == ["locks/prod.json: service digits runs digits v2 already, nothing changed"]
    assert (checkout / "locks" / "prod.json").stat() == before


def test_a_stack_that_runs_nothing_yet(checkout: Path):
    (checkout / "locks" / "prod.json").unlink()
    move = on(checkout)
    assert move.changes[0].lines()[0] == "locks/prod.json: service digits: nothing -> digits v2"
    assert locked(checkout, "prod") == {"digits": as_released(service(2))}


def test_only_services_that_both_stacks_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project(tmp_path, dev={"services": services("digits", "reader", "dev-only")}, prod={"services": services("digits", "reader", "later")}))
    lock(tmp_path, "prod", reader=as_released(service(1, name="reader")), digits=as_released(service(1)))
    running = release(10, services=[service(2), service(2, name="reader"), service(1, name="dev-only")])
    assert on(tmp_path, running, _PROD_BEFORE, services=["reader"]).changed == ["reader"]
    assert locked(tmp_path, "prod")["digits"].model == model(1)
    assert on(tmp_path, running, _PROD_BEFORE).changed == ["digits"]
    assert sorted(locked(tmp_path, "prod")) == ["digits", "reader"]
    assert refusal(tmp_path, running, services=["later"]) == [f"release {running.id} of dev does not run later; deploy it there first"]
    assert refusal(tmp_path, running, services=["nobody"]) == [
        "stack prod has no service 'nobody', only digits, reader, later; name one with --service, or add it to Pulumi.prod.yaml first"
    ]


def test_stacks_that_have_no_service_in_common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project(tmp_path, dev={}, prod={"services": services("reader")}))
    lock(tmp_path, "prod")
    assert refusal(tmp_path) == [f"release {_IN_DEV.id} of dev runs no service that prod has; prod has reader"]


def test_there_is_nothing_to_promote(checkout: Path):
    nothing = ["no release of dev has succeeded yet, so there is nothing to promote; deploy it first: converge deploy dev"]
    assert refusal(checkout, _PROD_BEFORE) == nothing
    assert refusal(checkout, release(10, outcome=Outcome.FAILED)) == nothing
    with pytest.raises(DeliveryError, match=r"^--from and --to are both dev; a promotion goes to another stack$"):
        promote(checkout, "dev", "dev", ledger=Recorded(_IN_DEV))
    with pytest.raises(DeliveryError, match=r"^there is no Pulumi\.test\.yaml in .*; the stacks with settings here are dev, prod$"):
        promote(checkout, "dev", "test", ledger=Recorded(_IN_DEV))


def test_a_release_that_was_not_tested_is_not_proven(checkout: Path):
    untested = release(10, services=[service(2, smoke=None)])
    assert refusal(checkout, untested, _PROD_BEFORE) == [
        f"digits: release {untested.id} of dev was not tested, so it is not proven; deploy it once more: converge deploy dev",
        _SAME,
    ]


def test_a_release_whose_test_failed(checkout: Path):
    failed = release(10, services=[service(2, smoke=smoke(("ready", True, "ready"), ("latency", False, "the slowest answer took 9 s")))])
    assert refusal(checkout, failed, _PROD_BEFORE)[0] == f"digits: the smoke test of release {failed.id} of dev failed: latency: the slowest answer took 9 s"


def test_golden_requests_by_the_smoke_test(checkout: Path):
    asked = release(10, services=[service(2, smoke=smoke(("golden requests", True, "4 of 4 right")))])
    (change,) = on(checkout, asked, _PROD_BEFORE).changes
    assert change.gates is not None
    assert str(change.gates.gates[-1]) == f"golden requests: by the smoke test of release {asked.id}, 4 of 4 right: passes"


def test_golden_requests_that_could_not_be_sent_are_no_failure(checkout: Path):
    """The build has asked them, or there would be no image."""
    silent = release(10, services=[service(2, smoke=smoke(("golden requests", None, "they cannot be had: no answer")))])
    assert on(checkout, silent, _PROD_BEFORE).changed == ["digits"]


def test_the_gates_of_the_target_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gates = {"gates": [{"name": "accuracy", "mayWorsenBy": 0.005}], "reasonRequired": True}
    monkeypatch.chdir(project(tmp_path, dev={}, prod={"delivery": gates}))
    good, worse = (one.model_copy(update={"metrics": {"accuracy": accuracy}}) for one, accuracy in ((model(1), 0.98), (model(2), 0.91)))
    before: ReleasedService = service(1).model_copy(update={"model": good})
    lock(tmp_path, "prod", digits=as_released(before))
    candidate = release(10, services=[service(2).model_copy(update={"model": worse})])
    assert refusal(tmp_path, candidate, _PROD_BEFORE, reason="newer") == ["digits: accuracy 0.98 -> 0.91, may worsen by 0.005: fails", _SAME]
    assert refusal(tmp_path, candidate, _PROD_BEFORE)[:2] == [
        "digits: accuracy 0.98 -> 0.91, may worsen by 0.005: fails",
        "digits: reason: none, this stack asks for one with --reason: fails",
    ]
    good_again = release(20, services=[service(2).model_copy(update={"model": model(2).model_copy(update={"metrics": {"accuracy": 0.975}})})])
    (change,) = on(tmp_path, good_again, _PROD_BEFORE, reason="proven in dev").changes
    assert change.gates is not None
    assert [gate.name for gate in change.gates.gates] == ["accuracy", "contract", "golden requests", "reason"]
    assert locked(tmp_path, "prod")["digits"].model.metrics == {"accuracy": 0.975}


def test_a_service_of_another_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project(tmp_path, dev={}, prod={"services": [{"name": "digits", "model": "letters"}]}))
    lock(tmp_path, "prod")
    (first, *_) = refusal(tmp_path)
    assert first.startswith("digits: converge:services[0].model: is 'letters', but locks/prod.json has the model 'digits'; ")


def test_a_pinned_service_is_left_alone(checkout: Path):
    lock(checkout, "prod", digits=pinned_to(_PROD_BEFORE))
    pinned, unchanged = refusal(checkout)
    assert unchanged == _SAME
    assert pinned == (
        f"service digits of locks/prod.json is pinned to release {_PROD_BEFORE.id} since 2026-11-24 23:18 UTC by ada: v2 answers oddly; nothing was changed. "
        "Give --unpin when that is over, or take the pin away by itself: converge release unpin prod"
    )
    move = on(checkout, unpin=True)
    assert move.changes[0].lines()[-1] == "pin: taken away; it was set 2026-11-24 23:18 UTC by ada: v2 answers oddly"
    assert locked(checkout, "prod") == {"digits": as_released(service(2))}


def test_a_pin_to_the_very_same_stays(checkout: Path):
    lock(checkout, "prod", digits=pinned_to(_IN_DEV))
    assert on(checkout).changed == []
    assert locked(checkout, "prod")["digits"].pin is not None


def test_an_image_that_is_gone(checkout: Path):
    image = service(2)
    gone = registries(gone=[image.digest])
    assert refusal(checkout, opener=gone) == [f"digits: its image {image.image} is no longer there; deploy dev again", _SAME]
    assert refusal(checkout, opener=gone, unchecked=True)[0].endswith("is no longer there; deploy dev again"), "what is known is known"


def test_a_registry_that_does_not_answer(checkout: Path):
    text = f"digits: the registry could not be asked whether it has {service(2).image}"
    assert refusal(checkout, opener=registries(silent=True)) == [f"{text}; --unchecked goes on all the same", _SAME]
    assert on(checkout, opener=registries(silent=True), unchecked=True).notes == (text,)
    assert locked(checkout, "prod")["digits"].model == model(2)


def test_stacks_with_registries_of_their_own(checkout: Path):
    elsewhere = release(5, stack="prod", services=[service(1).model_copy(update={"image": f"prod.azurecr.io/digits@{service(1).digest}"})])
    assert refusal(checkout, _IN_DEV, elsewhere) == [
        "digits: its image is in localhost:18002, but prod pulls from prod.azurecr.io; stacks share a registry by converge:registry.registryId",
        _SAME,
    ]


def test_the_newest_releases_may_be_missing(checkout: Path):
    ledger = Recorded(_IN_DEV, _PROD_BEFORE, stale="origin does not answer")
    assert on(checkout, ledger=ledger).notes == ("the newest releases may be missing: origin does not answer",)


def test_every_problem_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project(tmp_path, dev={"services": services("digits", "reader")}, prod={"services": services("digits", "reader")}))
    lock(tmp_path, "prod", digits=pinned_to(_PROD_BEFORE))
    running = release(10, services=[service(2), service(2, name="reader", smoke=None)])
    lines = refusal(tmp_path, running, _PROD_BEFORE, opener=registries(gone=[service(2).digest]))
    assert [line.partition(" ")[0] for line in lines] == ["service", "reader:", "digits:", "prod"]
