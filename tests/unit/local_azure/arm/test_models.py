"""The files of the models: what the installed packages give, and what Microsoft's own code makes of the bodies."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_azure.arm.models import Property, Shape, azure_mgmt, extract, model_of, report, shape_of
from local_azure.arm.models.__main__ import main
from local_azure.arm.models.body import body_of
from local_azure.arm.models.sources import DIFFERENCES, EXAMPLES_ONLY, FROM_MODEL, PLACES, SOURCES
from local_azure.arm.types import ALL
from local_azure.arm.wire import UNKNOWN, Secret
from tests.unit.local_azure.arm.examples import EXAMPLES

FOLDER = Path(extract.__file__).parent


def test_the_files_are_what_the_installed_packages_give():
    made = extract.documents({name: kind.in_url for name, kind in ALL.items()})
    assert {path.stem for path in FOLDER.glob("*.json")} == set(made)
    for namespace, text in made.items():
        assert (FOLDER / f"{namespace}.json").read_text() == text, f"{namespace}.json is old; `python -m local_azure.arm.models` makes it anew"


def test_every_type_has_a_model_and_every_model_a_type():
    assert set(SOURCES) == set(ALL) == set(EXAMPLES)


def all_shapes() -> dict[str, dict[str, Any]]:
    return {f"{path.stem}:{name}": shape for path in FOLDER.glob("*.json") for name, shape in json.loads(path.read_text())["shapes"].items()}


def test_every_shape_that_is_named_exists_and_every_pattern_can_be_used():
    for name in all_shapes():
        namespace, shape = name.split(":")
        for declared in shape_of(namespace, shape).properties.values():
            re.compile(declared.limits.get("pattern", ""))
            for inner in filter(None, declared.type.strip("[]{}").split("|")):
                assert inner in ("string", "boolean", "integer", "number", "any") or shape_of(namespace, inner)


def test_the_exceptions_name_properties_that_exist():
    named = {f"{name.split(':')[1]}.{key}" for name, shape in all_shapes().items() for key in shape["properties"]}
    assert named >= EXAMPLES_ONLY | FROM_MODEL | PLACES.keys()


def test_where_the_api_versions_differ_it_is_said_what_that_means():
    different = {name for name in ALL if model_of(name).sdk_api_version != model_of(name).model_api_version}
    assert different == set(DIFFERENCES)
    assert len(different) < len(ALL) / 4, "most types are checked against the very API version that the SDK uses"


def test_only_types_of_another_api_version_have_properties_that_the_model_does_not_know():
    newer = {name for name in ALL if any(not declared.modelled for declared in model_of(name).inputs.properties.values())}
    assert newer <= set(DIFFERENCES)


def test_the_documentation_has_the_tables_that_the_command_makes():
    text = report.DOCUMENT.read_text()
    assert report.document(text) == text, "docs/simulated-arm.md is old; `python -m local_azure.arm.models` makes its tables anew"
    for name in ALL:
        assert f"\n| {name.removeprefix('azure-native:').replace(':', '.')} |" in text


def test_the_command_prints_the_tables_and_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]):
    assert main(["--report"]) == 0
    assert "| storage.StorageAccount | 2024-01-01 | 87, 0 |" in capsys.readouterr().out
    assert main(["--reprot"]) == 2
    assert capsys.readouterr().err == "error: unknown arguments --reprot; allowed is --report, or nothing\n"


def test_the_simulation_itself_needs_neither_the_sdk_nor_microsofts_packages():
    """They are large and slow to import; a preview must not wait for them."""
    program = (
        "import sys, local_azure.arm.provider\n"
        "from local_azure.arm import check, types\n"
        "for kind in types.ALL.values(): check.examine(kind, {})\n"
        "print([name for name in sys.modules if name.startswith(('azure.mgmt', 'pulumi_azure_native'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=FOLDER.parents[2], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_body_has_arms_names_and_places():
    account = EXAMPLES["azure-native:storage:StorageAccount"]
    body = body_of("azure-native:storage:StorageAccount", account)
    assert set(body) == {"location", "kind", "sku", "identity", "properties"}
    assert body["properties"]["supportsHttpsTrafficOnly"] is True
    assert body["properties"]["networkAcls"]["ipRules"] == [{"value": "198.51.100.0/24", "action": "Allow"}]
    assert body["identity"]["userAssignedIdentities"] == {account["identity"]["userAssignedIdentities"][0]: {}}
    alert = body_of("azure-native:monitor:MetricAlert", EXAMPLES["azure-native:monitor:MetricAlert"])
    assert alert["properties"]["criteria"]["odata.type"] == "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"


def test_what_is_secret_or_not_known_yet_stays_so_in_the_body():
    inputs = {"location": UNKNOWN, "kind": Secret("StorageV2"), "allowSharedKeyAccess": UNKNOWN}
    body = body_of("azure-native:storage:StorageAccount", inputs)
    assert body == {"location": UNKNOWN, "kind": Secret("StorageV2"), "properties": {"allowSharedKeyAccess": UNKNOWN}}
    identity = {"identity": {"type": "UserAssigned", "userAssignedIdentities": ["/one", UNKNOWN]}}
    assert body_of("azure-native:storage:StorageAccount", identity)["identity"]["userAssignedIdentities"] is UNKNOWN


def own_form(model: type[Any], body: dict[str, Any]) -> dict[str, Any]:
    """The body after Microsoft's own code has read and written it: what it does not know is lost, what it knows otherwise is told."""
    if hasattr(model, "deserialize"):
        return model.deserialize(json.loads(json.dumps(body))).serialize()
    return json.loads(json.dumps(model(body).as_dict()))


