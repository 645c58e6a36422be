import asyncio
import re
from collections.abc import Sequence

import pulumi
import pytest

from components.patience import AwaitedGrant, Patience
from components.spreading_grants import _Waiting, retrying
from tests.unit.components.fake_time import HOW_TO_GO_ON, OPERATOR, OPERATOR_COMMAND, OPERATOR_WORDS, PRINCIPAL, FakeTime
from tests.unit.components.recording import record

SUBNET = "/subscriptions/1/resourceGroups/group/providers/Microsoft.Network/virtualNetworks/net/subnets/nodes"
JOIN = AwaitedGrant(role="Network Contributor", scope=SUBNET, principal_id=PRINCIPAL, holder="the cluster's control plane")
KUBELET = (
    'Status=400 Code="CustomKubeletIdentityMissingPermissionError" Message="The cluster using user-assigned managed identity must be granted '
    "'Managed Identity Operator' role to assign kubelet identity.\""
)
LINKED = (
    f"Status=403 Code=\"LinkedAuthorizationFailed\" Message=\"The client '{PRINCIPAL}' with object id '{PRINCIPAL.upper()}' has permission to perform action "
    f"'Microsoft.ContainerService/managedClusters/write'; however, it does not have permission to perform action(s) "
    f"'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '{SUBNET.upper()}' (respectively).\""
)


def asked(
    time: FakeTime,
    error: str,
    *,
    spread_at: float,
    grants: Sequence[AwaitedGrant] = (OPERATOR,),
    operation: str = "create",
    takes: float = 1,
    **patience: float,
) -> tuple[bool, int]:
    """Plays the engine: tries until it passes or the hook says no. Returns whether it passed, and the attempts."""

    async def run() -> tuple[bool, int]:
        waiting = _Waiting("aks", grants, time.patience(**patience))
        failures: list[str] = []
        while True:
            time.now += takes
            if time.now - 1000 >= spread_at:
                return True, len(failures) + 1
            failures.insert(0, error)
            args = pulumi.ErrorHookArgs(urn="urn", id="", name="aks", type="t", failed_operation=operation, errors=failures)
            if not await waiting.shall_retry(args):
                return False, len(failures)

    return asyncio.run(run())


@pytest.mark.parametrize("seconds", [60, 300, 600])
def test_it_passes_soon_after_the_grant_has_spread(seconds: float, capsys: pytest.CaptureFixture[str]):
    time = FakeTime()
    passed, attempts = asked(time, KUBELET, spread_at=seconds)
    assert passed
    assert time.now - 1000 < seconds + 17
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == attempts - 1
    for number, line in enumerate(lines, start=2):
        told = rf"info: aks waits for {re.escape(OPERATOR_WORDS)} to take effect: .* so far, at most 15 min; attempt {number} in \d+ s"
        assert re.fullmatch(told, line), line
    assert "take effect: 0 s so far" in lines[0]


def test_it_ends_when_the_grant_never_spreads_and_says_which(capsys: pytest.CaptureFixture[str]):
    time = FakeTime()
    passed, attempts = asked(time, KUBELET, spread_at=float("inf"), takes=0)
    assert not passed
    assert time.now - 1000 == pytest.approx(900)
    assert attempts < 99
    *_, error = capsys.readouterr().err.split("error: ")
    assert error == (
        f"aks: Azure still refuses it after 15 min and {attempts} attempts. Missing: {OPERATOR_WORDS}. "
        f"Look whether it exists:\n  {OPERATOR_COMMAND}\n{HOW_TO_GO_ON}\n"
    )


def test_it_ends_before_the_engine_would_and_says_which(capsys: pytest.CaptureFixture[str]):
    """The engine ends an operation at its hundredth attempt, and forgets why."""
    passed, attempts = asked(FakeTime(), KUBELET, spread_at=float("inf"), takes=0, longest_pause=1)
    assert (passed, attempts) == (False, 99)
    assert "and 99 attempts. Missing: 'Managed Identity Operator'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        'Status=400 Code="QuotaExceeded" Message="Operation could not be completed."',
        'Status=403 Code="RequestDisallowedByPolicy" Message="Resource was disallowed by policy."',
        'Status=409 Code="AnotherOperationInProgress" Message="..."',
        'Code="AuthorizationFailedAtLast"',
        'Code="NotAuthorizationFailed"',
        "context canceled",
        "",
    ],
)
def test_what_is_not_about_rights_fails_at_once(error: str, capsys: pytest.CaptureFixture[str]):
    time = FakeTime()
    assert asked(time, error, spread_at=60) == (False, 1)
    assert time.pauses == []
    assert capsys.readouterr().err == ""


