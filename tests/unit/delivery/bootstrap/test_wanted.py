"""What bootstrap makes of a stack's file."""

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import naming
from delivery.azure.errors import AzureError
from delivery.azure.login import Caller
from delivery.azure.stack_file import StackFile
from delivery.bootstrap import names, wanted

_CALLER = Caller(object_id="11111111-1111-4111-8111-111111111111", tenant_id="22222222-2222-4222-8222-222222222222", name="ada", kind="User")
_GROUP = {"principalId": "33333333-3333-4333-8333-333333333333", "principalType": "Group"}
_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


def file(**values: Any) -> StackFile:
    config = {key.replace("__", ":"): value for key, value in values.items()}
    return StackFile(stack="dev", path=Path("Pulumi.dev.yaml"), subscription_id=_SUBSCRIPTION, location="westeurope", values=config)


def made(**values: Any) -> wanted.Wanted:
    return wanted.from_file(file(**{"bootstrap__github": "acme/vision", **values}), _CALLER)


def refused(**values: Any) -> str:
    with pytest.raises(AzureError) as raised:
        wanted.from_file(file(**values), _CALLER)
    return str(raised.value)


def test_github_gets_one_subject_to_deploy_and_two_to_plan():
    found = made()
    assert [(one.issuer, one.subject) for one in found.deploy] == [("https://token.actions.githubusercontent.com", "repo:acme/vision:environment:dev")]
    assert [one.subject for one in found.plan] == ["repo:acme/vision:pull_request", "repo:acme/vision:environment:dev-plan"]


def test_azure_pipelines_brings_its_own_issuer_and_subjects():
    issuer = "https://login.microsoftonline.com/22222222-2222-4222-8222-222222222222/v2.0"
    connections = {"plan": {"issuer": issuer, "subject": "/eid1/p"}, "deploy": {"issuer": issuer, "subject": "/eid1/d"}}
    found = wanted.from_file(file(bootstrap__azurePipelines=connections), _CALLER)
    assert [(one.issuer, one.subject) for one in found.deploy] == [(issuer, "/eid1/d")]
    assert [(one.issuer, one.subject) for one in found.plan] == [(issuer, "/eid1/p")]


def test_what_pull_requests_become_can_only_plan():
    assert "pull_request" not in {subject.rsplit(":", 1)[-1] for subject in (one.subject for one in made().deploy)}


def test_the_operators_are_those_named_then_the_group_that_deploys_then_the_caller():
    assert made(bootstrap__operators=_GROUP, converge__deployer={}).operators.principal_id == _GROUP["principalId"]
    assert made(converge__deployer=_GROUP).operators.principal_id == _GROUP["principalId"]
    assert made(converge__deployer={**_GROUP, "principalType": "ServicePrincipal"}).operators.principal_id == _CALLER.object_id
    assert made().operators.principal_type == "User"


@pytest.mark.parametrize(
    "deployer", [{"principalType": "Group"}, {"principalType": "Group", "principalId": "us"}, {"principalType": "Group", "principalId": 7}]
)
def test_a_group_without_an_id_is_told(deployer: dict[str, Any]):
    message = refused(bootstrap__github="acme/vision", converge__deployer=deployer)
    assert message.startswith("Pulumi.dev.yaml: converge:deployer.principalId is missing or no GUID")


def test_without_a_pipeline_the_line_to_add_is_told():
    assert refused() == (
        "Pulumi.dev.yaml: nobody is named who may become the pipeline's identities. Add below `config:` a line `bootstrap:github: <owner>/<name>`, or "
        "`bootstrap:azurePipelines: {plan: {issuer, subject}, deploy: {issuer, subject}}, copied from the drafts of two service connections`"
    )


def test_every_problem_is_told_at_once_by_its_key():
    message = refused(bootstrap__github="vision", bootstrap__gitlab="x", bootstrap__allowedIpRanges=["10.0.0.1/8"], bootstrap__redundancy="LRS")
    lines = message.splitlines()
    assert len(lines) == 4
    assert "Pulumi.dev.yaml: bootstrap:github is 'vision'; it must be <owner>/<name> of the repository" in lines
    assert any(line.startswith("Pulumi.dev.yaml: bootstrap:gitlab is no key; there are bootstrap:github, ") for line in lines)
    assert any("bootstrap:allowedIpRanges is ['10.0.0.1/8']; it must be a list of public IPv4 addresses" in line for line in lines)


@given(stack=st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=100), subscription=st.uuids().map(str))
def test_names_keep_azures_limits(stack: str, subscription: str):
    account, vault = names.storage_account(subscription, stack), names.vault(subscription, stack)
    assert 3 <= len(account) <= 24
    assert account.isalnum()
    assert account == account.lower()
    assert 3 <= len(vault) <= 24
    assert vault[0].isalpha()
    assert vault[-1] != "-"
    assert "--" not in vault
    assert len(names.group(stack)) <= 90 + len(stack)
    assert names.storage_account(subscription.upper(), stack) == account


def test_two_stacks_and_two_subscriptions_never_share_a_name():
    pairs = [(subscription, stack) for subscription in (_SUBSCRIPTION, _SUBSCRIPTION.replace("1", "2")) for stack in ("dev", "prod", "dev-eu")]
    assert len({names.storage_account(*pair) for pair in pairs}) == len(pairs)
    assert len({names.vault(*pair) for pair in pairs}) == len(pairs)


def test_a_grant_has_the_name_that_the_program_would_give_it():
    facts = ("/subscriptions/A", "11111111-1111-4111-8111-111111111111", "7f951dda-4ed3-4680-a7ca-43fe172d538d")
    assert names.role_assignment(*facts) == naming.role_assignment(*facts)


def test_addresses_are_what_pulumi_takes():
    assert made().backend_url == f"azblob://state?storage_account={made().account}"
    assert made().secrets_provider == f"azurekeyvault://{made().vault}.vault.azure.net/keys/pulumi-secrets"
