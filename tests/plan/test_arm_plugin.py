"""The simulated ARM under the real engine: create, change, replace, refresh, import, kill, destroy."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from local_azure import engine
from local_azure.assembly import LocalAzure
from local_azure.choices import Choices
from local_azure.progress import Progress
from local_azure.sandbox import Sandbox

_CHECKOUT = Path(__file__).parents[2]

_PROGRAM = """
import pulumi
import pulumi_azure_native as azure

config = pulumi.Config()
group = azure.resources.ResourceGroup("data", location="westeurope", tags={"team": config.get("team") or "ml"})
account = azure.storage.StorageAccount(
    "models",
    resource_group_name=group.name,
    kind=config.get("kind") or "StorageV2",
    is_hns_enabled=config.get_bool("folders") or False,
    sku={"name": config.get("sku") or "Standard_LRS"},
)
container = azure.storage.BlobContainer("container", resource_group_name=group.name, account_name=account.name, container_name="models")
identity = azure.managedidentity.UserAssignedIdentity("identity", resource_group_name=group.name)
registry = azure.containerregistry.Registry("registry", resource_group_name=group.name, sku={"name": "Basic"})
azure.authorization.RoleAssignment(
    "pull",
    scope=registry.id,
    principal_id=identity.principal_id,
    principal_type="ServicePrincipal",
    role_definition_id="/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d",
)
for number in range(config.get_int("groups") or 0):
    azure.resources.ResourceGroup(f"more{number}", location="westeurope")
