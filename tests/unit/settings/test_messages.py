import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from settings.fields import ALLOWED
from settings.messages import messages, report
from settings.schema import StackSettings, nested_models
from tests.unit.settings.test_schema import BASE_IMAGE

_NAME = "1 to 63 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen"
_SMALLEST = "at least 100m of cpu and 100Mi of memory (the smallest that AKS deployment safeguards accept)"
_VARIABLE = "a name of upper-case letters, digits and underscores that starts with a letter, such as QUEUE_MILLISECONDS"
_OUTWARD = "an IPv4 address or a range from /8 to /32 without Azure's metadata service, such as 10.20.0.0/24"
_MAPPING = "a mapping of keys to values"


def _messages(**values: Any) -> list[str]:
    with pytest.raises(ValidationError) as error:
        StackSettings.model_validate_json(json.dumps({"baseImage": BASE_IMAGE, **values}))
    return list(messages(error.value))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"baseImage": "python:3"}, 'baseImage: was "python:3"; allowed is an image by digest: <repository>[:<tag>]@sha256:<64 hexadecimal digits>'),
        ({"storageAccountName": "A"}, 'storageAccountName: was "A"; allowed is 3 to 24 lower-case letters and digits'),
        ({"registryName": "abc"}, 'registryName: was "abc"; allowed is 5 to 50 letters and digits'),
        ({"protectData": "yes"}, 'protectData: was "yes"; allowed is true or false'),
        ({"tags": []}, f"tags: was []; allowed is {_MAPPING}"),
        ({"tags": {"a": 1}}, "tags.a: was 1; allowed is text (in quotes where it looks like a number)"),
        ({"registry": "Premium"}, f'registry: was "Premium"; allowed is {_MAPPING}'),
        ({"registry": {"sku": "premium"}}, "registry.sku: was \"premium\"; allowed is 'Basic', 'Standard' or 'Premium'"),
        ({"modelStorage": {"softDeleteDays": 0}}, "modelStorage.softDeleteDays: was 0; allowed is a whole number, at least 1"),
        ({"modelStorage": {"softDeleteDays": 400}}, "modelStorage.softDeleteDays: was 400; allowed is a whole number, at most 365"),
        ({"modelStorage": {"softDeleteDays": 1.5}}, "modelStorage.softDeleteDays: was 1.5; allowed is a whole number"),
        ({"modelStorage": {"softDeleteDays": "7"}}, 'modelStorage.softDeleteDays: was "7"; allowed is a whole number'),
        ({"modelStorage": {"contributorGroupId": "us"}}, 'modelStorage.contributorGroupId: was "us"; allowed is a GUID, or nothing'),
        ({"cluster": {"kubernetesVersion": 1.34}}, "cluster.kubernetesVersion: was 1.34; allowed is text (in quotes where it looks like a number)"),
        ({"cluster": {"kubernetesVersion": "1.3"}}, "cluster.kubernetesVersion: was \"1.3\"; allowed is a minor version in quotes, such as '1.34'"),
        ({"cluster": {"nodeSize": "D4"}}, 'cluster.nodeSize: was "D4"; allowed is an Azure VM size, such as Standard_D4ds_v5'),
        ({"cluster": {"zones": "1"}}, 'cluster.zones: was "1"; allowed is a list'),
        ({"cluster": {"zones": ["1", "4"]}}, "cluster.zones[1]: was \"4\"; allowed is '1', '2' or '3'"),
        ({"cluster": {"adminGroupIds": ["us"]}}, 'cluster.adminGroupIds[0]: was "us"; allowed is a GUID, such as 11111111-2222-3333-4444-555555555555'),
        ({"cluster": {"minNodes": 4}}, 'cluster: was {"minNodes": 4}; allowed is maxNodes that is not below minNodes'),
        (
            {"allowedIpRanges": ["203.0.113.7", "10.0.0.0/8"]},
            'allowedIpRanges[1]: was "10.0.0.0/8"; allowed is a public IPv4 address, or a range from /8 to /30, such as 203.0.113.7 or 203.0.113.0/24',
        ),
        ({"services": {"name": "digits"}}, 'services: was {"name": "digits"}; allowed is a list'),
        ({"services": ["digits"]}, f'services[0]: was "digits"; allowed is {_MAPPING}'),
        ({"services": [{"name": "Digits"}]}, f'services[0].name: was "Digits"; allowed is {_NAME}'),
        (
            {"services": [{"name": "kube-system"}]},
            "services[0].name: was \"kube-system\"; allowed is a name that is not one of Kubernetes' or AKS' own namespaces",
        ),
        (
            {"services": [{"name": "a"}, {"name": "b", "app": "../b"}]},
            'services[1].app: was "../b"; allowed is a folder inside the project, relative and without ..',
        ),
        ({"services": [{"name": "a", "model": "-"}]}, f'services[0].model: was "-"; allowed is {_NAME}'),
        ({"services": [{"name": "a", "replicas": 0}]}, "services[0].replicas: was 0; allowed is a whole number from 1 to 1000, or {min: ..., max: ...}"),
        ({"services": [{"name": "a", "replicas": True}]}, "services[0].replicas: was true; allowed is a whole number from 1 to 1000, or {min: ..., max: ...}"),
        ({"services": [{"name": "a", "replicas": "2"}]}, 'services[0].replicas: was "2"; allowed is a whole number from 1 to 1000, or {min: ..., max: ...}'),
        (
            {"services": [{"name": "a", "replicas": {"min": 3, "max": 2}}]},
            'services[0].replicas: was {"min": 3, "max": 2}; allowed is max that is not below min',
        ),
        ({"services": [{"name": "a", "replicas": {"min": 0, "max": 2}}]}, "services[0].replicas.min: was 0; allowed is a whole number, at least 1"),
        ({"services": [{"name": "a", "resources": {"cpu": "0.5"}}]}, 'services[0].resources.cpu: was "0.5"; allowed is cores, such as 250m or 2'),
        (
            {"services": [{"name": "a", "resources": {"memory": "1G"}}]},
            'services[0].resources.memory: was "1G"; allowed is bytes with the unit Mi or Gi, such as 512Mi',
        ),
        (
            {"services": [{"name": "a", "resources": {"cpu": "99m"}}]},
            f'services[0].resources: was {{"cpu": "99m"}}; allowed is {_SMALLEST}',
        ),
        ({"services": [{"name": "a", "resources": {"cpu": "2"}}]}, 'services[0].resources: was {"cpu": "2"}; allowed is cpuLimit that is not below cpu'),
        ({"services": [{"name": "a", "startupSeconds": 5}]}, "services[0].startupSeconds: was 5; allowed is a whole number, at least 10"),
        ({"services": [{"name": "a", "exposure": "all"}]}, "services[0].exposure: was \"all\"; allowed is 'cluster', 'network' or 'internet'"),
        ({"services": [{"name": "a", "environment": []}]}, f"services[0].environment: was []; allowed is {_MAPPING}"),
        ({"services": [{"name": "a", "environment": {"maxRows": 1}}]}, f'services[0].environment.maxRows: was "maxRows"; allowed is {_VARIABLE}'),
        ({"services": [{"name": "a", "environment": {"": 1}}]}, f'services[0].environment.: was ""; allowed is {_VARIABLE}'),
        (
            {"services": [{"name": "a", "environment": {"GRPC_PORT": 1}}]},
            (
                'services[0].environment.GRPC_PORT: was "GRPC_PORT"; allowed is a name that the deployment does not set itself; '
                "it sets HOST, PORT, GRPC_PORT, MODEL_DIR, IMAGE_DIGEST"
            ),
        ),
        (
            # What it was set to is not told: it may well be the secret.
            {"services": [{"name": "a", "environment": {"API_KEY": "hush"}}]},
            (
                'services[0].environment.API_KEY: was "API_KEY"; allowed is a name that is not a secret\'s: '
                "put the secret into a Kubernetes Secret, name that in `secret`, and its file in API_KEY_FILE"
            ),
        ),
        (
            {"services": [{"name": "a", "environment": {"ENTRA_ROLES": ["a", "b"]}}]},
            'services[0].environment.ENTRA_ROLES: was ["a", "b"]; allowed is text, a number, true or false',
        ),
        (
            {"services": [{"name": "a", "environment": {"ENTRA_ROLES": None}}]},
            "services[0].environment.ENTRA_ROLES: was null; allowed is text, a number, true or false",
        ),
        (
            {"services": [{"name": "a", "secret": "API_KEYS"}]},
            'services[0].secret: was "API_KEYS"; allowed is the name of a Kubernetes Secret: lower-case letters, digits, hyphens and dots, such as api-keys',
        ),
        (
            {"services": [{"name": "a", "reaches": [{"port": 443}]}]},
            'services[0].reaches[0]: was {"port": 443}; allowed is a port with either cidr or namespace',
        ),
        (
            {"services": [{"name": "a", "reaches": [{"cidr": "10.0.0.0/24", "namespace": "x", "port": 443}]}]},
            'services[0].reaches[0]: was {"cidr": "10.0.0.0/24", "namespace": "x", "port": 443}; allowed is a port with either cidr or namespace',
        ),
        (
            {"services": [{"name": "a", "reaches": [{"cidr": "0.0.0.0/0", "port": 443}]}]},
            f'services[0].reaches[0].cidr: was "0.0.0.0/0"; allowed is {_OUTWARD}',
        ),
        (
            {"services": [{"name": "a", "reaches": [{"cidr": "169.254.169.254", "port": 80}]}]},
            f'services[0].reaches[0].cidr: was "169.254.169.254"; allowed is {_OUTWARD}',
        ),
        (
            {"services": [{"name": "a", "reaches": [{"namespace": "x", "port": 0}]}]},
            "services[0].reaches[0].port: was 0; allowed is a whole number, at least 1",
        ),
        (
            {"services": [{"name": "a", "reaches": [{"namespace": "x", "port": 65536}]}]},
            "services[0].reaches[0].port: was 65536; allowed is a whole number, at most 65535",
        ),
        ({"deployer": {"principalType": "Robot"}}, "deployer.principalType: was \"Robot\"; allowed is '', 'User', 'Group' or 'ServicePrincipal'"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_what_it_was_and_what_is_allowed(values: dict[str, Any], message: str):
    assert _messages(**values) == [f"converge:{message}"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"protectdata": True}, "protectdata: is not a key; did you mean protectData?"),
        ({"base_image": BASE_IMAGE}, "base_image: is not a key; did you mean baseImage?"),
        ({"cluster": {"nodSize": "x"}}, "cluster.nodSize: is not a key; did you mean nodeSize?"),
        ({"services": [{"name": "a", "replica": 2}]}, "services[0].replica: is not a key; did you mean replicas?"),
        ({"services": [{"name": "a", "resources": {"memry": "1Gi"}}]}, "services[0].resources.memry: is not a key; did you mean memory?"),
        ({"services": [{"name": "a", "replicas": {"min": 1, "max": 2, "maxi": 2}}]}, "services[0].replicas.maxi: is not a key; did you mean max?"),
        ({"registry": {"zzz": 1}}, "registry.zzz: is not a key; known are sku, resourceGroupId, registryId"),
        ({"deployer": {"zzz": 1}}, "deployer.zzz: is not a key; known are principalId, principalType"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_known_one(values: dict[str, Any], message: str):
    assert _messages(**values) == [f"converge:{message}"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"services": [{}]}, "services[0].name: is missing; Name of the service, and of its image repository and entry in the lock."),
        ({"services": [{"name": "a", "reaches": [{"namespace": "x"}]}]}, "services[0].reaches[0].port: is missing; TCP port."),
        ({"services": [{"name": "a", "replicas": {"min": 1}}]}, "services[0].replicas.max: is missing; Most pods."),
    ],
)
def test_a_missing_key_is_told_with_its_meaning(values: dict[str, Any], message: str):
    assert _messages(**values) == [f"converge:{message} See docs/infrastructure-engineer.md"]


