from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors import DeliveryError
from delivery.release.ledger import running
from delivery.release.moves_choice import way_back
from delivery.release.record import Outcome, Record
from model_store import LockedService
from tests.unit.delivery.release.moving import as_released, built, pinned_to
from tests.unit.delivery.release.releases import release, service


def of(minutes: int, version: int, *, failed: bool = False, back_to: Record | None = None) -> Record:
    """A release of digits; a roll-back when it goes back to another."""
    pin = pinned_to(back_to).pin if back_to else None
    return release(minutes, services=[service(version, pin=pin)], outcome=Outcome.FAILED if failed else Outcome.SUCCEEDED)


def chosen(*oldest_first: Record, lock: LockedService | None = None, services: Sequence[str] = ("digits",)) -> tuple[str, str]:
    """The release that is gone back to, and why; the lock says what the newest release runs unless told otherwise."""
    newest_first = oldest_first[::-1]
    locked: Mapping[str, LockedService] = {"digits": lock or as_released(newest_first[0].services["digits"])}
    choice = way_back("prod", newest_first, locked, services)
    return choice.release.id, choice.why


_FIRST, _SECOND, _THIRD = of(10, 1), of(20, 2), of(30, 3)


def test_the_release_before():
    assert chosen(_FIRST, _SECOND, _THIRD) == (_SECOND.id, f"the newest before {_THIRD.id} that ran anything else")


def test_a_lock_that_builds_its_image_runs_something_else_than_the_release_says_only_after_a_failure():
    """Its digest is not in the lock, so the lock alone cannot tell."""
    assert chosen(_FIRST, _SECOND, lock=built(2))[0] == _FIRST.id


def test_releases_that_ran_the_same_are_passed_over():
    assert chosen(_FIRST, _SECOND, of(30, 2), of(40, 2))[0] == _FIRST.id


def test_another_image_with_the_same_model_is_another_release():
    rebuilt = release(20, services=[service(1, image="an app's change")])
    assert chosen(_FIRST, rebuilt)[0] == _FIRST.id


def test_releases_that_failed_are_none_to_go_back_to():
    assert chosen(_FIRST, of(20, 2, failed=True), _THIRD)[0] == _FIRST.id


def test_after_a_deployment_that_failed_it_is_the_newest_that_succeeded():
    failed = of(30, 3, failed=True)
    assert chosen(_FIRST, _SECOND, failed, lock=built(3)) == (_SECOND.id, f"the newest that succeeded; {failed.id} after it did not")


def test_after_a_roll_back_that_a_deployment_made_at_once_it_is_what_runs():
    """The pipeline went back, and main's lock still asks for what failed."""
    failed, back = of(30, 3, failed=True), of(31, 2, back_to=_SECOND)
    assert chosen(_FIRST, _SECOND, failed, back, lock=built(3))[0] == back.id
    # Once the lock says it, going back goes further.
    assert chosen(_FIRST, _SECOND, failed, back, lock=pinned_to(_SECOND))[0] == _FIRST.id


def test_what_failed_after_a_roll_back_changes_nothing_of_it():
    back = of(30, 1, back_to=_FIRST)
    oldest = of(5, 9)
    assert chosen(oldest, _FIRST, _SECOND, back, of(40, 1, failed=True), lock=pinned_to(_FIRST))[0] == oldest.id


def test_a_roll_back_that_is_not_deployed_yet_goes_on():
    """The deployment was interrupted, or failed: the same command again goes on, and not further back."""
    why = "the lock goes back to it already, and it is not deployed yet"
    assert chosen(_FIRST, _SECOND, _THIRD, lock=pinned_to(_SECOND)) == (_SECOND.id, why)
    assert chosen(_FIRST, _SECOND, _THIRD, of(40, 3, failed=True), lock=pinned_to(_SECOND)) == (_SECOND.id, why)


def test_who_goes_back_twice_goes_back_further():
    back = of(40, 2, back_to=_SECOND)
    assert chosen(_FIRST, _SECOND, _THIRD, back, lock=pinned_to(_SECOND))[0] == _FIRST.id


def test_only_the_services_that_are_to_go_back_count():
    both = release(20, services=[service(1), service(2, name="reader")])
    first = release(10, services=[service(1), service(1, name="reader")])
    older = release(5, services=[service(9), service(2, name="reader")])
    locked = {"digits": as_released(service(1)), "reader": as_released(service(2, name="reader"))}
    assert way_back("prod", [both, first, older], locked, ["reader"]).release is first
    assert way_back("prod", [both, first, older], locked, ["digits"]).release is older
    assert way_back("prod", [both, first, older], locked, ["digits", "reader"]).release is first


@pytest.mark.parametrize("records", [(), (of(10, 1, failed=True),)])
def test_nothing_has_ever_succeeded(records: tuple[Record, ...]):
    with pytest.raises(DeliveryError, match=r"^no release of prod has succeeded yet, so there is none to go back to$"):
        way_back("prod", records, {"digits": built(1)}, ["digits"])


def test_nothing_else_has_ever_run():
    with pytest.raises(DeliveryError) as error:
        chosen(_FIRST, of(20, 1))
    assert str(error.value) == f"no earlier release of prod ran anything else than {of(20, 1).id} does; name one with --to if you know better"


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=8))
def test_it_succeeded_and_is_not_what_runs(history: list[tuple[int, bool]]):
    records = [of(minutes, version, failed=failed) for minutes, (version, failed) in enumerate(history)][::-1]
    lock = {"digits": built(records[0].services["digits"].model.version)}
    try:
        found = way_back("prod", records, lock, ["digits"]).release
    except DeliveryError:
        now = running(records)
        assert now is None or (records[0] is now and len({version for version, failed in history if not failed}) == 1)
        return
    assert found.succeeded
    if records[0].succeeded:
        assert found.services["digits"].digest != records[0].services["digits"].digest
    else:
        assert found is running(records)
