import asyncio

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.patience import AwaitedGrant, Patience, how_to_look, listed, spoken
from tests.unit.components.fake_time import HOW_TO_GO_ON, OPERATOR, OPERATOR_COMMAND, OPERATOR_WORDS


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (0.4, "0 s"), (45, "45 s"), (59.7, "1 min"), (60, "1 min"), (150, "2 min 30 s"), (900, "15 min"), (3661, "61 min 1 s")]
)
def test_durations_as_people_say_them(seconds: float, words: str):
    assert spoken(seconds) == words


@given(attempt=st.integers(1, 10_000), left=st.floats(0, 10_000))
def test_a_pause_is_never_longer_than_what_is_left(attempt: int, left: float):
    patience = Patience()
    pause = patience.pause_after(attempt, left)
    assert 0 <= pause <= min(left, patience.longest_pause)


def test_pauses_double_and_vary():
    pauses = [[Patience().pause_after(attempt, 1000) for attempt in range(1, 8)] for _ in range(20)]
    assert all(3 <= first <= 6 and 6 <= second <= 9 and 12 <= third <= 15 for first, second, third, *_ in pauses)
    assert {pause for row in pauses for pause in row[3:]} == {15}
    assert len({row[0] for row in pauses}) > 1


def test_the_patience_ends_before_the_engines_own_limit():
    """At a hundred attempts the engine ends the operation without Azure's words, and without ours."""
    patience = Patience()
    attempts, waited = 1, 0.0
    while waited < patience.at_most:
        waited += patience.pause_after(attempts, patience.at_most - waited)
        attempts += 1
    assert attempts < 80


def test_a_grant_is_told_and_looked_for():
    known = asyncio.run(OPERATOR.known())
    assert listed([known]) == OPERATOR_WORDS
    assert how_to_look([known]) == f"Look whether it exists:\n  {OPERATOR_COMMAND}\n{HOW_TO_GO_ON}"
    assert listed([known, known]) == f"{OPERATOR_WORDS} and {OPERATOR_WORDS}"


def test_a_grant_that_is_not_known_is_told_nevertheless():
    async def told() -> str:
        unknown: pulumi.Output[str] = pulumi.Output(set(), _resolved(None), _resolved(False))
        return str(await AwaitedGrant(role="AcrPull", scope=unknown, principal_id=unknown, holder="the nodes").known())

    assert asyncio.run(told()) == "'AcrPull' for the nodes (unknown) on a scope that is not known yet"


def _resolved(value: object) -> asyncio.Future:
    future = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