def test_the_one_required_key_is_told_when_nothing_is_set():
    with pytest.raises(ValidationError) as error:
        StackSettings.model_validate_json("{}")
    assert list(messages(error.value)) == ["converge:baseImage: is missing; Python base image of the services, by digest. See docs/infrastructure-engineer.md"]


def test_all_problems_are_told_at_once():
    found = _messages(
        services=[{"name": "A", "replicas": 0, "typo": 1}, {"app": "/"}], registry={"sku": "x"}, protectData=1, cluster={"minNodes": 0, "zones": [1]}
    )
    assert [message.partition(": ")[0] for message in found] == [
        "converge:services[0].name",
        "converge:services[0].replicas",
        "converge:services[0].typo",
        "converge:services[1].name",
        "converge:services[1].app",
        "converge:registry.sku",
        "converge:cluster.minNodes",
        "converge:cluster.zones[0]",
        "converge:protectData",
    ]


def test_names_that_stand_twice_are_listed():
    typed = [{"name": name} for name in "baab"]
    (message,) = _messages(services=typed)
    allowed = "a list of services with different names; a, b is there more than once"
    assert message == f"converge:services: was {json.dumps(typed)}; allowed is {allowed}"


def test_a_long_value_is_shortened():
    (message,) = _messages(storageAccountName="x" * 500)
    shown = message.partition("; allowed")[0].removeprefix("converge:storageAccountName: was ")
    assert shown == '"' + "x" * 76 + "..."


