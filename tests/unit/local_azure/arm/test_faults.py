import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_azure.arm.clock import Clock
from local_azure.arm.errors import ArmError, OperationFailedError
from local_azure.arm.faults import FaultBox, Faults
from local_azure.arm.known_errors import ROLES, Call
from local_azure.arm.retries import repeated

CLUSTER = Call(arm_type="Microsoft.ContainerService/managedClusters", identifier="/s/aks", subscription="sub", location="northeurope", vcpus=6)
OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"


@pytest.fixture
def box(tmp_path: Path) -> FaultBox:
    return FaultBox(tmp_path)


def ask(folder: Path, **faults: Any) -> None:
    (folder / "faults.json").write_text(json.dumps(faults))


def test_without_a_file_and_with_an_empty_one_nothing_fails(box: FaultBox, tmp_path: Path):
    assert box.read() == Faults()
    assert box.strike("create", CLUSTER) is None
    (tmp_path / "faults.json").write_text("")
    assert box.strike("create", CLUSTER) is None


def test_all_mistakes_are_told_at_once(box: FaultBox, tmp_path: Path):
    ask(tmp_path, clok=1, clock=0, grants=[{"late": "soon"}], failures=[{"error": "flood"}, {"code": "X"}, {"error": "quota", "times": 0, "on": ["invoke"]}])
    with pytest.raises(ArmError) as caught:
        box.read()
    text = str(caught.value)
    assert f"{tmp_path}/faults.json has" in text
    for problem in (
        "clock: Input should be greater than 0",
        "clok: Extra inputs are not permitted",
        "grants[0].late",
        "failures[0].error: Input should be 'conflict', 'throttled'",
        "failures[1]: Value error, give `error`, or `code` and `message`",
        "failures[2].times",
        "failures[2].on[0]: Input should be 'create', 'update', 'delete' or 'read'",
    ):
        assert problem in text


def test_what_is_no_json_is_told(box: FaultBox, tmp_path: Path):
    (tmp_path / "faults.json").write_text("{")
    with pytest.raises(ArmError, match=r"faults\.json has 1 problems .*Invalid JSON"):
        box.read()


@pytest.mark.parametrize(
    ("error", "start"),
    [
        ("conflict", 'Status=409 Code="AnotherOperationInProgress" Message="Another operation on this or dependent resource is in progress.'),
        ("throttled", "Status=429 Code=\"SubscriptionRequestsThrottled\" Message=\"Number of 'write' requests for subscription 'sub'"),
        ("internal", 'Status=500 Code="InternalServerError"'),
        ("unavailable", 'Status=503 Code="ServiceUnavailable"'),
        ("operationFailed", 'Status=200 Code="ResourceDeploymentFailure"'),
        (
            "quota",
            'Status=400 Code="ErrCode_InsufficientVCPUQuota" Message="Insufficient regional vcpu quota left for location northeurope. left regional',
        ),
        (
            "notRegistered",
            'Status=409 Code="MissingSubscriptionRegistration" Message="The subscription is not registered to use namespace \'Microsoft.ContainerService\'.',
        ),
        ("forbidden", 'Status=403 Code="AuthorizationFailed"'),
        ("principalNotFound", 'Status=400 Code="PrincipalNotFound"'),
    ],
)
def test_every_kind_has_azures_code_and_words(box: FaultBox, tmp_path: Path, error: str, start: str):
    ask(tmp_path, failures=[{"error": error}])
    fault = box.strike("create", CLUSTER)
    assert str(fault).startswith(start)
    assert (error != "quota") or "left regional vcpu quota 0, requested quota 6." in str(fault)
    assert isinstance(fault, OperationFailedError) == (error == "operationFailed")


@pytest.mark.parametrize(
    ("arm_type", "code"),
    [
        ("Microsoft.Storage/storageAccounts", "MaxStorageAccountsCountPerSubscriptionExceeded"),
        ("Microsoft.Network/publicIPAddresses", "PublicIPCountLimitReached"),
        ("Microsoft.KeyVault/vaults", "QuotaExceeded"),
    ],
)
def test_each_service_tells_its_quota_in_its_own_way(box: FaultBox, tmp_path: Path, arm_type: str, code: str):
    ask(tmp_path, failures=[{"error": "quota"}])
    fault = box.strike("create", Call(arm_type=arm_type, identifier="/x"))
    assert fault
    assert fault.code == code