@pytest.mark.parametrize("pulumi_type", sorted(EXAMPLES))
def test_microsofts_own_code_reads_every_body_and_loses_nothing(pulumi_type: str):
    """Independent of our reading of the models: the packages themselves deserialize and serialize the body."""
    body = body_of(pulumi_type, EXAMPLES[pulumi_type])
    if pulumi_type == "azure-native:monitor:AzureMonitorWorkspace":
        # Newer than the model; docs/simulated-arm.md says so.
        assert body.pop("properties") == {"publicNetworkAccess": "Enabled"}
    assert own_form(azure_mgmt.model_of(SOURCES[pulumi_type]), body) == body


SAMPLES: dict[str, Any] = {
    "string": "x",
    "boolean": True,
    "integer": 1,
    "number": 2,
    "any": {"b": "c"},
    "date-time": "2026-01-01T00:00:00.000Z",
    "date": "2026-01-01",
    "duration": "PT5M",
    "base64": "YQ==",
    "base64url": "YQ",
}


def everything(namespace: str, shape: Shape, alternative: int, above: frozenset[str] = frozenset()) -> dict[str, Any]:
    """An object with every property that the model has; of several shapes the one at a number, and none within itself."""

    def value(declared: Property, kind: str) -> Any:
        if kind[0] in "[{":
            inner = value(declared, kind[1:-1])
            return None if inner is None else [inner] if kind[0] == "[" else {"a": inner}
        if kind[0].isupper():
            names = kind.split("|")
            name = names[alternative % len(names)]
            return None if name in above else everything(namespace, shape_of(namespace, name), alternative, above | {name})
        if declared.choices:
            return declared.choices[0] if kind == "string" else int(declared.choices[0])
        return SAMPLES[declared.format or kind]

    written = {name: declared for name, declared in shape.properties.items() if declared.modelled and not declared.in_url and not declared.readonly}
    made = {name: value(declared, declared.type) for name, declared in written.items()}
    return {name: item for name, item in made.items() if item is not None}


@pytest.mark.parametrize("alternative", [0, 1, 2])
def test_every_property_of_every_type_arrives_where_microsofts_model_has_it(alternative: int):
    for name, kind in ALL.items():
        body = json.loads(json.dumps(body_of(name, everything(name.split(":")[1], kind.model.inputs, alternative))))
        assert own_form(azure_mgmt.model_of(SOURCES[name]), body) == body, name
