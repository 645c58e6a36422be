"""The smoke test against a service on the wire."""

from typing import Any

import httpx
import pytest

from delivery.errors import DeliveryError
from delivery.release.record import SmokeResult
from delivery.smoke.checks import Inspection
from model_store.golden import Golden
from tests.unit.delivery.smoke.fake_service import DIGEST, GOLDEN, MODEL, OTHER_DIGEST, SERVICE, FakeService, running

STATUS = {"kind": "Status", "reason": "ServiceUnavailable", "message": 'no endpoints available for service "digits"'}


def inspected(service: FakeService, golden: Golden | DeliveryError = GOLDEN, timeout: float = 5.0, **more: Any) -> SmokeResult:
    def get() -> Golden:
        if isinstance(golden, DeliveryError):
            raise golden
        return golden

    with running(service, timeout) as client:
        inspection = Inspection(client=client, service=SERVICE, model=MODEL, **{"slowest_milliseconds": 500, "patience": 0.3, "pause": 0.02, **more})
        return inspection.run(get)


def told(result: SmokeResult) -> dict[str, tuple[bool | None, str]]:
    return {check.name: (check.passed, check.text) for check in result.checks}


def failed(service: FakeService, **more: Any) -> tuple[str, str]:
    """Name and text of the one check that failed."""
    result = inspected(service, **more)
    assert not result.passed
    ((name, text),) = [(check.name, check.text) for check in result.checks if check.passed is False]
    return name, text


def test_a_service_that_does_what_it_must():
    result = inspected(service := FakeService())
    assert result.passed
    assert list(told(result)) == ["ready", "metadata", "image", "golden requests", "latency"]
    assert told(result)["metadata"] == (True, "it runs digits v2, sha256 aaaaaaaaaaaa, with the signature of the lock")
    assert told(result)["image"] == (True, f"it runs {DIGEST}")
    assert told(result)["golden requests"] == (True, "2 of 2 answered as they must be")
    assert result.slowest_milliseconds is not None
    assert service.asked.count("/v2/models/digits/infer") == 3, "every case, and the first one more to warm up"


def test_pods_that_are_on_their_way_in_or_out_are_waited_for():
    assert inspected(FakeService(before=3), patience=5.0).passed
    assert inspected(FakeService(not_yet=3), patience=5.0).passed
    assert inspected(FakeService(before_infer=3), patience=5.0).passed


def test_a_service_that_never_gets_ready():
    name, text = failed(FakeService(answers={"/v2/health/ready": (503, STATUS)}))
    assert name == "ready"
    assert text == 'GET /v2/health/ready was answered with 503: no endpoints available for service "digits", after 0 s'


def test_a_service_that_does_not_answer():
    name, text = failed(FakeService(seconds=0.5), timeout=0.1)
    assert name == "golden requests"
    assert text.startswith("case 0 of 2: POST /v2/models/digits/infer was not answered: timed out, after ")


@pytest.mark.parametrize(
    ("service", "check", "text"),
    [
        (FakeService(sha256="b" * 64), "metadata", f"sha256 is {'b' * 64}, the lock says {'a' * 64}"),
        (FakeService(version="1"), "metadata", "version is 1, the lock says 2"),
        (FakeService(digest=OTHER_DIGEST), "image", f"it runs {OTHER_DIGEST}, deployed is {DIGEST}"),
        (
            FakeService(answers={"/v2/models/digits": (404, {"error": "no such model"})}),
            "metadata",
            "GET /v2/models/digits was answered with 404: no such model",
        ),
        (FakeService(answers={"/v2/models/digits": (200, b"<html>")}), "metadata", "name is None, the lock says digits; version is , the lock says 2"),
        (FakeService(off_by=0.02), "golden requests", "case 0 of 2: output probabilities[0] is 0.77, expected 0.75"),
        (FakeService(infer=400), "golden requests", "case 0 of 2: POST /v2/models/digits/infer was answered with 400: the model refuses"),
    ],
)
def test_what_is_wrong_is_told(service: FakeService, check: str, text: str):
    name, found = failed(service)
    assert name == check
    assert found.startswith(text)


def test_another_version_s_answers_are_not_compared():
    """What it predicts says nothing about the deployed one."""
    result = inspected(service := FakeService(sha256="b" * 64))
    assert list(told(result)) == ["ready", "metadata", "image"]
    assert "/v2/models/digits/infer" not in service.asked


def test_predictions_of_another_image_to_the_end():
    name, text = failed(FakeService(before_infer=10**6))
    assert name == "golden requests"
    assert text.startswith(f"case 0 of 2: x-image-digest of the answer is {OTHER_DIGEST}, not {DIGEST}, after ")


def test_within_the_tolerance_is_right():
    assert inspected(FakeService(off_by=0.009)).passed


def test_too_slow():
    name, text = failed(FakeService(seconds=0.05), slowest_milliseconds=10)
    assert name == "latency"
    assert text.endswith(" ms; 10 ms may be taken")


def test_a_service_that_cannot_say_its_image_is_not_refused_for_it():
    """One that was made before services could is what a roll-back may bring."""
    result = inspected(FakeService(digest=None))
    assert result.passed
    assert told(result)["image"] == (None, "the service does not say which image it runs")


def test_golden_requests_that_cannot_be_had_are_no_failure():
    result = inspected(FakeService(), DeliveryError("the store is\naway"))
    assert result.passed
    assert told(result)["golden requests"] == (None, "they cannot be had: the store is away")
    assert "latency" not in told(result)


def test_who_may_not_ask_is_told_at_once():
    refused = {"kind": "Status", "message": 'services "digits" is forbidden: User "ada" cannot get services/proxy'}
    with pytest.raises(DeliveryError) as raised:
        inspected(FakeService(answers={"/v2/health/ready": (403, refused)}), patience=60.0)
    assert str(raised.value) == (
        'the cluster does not let you ask its services (GET /v2/health/ready was answered with 403: services "digits" is forbidden: '
        'User "ada" cannot get services/proxy); get the rights `get` and `create` on `services/proxy`'
    )


def test_a_service_s_own_refusal_is_its_failure():
    assert failed(FakeService(answers={"/v2/health/ready": (403, {"error": "no token"})}))[0] == "ready"


def test_nobody_listens():
    client = httpx.Client(base_url="http://127.0.0.1:9", trust_env=False)
    inspection = Inspection(client=client, service=SERVICE, model=MODEL, slowest_milliseconds=500, patience=0.1, pause=0.02)
    (check,) = inspection.run(lambda: GOLDEN).checks
    assert (check.name, check.passed) == ("ready", False)
    assert "was not answered" in check.text


def test_a_service_that_asks_for_a_key_gets_it():
    assert inspected(FakeService(api_key="hush"), api_key="hush").passed


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "digits asks for an API key ({}); set the environment variable CONVERGE_SMOKE_API_KEY to one of those in the service's Secret"),
        ("wrong", "digits refuses the API key in CONVERGE_SMOKE_API_KEY ({}); set it to one of those in the service's Secret"),
    ],
)
def test_without_the_right_key_nothing_is_known_about_the_service(key: str, text: str):
    """And it is told at once: no patience makes a key right."""
    with pytest.raises(DeliveryError) as raised:
        inspected(FakeService(api_key="hush"), api_key=key, patience=60.0)
    assert str(raised.value) == text.format("GET /v2/models/digits/ready was answered with 401: a valid API key is needed")
