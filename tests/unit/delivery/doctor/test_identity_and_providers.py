"""Who one is, where, and what the subscription has registered."""

from collections.abc import Sequence
from typing import Any

import pytest

from delivery.azure.errors import RefusedError
from delivery.doctor import identity, providers
from delivery.doctor.findings import Finding, Status
from tests.unit.delivery.doctor.stacks import SCOPE, context, healthy, stack
from tests.unit.delivery.fake_azure import SUBSCRIPTION, FakeAzure, refusal


def by_check(findings: Sequence[Finding], check: str) -> Finding:
    (found,) = (one for one in findings if one.check == check)
    return found


def test_all_is_well():
    found = identity.check(context(healthy()))
    assert [one.status for one in found] == [Status.OK] * 3
    assert "ada@example.com (User" in found[0].message


@pytest.mark.parametrize("answer", [None, refusal(403, "AuthorizationFailed"), refusal(401, "InvalidAuthenticationTokenTenant", "wrong issuer")])
def test_a_subscription_that_the_login_does_not_see(answer: Any):
    azure = healthy()
    azure.set(SCOPE, answer)
    found = by_check(identity.check(context(azure)), "subscription")
    assert found.status is Status.FAILURE
    assert found.message == f"ada@example.com does not see {SUBSCRIPTION}, which Pulumi.dev.yaml names"
    assert found.command == f"az login --tenant <tenant> && az account set --subscription {SUBSCRIPTION}"


def test_other_errors_are_not_taken_for_that():
    azure = healthy()
    azure.set(SCOPE, refusal(400, "InvalidSubscriptionId"))
    with pytest.raises(RefusedError, match="InvalidSubscriptionId"):
        identity.check(context(azure))


def test_a_subscription_that_is_switched_off():
    azure = healthy()
    azure.set(SCOPE, {"state": "Disabled", "displayName": "Vision"})
    assert "Vision" in by_check(identity.check(context(azure)), "subscription").message
    assert by_check(identity.check(context(azure)), "subscription").status is Status.FAILURE


def test_the_examples_subscription_is_nobodys():
    file = stack()
    example = type(file)(stack="dev", path=file.path, subscription_id="00000000-0000-0000-0000-000000000001", location="westeurope", values={})
    azure = FakeAzure()
    found = by_check(identity.check(context(azure, file=example)), "subscription")
    assert found.status is Status.FAILURE
    assert "replace azure-native:subscriptionId in Pulumi.dev.yaml" in found.command
    assert azure.requests == []


@pytest.mark.parametrize(
    ("deployer", "status"),
    [
        ({}, Status.WARNING),
        ({"principalId": "x"}, Status.WARNING),
        ({"principalId": "x", "principalType": "User"}, Status.OK),
        ({"principalId": "x", "principalType": "Group"}, Status.OK),
    ],
)
def test_who_is_to_deploy(deployer: dict[str, str], status: Status):
    assert by_check(identity.check(context(healthy(), deployer=deployer)), "deployer").status is status


def test_providers_that_are_not_registered_are_told_with_the_commands():
    azure = healthy()
    items = azure.answers[f"{SCOPE}/providers".lower()]["value"]
    azure.set(f"{SCOPE}/providers", {"value": [one for one in items if one["namespace"] != "Microsoft.Storage"]})
    items[0]["registrationState"] = "NotRegistered"
    (found,) = providers.check(context(azure))
    assert found.status is Status.FAILURE
    assert found.message == "not registered: Microsoft.ContainerService (NotRegistered), Microsoft.Storage (unknown)"
    assert found.command == " && ".join(
        f"az provider register --subscription {SUBSCRIPTION} --namespace {name} --wait" for name in ("Microsoft.ContainerService", "Microsoft.Storage")
    )


def test_a_stack_without_monitoring_needs_fewer_providers():
    assert "Microsoft.Monitor" not in providers.needed(context(healthy()))
    everything = context(healthy(), monitoring={"enabled": True}, cluster={"defender": True, "azurePolicy": True})
    assert {"Microsoft.Monitor", "Microsoft.Security", "Microsoft.PolicyInsights"} <= set(providers.needed(everything))
    assert providers.check(everything)[0].status is Status.OK