def test_somebody_elses_missing_right_fails_at_once():
    other = f"The client 'x' with object id '{'9' * 8}-2222-3333-4444-555555555555' does not have authorization"
    time = FakeTime()
    assert asked(time, f'Status=403 Code="AuthorizationFailed" Message="{other}"', spread_at=60) == (False, 1)
    assert time.pauses == []


@pytest.mark.parametrize(
    "code",
    [
        "AuthorizationFailed",
        "LinkedAuthorizationFailed",
        "CustomKubeletIdentityMissingPermissionError",
        "CustomPrivateDNSZoneMissingPermissionError",
        "PrincipalNotFound",
        "ForbiddenByRbac",
    ],
)
@pytest.mark.parametrize("operation", ["create", "update"])
def test_all_refusals_for_want_of_a_right_are_tried_again(code: str, operation: str):
    assert asked(FakeTime(), f'Code="{code}" Message="..."', spread_at=60, operation=operation)[0]


def test_a_delete_is_not_tried_again():
    assert asked(FakeTime(), KUBELET, spread_at=60, operation="delete") == (False, 1)


@pytest.mark.parametrize(("error", "named", "other"), [(KUBELET, OPERATOR.role, JOIN.role), (LINKED, JOIN.role, OPERATOR.role)])
def test_only_the_grant_that_the_refusal_is_about_is_named(error: str, named: str, other: str, capsys: pytest.CaptureFixture[str]):
    asked(FakeTime(), error, spread_at=30, grants=(OPERATOR, JOIN))
    told = capsys.readouterr().err
    assert named in told
    assert other not in told


def test_a_refusal_that_names_nothing_is_about_all(capsys: pytest.CaptureFixture[str]):
    asked(FakeTime(), 'Code="AuthorizationFailed"', spread_at=30, grants=(OPERATOR, JOIN))
    told = capsys.readouterr().err
    assert f"{OPERATOR_WORDS} and 'Network Contributor' for the cluster's control plane ({PRINCIPAL}) on {SUBNET}" in told


def test_a_half_done_create_is_left_to_the_next_update(capsys: pytest.CaptureFixture[str]):
    """The engine keeps it. A second create would be refused because it exists, and it would be forgotten."""
    time = FakeTime()
    half_done = f"1 error occurred:\n\t* {KUBELET}\n\n"
    assert asked(time, half_done, spread_at=60) == (False, 1)
    assert time.pauses == []
    assert f"error: aks was begun, but Azure could not finish it without {OPERATOR_WORDS}. Look whether it exists:" in capsys.readouterr().err
    assert asked(FakeTime(), half_done, spread_at=60, operation="update")[0]


def test_waiting_can_be_interrupted():
    async def run() -> None:
        args = pulumi.ErrorHookArgs(urn="urn", id="", name="aks", type="t", failed_operation="create", errors=[KUBELET])
        task = asyncio.create_task(_Waiting("aks", [OPERATOR], Patience()).shall_retry(args))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1)

    asyncio.run(run())


def test_the_hook_is_bound_to_the_resource_and_to_nothing_else():
    def program() -> None:
        options = retrying("consumer", [OPERATOR])
        assert {name for name, value in vars(options).items() if value not in (None, [], {})} <= {"hooks", "_depends_on"}
        pulumi.CustomResource("test:index:Consumer", "consumer", {}, pulumi.ResourceOptions.merge(pulumi.ResourceOptions(protect=True), options))

    for preview in (False, True):
        request = record(program, preview=preview).named("consumer").request
        assert list(request.hooks.on_error) == ["consumer-spreading-grants"]
        assert request.protect


def test_a_preview_does_not_wait():
    answers: list[bool] = []

    def program() -> None:
        async def ask() -> bool:
            args = pulumi.ErrorHookArgs(urn="urn", id="", name="aks", type="t", failed_operation="create", errors=[KUBELET])
            answers.append(await _Waiting("aks", [OPERATOR], FakeTime().patience()).shall_retry(args))
            return True

        pulumi.export("asked", pulumi.Output.from_input(ask()))

    record(program, preview=True)
    record(program, preview=False)
    assert answers == [False, True]
