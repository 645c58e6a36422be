import json
from collections.abc import Mapping
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pulumi
import pytest

import settings
from model_store import Lock, LockedService, write_lock
from settings import Settings, SettingsError
from tests.unit.model_store.samples import locked
from tests.unit.settings.stack_files import as_pulumi_does, stack_values
from tests.unit.settings.test_schema import BASE_IMAGE

_MINIMUM: dict[str, Any] = {"azure-native:subscriptionId": "sub", "azure-native:location": "westeurope", "converge:baseImage": BASE_IMAGE}
_MODEL = locked(3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with an app that sends what the sample model needs."""
    (tmp_path / "app_template" / "app").mkdir(parents=True)
    (tmp_path / "app_template" / "Dockerfile").write_text("FROM scratch\n")
    contract = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}], "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}]}
    (tmp_path / "app_template" / "app" / "contract.json").write_text(json.dumps(contract))
    return tmp_path


def _in_stack(stack: str, config: Mapping[str, str], action: Any) -> Any:
    def run() -> Any:
        pulumi.runtime.reset_options(project="converge", stack=stack)
        pulumi.runtime.set_all_config(dict(config))
        return action()

    # Pulumi keeps stack and configuration in context variables.
    return copy_context().run(run)


def _load(root: Path, values: Mapping[str, Any] = _MINIMUM, stack: str = "dev") -> Settings:
    return _in_stack(stack, as_pulumi_does(values), lambda: settings.load(root))


def _problems(root: Path, values: Mapping[str, Any], stack: str = "dev") -> list[str]:
    with pytest.raises(SettingsError) as error:
        _load(root, values, stack)
    first, *problems, last = str(error.value).splitlines()
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    assert first == f"the settings of stack {stack!r} (Pulumi.{stack}.yaml) have {count}:"
    assert last == "Keys are explained in docs/infrastructure-engineer.md."
    assert all(problem.startswith("  ") for problem in problems)
    return [problem.removeprefix("  ") for problem in problems]


def test_the_least_that_a_stack_has_to_say(root: Path):
    loaded = _load(root)
    assert loaded.stack.base_image == BASE_IMAGE
    assert loaded.locked == {}
    assert [service.name for service in loaded.not_deployed] == ["digits"]
    assert loaded.deployed == []


def test_a_lock_decides_what_is_deployed(root: Path):
    write_lock(root / "locks" / "dev.json", Lock(services={"digits": LockedService(model=_MODEL)}))
    loaded = _load(root, {**_MINIMUM, "converge:services": [{"name": "waiting"}, {"name": "digits"}]})
    assert [(service.name, locked_.model.version) for service, locked_ in loaded.deployed] == [("digits", 3)]
    assert [service.name for service in loaded.not_deployed] == ["waiting"]


def test_every_stack_has_its_own_lock(root: Path):
    write_lock(root / "locks" / "dev.json", Lock(services={"digits": LockedService(model=_MODEL)}))
    assert _load(root, stack="prod").deployed == []


def test_the_unique_name_differs_by_subscription_and_stack_only(root: Path):
    assert _load(root).unique_name == "sub/converge/dev"
    assert _load(root, stack="prod").unique_name == "sub/converge/prod"
    assert _load(root, {**_MINIMUM, "azure-native:subscriptionId": "other"}).unique_name == "other/converge/dev"
    assert _load(root, {**_MINIMUM, "azure-native:location": "northeurope", "converge:protectData": True}).unique_name == "sub/converge/dev"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_committed_stack_files_are_read_as_they_are(root: Path, stack: str):
    typed, loaded = stack_values(stack), _load(root, stack_values(stack), stack).stack
    assert loaded.protect_data == typed.get("converge:protectData", False) == (stack == "prod")
    assert loaded.deployer.principal_id == typed["converge:deployer"]["principalId"]
    assert list(loaded.allowed_ip_ranges) == typed.get("converge:allowedIpRanges", [])
    assert bool(loaded.allowed_ip_ranges) == (stack == "dev")
    assert loaded.network.private == (stack == "prod")


def test_text_that_looks_like_something_else_stays_text(root: Path):
    loaded = _load(root, {**_MINIMUM, "converge:storageAccountName": "123456", "converge:registryName": "12345"}).stack
    assert (loaded.storage_account_name, loaded.registry_name) == ("123456", "12345")
    assert _load(root, {**_MINIMUM, "converge:storageAccountName": "true"}).stack.storage_account_name == "true"


def test_configuration_is_read_from_where_pulumi_puts_it(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(as_pulumi_does({**_MINIMUM, "converge:protectData": True})))
    assert _in_stack("dev", {}, lambda: settings.load(root)).stack.protect_data
    assert not _in_stack("dev", {"converge:protectData": "false"}, lambda: settings.load(root)).stack.protect_data


def test_other_namespaces_are_nobodys_business(root: Path):
    assert _load(root, {**_MINIMUM, "other:protectdata": True, "pulumi:tags": {"a": "b"}}).stack.tags == {}


@pytest.mark.parametrize("key", ["subscriptionId", "location"])
def test_where_azure_is_has_to_be_said(root: Path, key: str):
    values = {name: value for name, value in _MINIMUM.items() if name != f"azure-native:{key}"}
    assert _problems(root, values, "prod") == [f"azure-native:{key}: is missing; set it with `pulumi config set azure-native:{key} <value> --stack prod`"]


def test_a_stack_that_says_nothing_is_told_everything(root: Path):
    assert _problems(root, {}) == [
        "azure-native:subscriptionId: is missing; set it with `pulumi config set azure-native:subscriptionId <value> --stack dev`",
        "azure-native:location: is missing; set it with `pulumi config set azure-native:location <value> --stack dev`",
        "converge:baseImage: is missing; Python base image of the services, by digest. See docs/infrastructure-engineer.md",
    ]


def test_all_problems_of_settings_and_lock_are_reported_at_once(root: Path):
    (root / "locks").mkdir()
    (root / "locks" / "dev.json").write_text("{")
    values = {
        "azure-native:location": "westeurope",
        "converge:baseImage": "python",
        "converge:protectdata": True,
        "converge:services": [{"name": "digits", "replicas": 0}],
        "converge:registry": "Premium",
    }
    problems = _problems(root, values)
    assert [problem.partition(": ")[0] for problem in problems] == [
        "azure-native:subscriptionId",
        f"{root}/locks/dev.json",
        "converge:baseImage",
        "converge:services[0].replicas",
        "converge:registry",
        "converge:protectdata",
    ]
    assert problems[1].startswith(f"{root}/locks/dev.json: not valid JSON: ")
    assert problems[4] == 'converge:registry: was "Premium"; allowed is a mapping of keys to values'


def test_services_are_compared_with_lock_and_apps(root: Path):
    write_lock(root / "locks" / "dev.json", Lock(services={"digits": LockedService(model=_MODEL), "gone": LockedService(model=_MODEL)}))
    values = {**_MINIMUM, "converge:services": [{"name": "digits", "model": "letters"}, {"name": "other", "app": "apps/other"}]}
    assert [problem.partition("; ")[0] for problem in _problems(root, values)] == [
        "converge:services[0].model: is 'letters', but locks/dev.json has the model 'digits'",
        "converge:services[1].app: was 'apps/other', which has no Dockerfile and no app/contract.json",
        "locks/dev.json: has a model for the service 'gone', which converge:services does not have",
    ]


def test_settings_that_do_not_fit_each_other_are_reported_beside_all_else(root: Path):
    values = {**_MINIMUM, "converge:network": {"private": True}, "converge:services": [{"name": "digits", "app": "apps/other"}]}
    del values["azure-native:location"]
    *problems, last = _problems(root, values)
    assert problems == [
        "azure-native:location: is missing; set it with `pulumi config set azure-native:location <value> --stack dev`",
        "converge:registry.sku: was Standard; allowed is Premium beside converge:network.private: true, no other tier has private endpoints",
        "converge:cluster.tier: was Free; allowed is Standard or Premium beside converge:network.private: true, since others rely on such a cluster",
    ]
    assert last.startswith("converge:services[0].app: was 'apps/other', which has no Dockerfile")


def test_services_that_are_reached_and_have_a_model(root: Path):
    door = {"exposure": "network", "certificate": "c", "audience": "api://a"}
    services = [{"name": "digits", "host": "digits.example.com", **door}, {"name": "waiting", "host": "waiting.example.com", **door}, {"name": "inside"}]
    vault = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers/Microsoft.KeyVault/vaults/certificates"
    write_lock(root / "locks" / "dev.json", Lock(services={name: LockedService(model=_MODEL) for name in ("digits", "inside")}))
    models = [{**service, "model": "digits"} for service in services]
    loaded = _load(root, {**_MINIMUM, "converge:services": models, "converge:ingress": {"keyVaultId": vault}})
    assert [service.name for service in loaded.reached] == ["digits"]


@pytest.mark.parametrize("text", ["{not json", "yes", "[1,"])
def test_text_where_something_else_belongs_is_shown_as_typed(root: Path, text: str):
    assert _problems(root, {**_MINIMUM, "converge:protectData": text}) == [f'converge:protectData: was "{text}"; allowed is true or false']


def test_settings_and_what_they_hold_cannot_be_changed(root: Path):
    loaded = _load(root)
    with pytest.raises(AttributeError):
        loaded.__setattr__("unique_name", "other")


@pytest.mark.parametrize(
    ("service", "promote"),
    [
        ({"name": "digits"}, "converge model promote digits latest --stack dev"),
        ({"name": "digits", "model": "letters"}, "converge model promote letters latest --stack dev --service digits"),
    ],
)
def test_a_service_without_a_model_is_told_how_to_get_one(root: Path, service: dict[str, str], promote: str):
    def hint() -> str:
        (waiting,) = settings.load(root).not_deployed
        return settings.how_to_get_a_model(waiting)

    model = service.get("model", "digits")
    assert _in_stack("dev", as_pulumi_does({**_MINIMUM, "converge:services": [service]}), hint) == (
        f"service digits is not deployed: locks/dev.json has no model for it. Publish one with `converge model publish {model} <folder>`, "
        f"choose it with `{promote}`, then run `pulumi up` again."
    )
