"""Nobody runs it by accident, and never where something could be lost."""

from pathlib import Path

import httpx
import pytest

from delivery.azure.errors import AzureError
from delivery.verify import guard, prices

_MINE = "99999999-9999-4999-8999-999999999999"
_DEV = "abcdef88-8888-4888-8888-888888888888"
_DEV_FILE = f"""config:
  azure-native:location: northeurope
  azure-native:subscriptionId: {_DEV}
  bootstrap:github: acme/vision
  converge:baseImage: x
  converge:modelStorage: {{contributorGroupId: g, softDeleteDays: 9, writeOnceDays: 30}}
  converge:cluster: {{maxNodes: 9, nodeSize: Standard_D2ds_v5, adminGroupIds: [g]}}
"""
_SAID = {"VERIFY_AZURE_SUBSCRIPTION": _MINE, "VERIFY_AZURE_ADDRESS": "203.0.113.7"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.dev.yaml").write_text(_DEV_FILE)
    return tmp_path


def never(_question: str) -> str:
    raise AssertionError("nobody is to be asked")


def test_the_variable_says_it(checkout: Path):
    found = guard.meant(checkout, _SAID, None)
    assert found == guard.Meant(subscription_id=_MINE, location="northeurope", address="203.0.113.7")
    assert guard.meant(checkout, {**_SAID, "VERIFY_AZURE_LOCATION": "uksouth"}, None).location == "uksouth"


def test_or_somebody_types_the_id(checkout: Path):
    assert guard.meant(checkout, {"VERIFY_AZURE_ADDRESS": "203.0.113.7"}, lambda _question: f" {_MINE} ").subscription_id == _MINE


@pytest.mark.parametrize("typed", ["", "y", "yes", _MINE[:-1]])
def test_yes_is_not_enough(checkout: Path, typed: str):
    with pytest.raises(AzureError, match="is no subscription id, so nothing was done"):
        guard.meant(checkout, {"VERIFY_AZURE_ADDRESS": "203.0.113.7"}, lambda _question: typed)


@pytest.mark.parametrize(("environment", "ask"), [({}, None), ({"CI": "true"}, never), ({"CI": "1", "VERIFY_AZURE_SUBSCRIPTION": " "}, never)])
def test_in_a_pipeline_and_without_a_terminal_it_refuses(checkout: Path, environment: dict[str, str], ask: None):
    with pytest.raises(AzureError, match="it never runs unless VERIFY_AZURE_SUBSCRIPTION names the subscription"):
        guard.meant(checkout, environment, ask)


def test_a_subscription_of_a_stack_is_refused(checkout: Path):
    with pytest.raises(AzureError, match=r"is that of Pulumi\.dev\.yaml; verify-azure needs one of its own"):
        guard.meant(checkout, {**_SAID, "VERIFY_AZURE_SUBSCRIPTION": _DEV.upper()}, None)


@pytest.mark.parametrize("address", ["", "here", "fe80::1"])
def test_without_an_address_nobody_would_get_in(checkout: Path, address: str):
    with pytest.raises(AzureError, match="VERIFY_AZURE_ADDRESS is"):
        guard.meant(checkout, {**_SAID, "VERIFY_AZURE_ADDRESS": address}, None)


def test_the_stack_is_devs_but_smaller_locked_and_deletable(checkout: Path):
    deployer = {"principalId": "me", "principalType": "User"}
    values = guard.stack_values(checkout, guard.meant(checkout, _SAID, None), deployer)
    assert values["azure-native:subscriptionId"] == _MINE
    assert values["converge:protectData"] is True
    assert values["converge:modelStorage"] == {"softDeleteDays": 9, "writeOnceDays": 0}
    assert values["converge:cluster"] == {"minNodes": 1, "maxNodes": 2, "userPools": [], "nodeSize": "Standard_D2ds_v5", "adminGroupIds": []}
    assert values["converge:allowedIpRanges"] == ["203.0.113.7"]
    assert values["converge:deployer"] == deployer
    assert not any(key.startswith("bootstrap:") for key in values)


def _listed(*items: dict[str, object]) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda _request: httpx.Response(200, json={"Items": list(items)})))


def _item(price: float, product: str = "Virtual Machines Ddsv5 Series", sku: str = "D2ds v5") -> dict[str, object]:
    return {"retailPrice": price, "productName": product, "skuName": sku}


def test_the_cost_note_is_azures_price_of_linux_nodes():
    client = _listed(
        _item(0.2, product="Virtual Machines Ddsv5 Series Windows"), _item(0.125), _item(0.01, sku="D2ds v5 Spot"), _item(0.02, sku="D2ds v5 Low Priority")
    )
    note = prices.note(client, location="westeurope", size="Standard_D2ds_v5", nodes=2)
    assert note.startswith("cost: at most 2 nodes Standard_D2ds_v5 at 0.125 USD an hour each, about 0.50 USD for 2 hours; besides: ")


@pytest.mark.parametrize("client", [_listed(), httpx.Client(transport=httpx.MockTransport(lambda _request: httpx.Response(503)))])
def test_without_the_price_list_the_calculator_is_named(client: httpx.Client):
    assert prices.CALCULATOR in prices.note(client, location="westeurope", size="Standard_D2ds_v5", nodes=2)