def test_own_words_replace_those_of_a_kind(box: FaultBox, tmp_path: Path):
    ask(tmp_path, failures=[{"error": "throttled", "code": "TooManyRequests", "retryAfter": 3}, {"code": "Own", "message": "words", "status": 418}])
    first, second = box.strike("create", CLUSTER), box.strike("create", CLUSTER)
    assert first
    assert (first.code, first.status, first.retry_after) == ("TooManyRequests", 429, 3)
    assert str(second) == 'Status=418 Code="Own" Message="words"'


def test_an_entry_strikes_so_many_times_also_in_another_run(box: FaultBox, tmp_path: Path):
    ask(tmp_path, failures=[{"error": "internal", "times": 2}])
    assert [bool(one.strike("create", CLUSTER)) for one in (box, FaultBox(tmp_path), box)] == [True, True, False]
    ask(tmp_path, failures=[{"error": "internal", "times": 3}])
    assert box.strike("create", CLUSTER), "an entry that is changed starts anew"


def test_an_entry_is_about_some_calls_only(box: FaultBox, tmp_path: Path):
    ask(tmp_path, failures=[{"error": "internal", "type": "microsoft.containerservice/*", "name": "AKS", "on": ["update", "delete"], "times": "always"}])
    assert [bool(box.strike(operation, CLUSTER)) for operation in ("create", "update", "delete", "read")] == [False, True, True, False]
    assert not box.strike("update", Call(arm_type=CLUSTER.arm_type, identifier="/s/other"))
    assert not box.strike("update", Call(arm_type="Microsoft.Storage/storageAccounts", identifier="/s/aks"))


def test_a_grants_role_can_be_named_or_numbered_and_the_first_entry_decides():
    faults = Faults.model_validate(
        {
            "grants": [
                {"role": "managed identity operator", "scope": "*/kubelet", "late": 60},
                {"role": OPERATOR.upper(), "late": "never"},
                {"role": "Acr*", "late": 5},
            ]
        }
    )
    assert faults.late(OPERATOR, "/x/Kubelet") == 60
    assert faults.late(OPERATOR, "/x/other") is None
    assert faults.late(next(guid for guid, name in ROLES.items() if name == "AcrPull"), "/registry") == 5
    assert faults.late("00000000-0000-0000-0000-000000000000", "/x/kubelet") == 0


class Waits(Clock):
    """A clock that writes down how long it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["waited"] = []

    def sleep(self, seconds: float) -> None:
        self.__dict__["waited"].append(seconds)


def outcome(*errors: ArmError) -> tuple[list[float], str]:
    """How long the plugin waited between its tries, and what it said in the end."""
    clock, left = Waits(), list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    try:
        answer = repeated(call, clock)
    except ArmError as error:
        answer = error.code
    return clock.__dict__["waited"], answer


def refusal(status: int, code: str = "X", retry_after: float | None = None) -> ArmError:
    return ArmError(code, "words", status, retry_after)


def test_what_azcore_repeats_is_repeated_three_times_with_its_pauses():
    assert outcome(*[refusal(503)] * 3) == ([20, 60, 120], "done")
    assert outcome(*[refusal(500)] * 4) == ([20, 60, 120], "X")
    assert outcome(*[refusal(409, "AnotherOperationInProgress")] * 2) == ([20, 60], "done")
    assert outcome(refusal(409, "Conflict")) == ([], "Conflict")
    assert outcome(refusal(403, "AuthorizationFailed")) == ([], "AuthorizationFailed")


def test_retry_after_decides_and_one_that_is_too_long_ends_it():
    assert outcome(refusal(429, retry_after=17), refusal(429, retry_after=120)) == ([17, 120], "done")
    assert outcome(refusal(429, retry_after=121)) == ([], "X")


def test_a_namespace_is_registered_by_the_plugin_three_times():
    missing = refusal(409, "MissingSubscriptionRegistration")
    assert outcome(missing)[1] == "done"
    assert outcome(*[missing] * 3)[1] == "done"
    assert outcome(*[missing] * 4)[1] == "MissingSubscriptionRegistration"


@given(st.lists(st.sampled_from([408, 429, 500, 502, 503, 504, 400, 403, 404, 409]), max_size=6))
def test_no_call_is_tried_more_than_four_times(statuses: list[int]):
    waited, _ = outcome(*(refusal(status) for status in statuses))
    assert len(waited) <= 3


def test_a_fast_clock_waits_less_and_ages_faster():
    clock, moment = Clock(1000), time.time() - 0.5
    started = time.monotonic()
    clock.sleep(20)
    assert time.monotonic() - started < 1
    assert clock.since(moment) >= 500
