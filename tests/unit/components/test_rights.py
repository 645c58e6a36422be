import asyncio
import re
import threading
from collections.abc import Callable

import pulumi
import pytest

from components.rights import NotReachableError, NotYetError, is_simulated, obtained, proven
from tests.unit.components.fake_time import HOW_TO_GO_ON, OPERATOR, OPERATOR_COMMAND, OPERATOR_WORDS, FakeTime
from tests.unit.components.recording import UNKNOWN, Recording, Secret, consume, record

WHAT = "the right to push to the registry"


class Service:
    """Answers as a service does whose grant takes effect at a time."""

    def __init__(self, time: FakeTime, spread_at: float, refusal: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self._time = time
        self._spread_at = spread_at
        self._refusal = refusal or NotYetError("registry.example answers 401")

    def __call__(self, value: str) -> None:
        self.asked.append(value)
        self.threads.add(threading.get_ident())
        if self._time.now - 1000 < self._spread_at:
            raise self._refusal


def waited(
    time: FakeTime, probe: Callable[[str], None], value: pulumi.Input[str] = "registry.example", *, preview: bool = False, **patience: float
) -> Recording:
    def program() -> None:
        given = pulumi.Output.secret(value) if value == "a secret" else value
        consume(value=proven(given, probe, what=WHAT, grants=[OPERATOR], patience=time.patience(**patience)))

    return record(program, preview=preview)


def test_a_right_that_is_there_costs_one_question():
    time = FakeTime()
    service = Service(time, 0)
    recording = waited(time, service)
    assert recording.named("consumer").inputs == {"value": "registry.example"}
    assert service.asked == ["registry.example"]
    assert time.pauses == []
    assert recording.logs == []


@pytest.mark.parametrize("seconds", [60, 300, 600])
def test_the_value_comes_soon_after_the_right(seconds: float):
    time = FakeTime()
    recording = waited(time, Service(time, seconds))
    assert recording.named("consumer").inputs == {"value": "registry.example"}
    assert time.now - 1000 < seconds + 15
    assert recording.logs[0] == f"waiting for {WHAT}: 0 s so far, at most 15 min; registry.example answers 401; needed: {OPERATOR_WORDS}"
    for line in recording.logs:
        assert re.fullmatch(rf"waiting for {WHAT}: .* so far, at most 15 min; registry\.example answers 401; needed: .*", line)
    assert len(recording.logs) == len(time.pauses)


def test_a_right_that_never_comes_ends_the_update_and_is_named():
    time = FakeTime()
    with pytest.raises(pulumi.RunError) as error:
        waited(time, Service(time, float("inf")))
    assert time.now - 1000 == pytest.approx(900)
    assert str(error.value) == (
        f"{WHAT} did not come in 15 min: registry.example answers 401. Missing: {OPERATOR_WORDS}. Look whether it exists:\n  {OPERATOR_COMMAND}\n{HOW_TO_GO_ON}"
    )


def test_a_service_that_cannot_be_reached_is_given_up_sooner_and_called_that():
    time = FakeTime()
    with pytest.raises(pulumi.RunError) as error:
        waited(time, Service(time, float("inf"), NotReachableError("registry.example cannot be reached: Name or service not known")))
    assert time.now - 1000 == pytest.approx(300)
    assert str(error.value) == (
        f"{WHAT} could not be proven in 5 min: registry.example cannot be reached: Name or service not known. A private service is reached from inside its "
        "network only: run from a machine there, or let this one in (key allowed_ip_ranges); `converge doctor` says what is in the way"
    )


def test_a_service_that_is_reached_at_last_gets_the_whole_patience():
    time = FakeTime()

    def probe(_: str) -> None:
        if time.now - 1000 < 290:
            raise NotReachableError("registry.example does not answer")
        if time.now - 1000 < 600:
            raise NotYetError("registry.example answers 401")

    recording = waited(time, probe)
    assert recording.named("consumer").inputs == {"value": "registry.example"}
    assert "at most 5 min" in recording.logs[0]
    assert "at most 15 min" in recording.logs[-1]


def test_only_one_stretch_out_of_reach_counts():
    time = FakeTime()

    def probe(_: str) -> None:
        since = time.now - 1000
        if since < 200 or 400 <= since < 650:
            raise NotReachableError("registry.example does not answer")
        if since < 400:
            raise NotYetError("registry.example answers 401")

    assert waited(time, probe).named("consumer").inputs == {"value": "registry.example"}
    assert time.now - 1000 < 665


@pytest.mark.parametrize("failure", [pulumi.RunError("no Azure login works here"), ZeroDivisionError("a mistake of ours")])
def test_whatever_else_fails_ends_the_update_at_once(failure: Exception):
    time = FakeTime()
    service = Service(time, 60, failure)
    with pytest.raises(type(failure), match=str(failure)):
        waited(time, service)
    assert (len(service.asked), time.pauses) == (1, [])


def test_a_preview_asks_nobody():
    time = FakeTime()
    service = Service(time, float("inf"))
    assert waited(time, service, preview=True).named("consumer").inputs == {"value": "registry.example"}
    assert service.asked == []


def test_what_a_preview_does_not_know_stays_unknown():
    def program() -> None:
        unknown = pulumi.CustomResource("test:index:Something", "something", {}).id
        consume(value=proven(unknown, pytest.fail, what=WHAT, grants=[]))

    recording = record(program, preview=True)
    assert recording.named("consumer").inputs == {"value": UNKNOWN}


def test_a_secret_stays_a_secret():
    time = FakeTime()
    assert waited(time, Service(time, 0), "a secret").named("consumer").inputs == {"value": Secret("a secret")}


@pytest.mark.parametrize(("preview", "answer"), [(True, "previewed registry"), (False, "token for registry")])
def test_an_answer_comes_with_the_right(preview: bool, answer: str):
    time = FakeTime()

    def ask(host: str) -> str:
        Service(time, 100)(host)
        return f"token for {host}"

    def program() -> None:
        got = obtained("registry", ask, previewed=lambda host: f"previewed {host}", what=WHAT, grants=[OPERATOR], patience=time.patience())
        consume(value=got)

    assert record(program, preview=preview).named("consumer").inputs == {"value": answer}


def test_many_who_ask_the_same_are_one_question():
    time = FakeTime()
    service = Service(time, 30)

    def program() -> None:
        values = [proven("registry.example", service, what=WHAT, grants=[OPERATOR], patience=time.patience()) for _ in range(50)]
        consume(value=pulumi.Output.all(*values), other=proven("other.example", service, what=WHAT, grants=[OPERATOR], patience=time.patience()))

    recording = record(program)
    assert recording.named("consumer").inputs == {"value": ["registry.example"] * 50, "other": "other.example"}
    assert len(service.asked) == len(recording.logs) + 2
    assert set(service.asked) == {"registry.example", "other.example"}


def test_another_run_asks_again():
    time = FakeTime()
    service = Service(time, 0)
    waited(time, service)
    waited(time, service)
    assert len(service.asked) == 2


def test_many_who_wait_in_vain_get_one_message():
    time = FakeTime()

    def program() -> None:
        for name in ("a", "b"):
            value = proven("registry.example", service, what=WHAT, grants=[OPERATOR], patience=time.patience())
            pulumi.CustomResource("test:index:Consumer", name, {"value": value})

    service = Service(time, float("inf"))

    with pytest.raises(pulumi.RunError, match="did not come in 15 min"):
        record(program)
    assert time.now - 1000 == pytest.approx(900)


def test_asking_happens_beside_the_programs_loop():
    time = FakeTime()
    service = Service(time, 30)
    waited(time, service)
    assert threading.get_ident() not in service.threads


def test_waiting_can_be_interrupted():
    """The engine ends the program; nothing here holds it up."""

    async def run() -> None:
        def probe(_: str) -> None:
            raise NotYetError("not yet")

        waiting = asyncio.ensure_future(proven("registry", probe, what=WHAT, grants=[]).future())
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "simulated"),
    [("registry.azurecr.io.invalid", True), ("x.invalid.", True), ("registry.azurecr.io", False), ("invalid", False), ("notinvalid", False), ("", False)],
)
def test_only_a_reserved_name_stands_for_nothing(host: str, simulated: bool):
    assert is_simulated(host) is simulated