def test_every_pattern_says_in_words_what_it_allows():
    # None of them may show a regular expression to anybody.
    def patterns(schema: object) -> set[str]:
        match schema:
            case dict():
                own = {pattern} if isinstance(pattern := schema.get("pattern"), str) else set()
                return own.union(*map(patterns, schema.values()))
            case list():
                return set().union(*map(patterns, schema))
            case _:
                return set()

    assert patterns(StackSettings.model_json_schema()) == set(ALLOWED)
    assert all(ALLOWED.values())


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["digits", "1.34", "Standard", "2"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "min", "max", "sku", "replicas", "cpu", "zones", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([to_camel(name) for name in StackSettings.model_fields]), _VALUES, max_size=4))
@hypothesis(deadline=None)
def test_whatever_is_typed_every_problem_has_words(values: dict[str, Any]):
    problem = None
    try:
        StackSettings.model_validate_json(json.dumps({"baseImage": BASE_IMAGE, **values}))
    except ValidationError as error:
        problem = error
    found = list(messages(problem)) if problem else []
    assert len(found) == (problem.error_count() if problem else 0)
    for message in found:
        assert message.startswith("converge:")
        # pydantic's own words begin so: they are about Python's types, not about keys in a file.
        assert "allowed is Input should" not in message
        assert "[0-9a-f]" not in message


def test_keys_of_keys_are_found_for_suggestions():
    def walk(model: type[BaseModel], path: str = "") -> set[str]:
        return {f"{path}{to_camel(name)}" for name in model.model_fields} | {
            key for name, inner in nested_models(model) for key in walk(inner, f"{path}{name}.")
        }

    assert {"services.replicas.min", "services.resources.cpuLimit", "cluster.adminGroupIds", "deployer.principalId"} <= walk(StackSettings)


def test_a_report_counts_and_indents_and_says_where_to_read_on():
    assert report(["a: is wrong", "b: is wrong\nand long"], "dev") == (
        "the settings of stack 'dev' (Pulumi.dev.yaml) have 2 problems:\n  a: is wrong\n  b: is wrong\n  and long\n"
        "Keys are explained in docs/infrastructure-engineer.md."
    )
    assert report(["a: is wrong"], "prod").splitlines()[0] == "the settings of stack 'prod' (Pulumi.prod.yaml) have one problem:"