pulumi.export("blob", account.primary_endpoints.blob)
pulumi.export("tag", pulumi.Output.secret("a-secret-value"))
"""


@dataclass
class Project:
    """A small program in a sandbox of its own."""

    folder: Path
    variables: dict[str, str]

    def pulumi(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", *arguments, "--stack", "test", "--non-interactive", "--color", "never"]
        return subprocess.run(command, cwd=self.folder, env={**self.variables, **more}, capture_output=True, text=True, check=False)

    def set(self, key: str, value: str) -> None:
        assert self.pulumi("config", "set", key, value).returncode == 0

    def up(self) -> str:
        result = self.pulumi("up", "--yes", "--skip-preview")
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def steps(self) -> dict[str, list[str]]:
        """What a preview would do, by resource name; what stays the same is left out."""
        result = self.pulumi("preview", "--json")
        assert result.returncode == 0, result.stdout + result.stderr
        found: dict[str, list[str]] = {}
        for step in json.loads(result.stdout)["steps"]:
            if step["op"] != "same":
                found.setdefault(step["urn"].rsplit("::", 1)[-1], []).append(step["op"])
        return found

    @property
    def sandbox(self) -> Path:
        return Path(self.variables["CONVERGE_SANDBOX"])

    @property
    def arm_file(self) -> Path:
        return self.sandbox / "arm" / "resources.json"

    def faults(self, **asked: Any) -> None:
        self.arm_file.parent.mkdir(exist_ok=True)
        (self.arm_file.parent / "faults.json").write_text(json.dumps(asked))

    def exported(self) -> dict[str, Any]:
        """What the engine knows of each resource, by URN."""
        found = json.loads(self.pulumi("stack", "export").stdout)["deployment"]["resources"]
        kept = ("type", "id", "inputs", "outputs", "parent")
        return {
            one["urn"]: {name: one.get(name) for name in kept} | {"after": sorted(one.get("dependencies", ()))}
            for one in found
            if one["type"].startswith("azure-native:")
        }

    def resources(self) -> dict[str, Any]:
        return json.loads(self.arm_file.read_text())["resources"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    sandbox = Sandbox.of(_CHECKOUT, environment)
    with Progress(Console(file=sys.stderr)) as progress:
        azure = LocalAzure(sandbox, Choices(), progress)
        azure.preview_only()
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "__main__.py").write_text(_PROGRAM)
    (folder / "Pulumi.yaml").write_text(f"name: arm\nruntime:\n  name: python\n  options:\n    virtualenv: {_CHECKOUT / '.venv'}\n")
    made = Project(folder, {**environment, **engine.environment(sandbox, built=azure.found_pulumi is None)})
    result = made.pulumi("stack", "init")
    assert result.returncode == 0, result.stderr
    made.set("azure-native:subscriptionId", "00000000-0000-0000-0000-000000000001")
    return made


def test_the_life_of_resources(project: Project):
    assert {operation for operations in project.steps().values() for operation in operations} == {"create"}
    project.up()
    assert project.steps() == {}
    assert json.loads(project.pulumi("stack", "output", "--json").stdout)["blob"].endswith(".blob.core.windows.net.invalid/")

    project.set("team", "platform")
    assert project.steps() == {"data": ["update"]}
    project.set("sku", "Standard_ZRS")
    assert project.steps() == {"data": ["update"], "models": ["update"]}
    project.up()
    assert project.steps() == {}

    # The plugin replaces for the one; for the other it tries in place, and ARM refuses.
    project.set("folders", "true")
    assert "replace" in project.steps()["models"]
    project.set("folders", "false")
    project.set("kind", "BlockBlobStorage")
    assert project.steps() == {"models": ["update"]}
    failed = project.pulumi("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert 'Status=400 Code="PropertyChangeNotAllowed" Message="Changing property \'properties.kind\' is not allowed."' in failed.stdout

    project.set("kind", "StorageV2")
    document = json.loads(project.arm_file.read_text())
    changed = next(resource for resource in document["resources"].values() if resource["token"].endswith(":ResourceGroup"))
    changed["inputs"]["tags"] = {"team": "somebody"}
    project.arm_file.write_text(json.dumps(document))
    refreshed = project.pulumi("refresh", "--yes", "--diff")
    assert '"platform" => "somebody"' in refreshed.stdout
    assert project.steps() == {"data": ["update"]}
    project.up()

    state = (Path(project.variables["CONVERGE_SANDBOX"]) / "pulumi-state" / ".pulumi" / "stacks" / "arm" / "test.json").read_text()
    assert "a-secret-value" not in state

    assert project.pulumi("destroy", "--yes").returncode == 0
    assert project.resources() == {}


def test_bad_inputs_are_refused_in_the_preview_with_arms_words(project: Project):
    project.set("sku", "Standard_XRS")
    result = project.pulumi("preview")
    assert result.returncode != 0
    assert "InvalidValue: it is 'Standard_XRS'; allowed are" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_an_existing_resource_can_be_imported(project: Project):
    project.up()
    identifier = next(resource["id"] for resource in project.resources().values() if resource["token"].endswith(":Registry"))
    assert project.pulumi("state", "delete", "--yes", "--force", "--target-dependents", _urn(project, "registry")).returncode == 0
    result = project.pulumi("import", "azure-native:containerregistry:Registry", "registry", identifier, "--yes", "--protect=false", "--generate-code=false")
    assert result.returncode == 0, result.stdout + result.stderr


def _urn(project: Project, name: str) -> str:
    exported = json.loads(project.pulumi("stack", "export").stdout)
    return next(resource["urn"] for resource in exported["deployment"]["resources"] if resource["urn"].endswith(f"::{name}"))


def test_faults_are_what_a_program_sees_of_azure(project: Project):
    passing = {"error": "throttled", "type": "Microsoft.Storage/storageAccounts", "times": 3}
    failing = {"error": "operationFailed", "type": "Microsoft.ContainerRegistry/*"}
    project.faults(clock=1000, failures=[passing, failing])
    failed = project.pulumi("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    # What the plugin repeats by itself nobody sees.
    assert "SubscriptionRequestsThrottled" not in failed.stdout
    assert 'Status=200 Code="ResourceDeploymentFailure" Message="The resource write operation failed to complete successfully' in failed.stdout
    (registry,) = (one for one in project.exported().values() if one["type"].endswith(":Registry"))
    assert registry["outputs"]["provisioningState"] == "Failed"

    # The next update goes on with the registry that Azure has, instead of making it again.
    project.faults()
    steps = project.steps()
    assert (steps["registry"], steps["pull"]) == (["update"], ["create"])
    project.up()
    assert len(project.resources()) == 6


def test_a_mistake_in_the_faults_is_told_with_its_place(project: Project):
    project.faults(failures=[{"error": "flood"}])
    failed = project.pulumi("preview")
    assert failed.returncode != 0
    assert "faults.json has 1 problems (docs/simulated-faults.md): failures[0].error: Input should be 'conflict', 'throttled'" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr


def _kill_at(project: Project, count: int) -> None:
    """Starts an update and kills the engine once so many resources exist."""
    command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test", "--non-interactive"]
    running = subprocess.Popen(command, cwd=project.folder, env=project.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (project.arm_file.exists() and len(project.resources()) >= count):
        assert running.poll() is None, "it was done before it could be killed"
        time.sleep(0.005)
    # The language host and its program would go on waiting for an engine that is gone.
    orphans = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    running.wait(10)
    for orphan in orphans:
        with suppress(psutil.NoSuchProcess):
            orphan.kill()
    engine.repair_state(project.sandbox / "pulumi-state")


def _described(project: Project) -> dict[str, Any]:
    """All that exists, without the moment at which it was made."""
    return {key: {name: value for name, value in resource.items() if name != "at"} for key, resource in project.resources().items()}


def test_an_update_that_is_killed_at_every_tenth_resource_ends_in_the_same_state(project: Project):
    project.set("groups", "40")
    # Long enough to be killed between Azure's answer and the engine's note of it.
    project.faults(delay=0.1)
    for count in (10, 20, 30, 40):
        _kill_at(project, count)
        assert count <= len(project.resources()) < 46
    project.faults()
    project.up()
    continued, exported = _described(project), project.exported()
    assert len(continued) == 46
    # The same program in one go: equal in Azure, and in what the engine knows.
    assert project.pulumi("destroy", "--yes", "--skip-preview").returncode == 0
    assert project.resources() == {}
    project.up()
    assert _described(project) == continued
    again = project.exported()
    assert {urn: (one, again[urn]) for urn, one in exported.items() if again.get(urn) != one} == {}


def test_as_with_the_real_plugin_what_was_cut_off_can_be_taken_over_by_its_id(project: Project):
    project.set("groups", "8")
    project.faults(delay=1, refuseExisting=True)
    _kill_at(project, 5)
    project.faults(refuseExisting=True)
    refused = project.pulumi("up", "--yes", "--skip-preview")
    assert refused.returncode != 0
    assert "error: cannot create already existing resource '/subscriptions/" in refused.stdout
    known = project.exported()
    left = [one for one in project.resources().values() if one["urn"] not in known]
    wanted = [{"type": one["token"], "name": one["urn"].rsplit("::", 1)[-1], "id": one["id"]} for one in left]
    (project.folder / "left.json").write_text(json.dumps({"resources": wanted}))
    taken_over = project.pulumi("import", "--file", "left.json", "--yes", "--skip-preview", "--protect=false", "--generate-code=false")
    assert taken_over.returncode == 0, taken_over.stdout + taken_over.stderr
    project.up()
    assert len(project.resources()) == 14


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [("CONVERGE_SANDBOX", "", "CONVERGE_SANDBOX is not set"), ("CONVERGE_SANDBOX", "/", "is no sandbox")],
)
def test_outside_a_sandbox_the_engine_gets_no_plugin(project: Project, variable: str, value: str, message: str):
    result = project.pulumi("preview", **{variable: value})
    assert result.returncode != 0
    assert message in result.stdout + result.stderr
    assert not project.arm_file.exists()


def test_a_state_elsewhere_is_never_touched(project: Project, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    backend = {"PULUMI_BACKEND_URL": f"file://{elsewhere}"}
    assert project.pulumi("stack", "init", **backend).returncode == 0
    result = project.pulumi("preview", **backend)
    assert result.returncode != 0
    assert "the simulated Azure may only touch" in result.stdout + result.stderr
