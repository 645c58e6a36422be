"""`converge drift` on a stack that was really deployed and then changed by people and by Azure: real engine, simulated Azure."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from delivery.plan.golden import sample_lock
from local_azure.arm.drift import drift as azures_own
from local_azure.arm.state import State
from tests.plan.conftest import ROOT, Program, copied, simulated

_STACK = "dev"
_COMMAND = "import sys; sys.path.insert(0, sys.argv.pop(1)); from cli import main; main()"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory):
    with simulated(copied(tmp_path_factory.mktemp("drift") / "checkout")) as program:
        program.new_stack(_STACK)
        program.write_lock(_STACK, sample_lock(ROOT, _STACK))
        made = program.pulumi("up", "--yes", "--skip-preview", "--stack", _STACK)
        assert made.returncode == 0, made.stdout + made.stderr
        yield program


def converge_drift(program: Program, *options: str) -> subprocess.CompletedProcess[str]:
    """The command as a pipeline calls it, in the environment of the simulated stack."""
    command = [sys.executable, "-c", _COMMAND, str(ROOT), "drift", _STACK, *options]
    return subprocess.run(command, cwd=program.folder, env=program._environment, capture_output=True, text=True, timeout=300, check=False)


def saved_state(program: Program) -> bytes:
    (path,) = (program.sandbox / "pulumi-state" / ".pulumi" / "stacks").rglob(f"{_STACK}.json")
    return path.read_bytes()


def change(program: Program, kind: str, **values: Any) -> None:
    """What somebody does in the portal."""

    def edit(resources: dict[str, dict[str, Any]]) -> None:
        (record,) = (one for one in resources.values() if one["token"].endswith(f":{kind}"))
        for part in ("inputs", "outputs"):
            record[part].update(values)

    State(program.sandbox / "arm").change(edit)


def delete(program: Program, name: str) -> None:
    def edit(resources: dict[str, dict[str, Any]]) -> None:
        (key,) = (key for key, one in resources.items() if one["id"].rsplit("/", 1)[-1] == name)
        del resources[key]

    State(program.sandbox / "arm").change(edit)


def test_from_nothing_over_azures_own_to_what_people_did(deployed: Program, tmp_path: Path):
    """One story, since every step waits for the engine."""
    before = saved_state(deployed)
    untouched = converge_drift(deployed, "--json")
    assert untouched.returncode == 0, untouched.stderr
    report = json.loads(untouched.stdout)
    assert (report["people"], report["azure"], report["notes"]) == ([], [], [])
    assert report["unchanged"] > 20

    azures_own(deployed.sandbox)
    own = converge_drift(deployed)
    assert own.returncode == 0, own.stderr
    assert "dev: as the last deployment left it, but for what Azure changes by itself" in own.stdout
    assert "agentPoolProfiles[0].count: 1 -> 3" in own.stdout
    assert "the cluster's upgrade channel brings newer versions" in own.stdout

    change(deployed, "StorageAccount", minimumTlsVersion="TLS1_0", tags={"application": "converge", "environment": "dev", "owner": "somebody"})
    delete(deployed, "aksManagedNodeOSUpgradeSchedule")
    out = tmp_path / "drift.md"
    people = converge_drift(deployed, "--markdown", "--out", str(out))
    assert people.returncode == 3, people.stderr
    assert "dev: people changed 2 resources since the last deployment" in people.stdout
    assert "    minimumTlsVersion: TLS1_2 -> TLS1_0\n" in people.stdout
    assert "    tags.owner: (nothing) -> somebody\n" in people.stdout
    assert "`pulumi up --refresh --stack dev` puts it back; or write it into Pulumi.dev.yaml if it is to stay" in people.stdout
    assert "converge-cluster-aksManagedNodeOSUpgradeSchedule is gone" in people.stdout
    assert "| `minimumTlsVersion` | `TLS1_2` | `TLS1_0` |  |" in out.read_text()

    # It only looks.
    assert saved_state(deployed) == before

    # And what it advises is what happens.
    put_back = deployed.pulumi("up", "--refresh", "--yes", "--skip-preview", "--stack", _STACK)
    assert put_back.returncode == 0, put_back.stdout + put_back.stderr
    again = converge_drift(deployed, "--json")
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(again.stdout)["people"] == []


def test_what_the_engine_refuses_is_one_message(deployed: Program):
    deployed.new_stack("empty")
    (deployed.folder / "Pulumi.empty.yaml").unlink()
    command = [sys.executable, "-c", _COMMAND, str(ROOT), "drift", "empty"]
    missing = subprocess.run(command, cwd=deployed.folder, env=deployed._environment, capture_output=True, text=True, timeout=60, check=False)
    assert missing.returncode == 1
    assert "there is no Pulumi.empty.yaml" in missing.stderr
    no_login = {**deployed._environment, "PULUMI_CONFIG_PASSPHRASE": "another"}
    refused = subprocess.run([*command[:-1], _STACK], cwd=deployed.folder, env=no_login, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "error: the stack 'dev' cannot be compared with what is there:" in refused.stderr
    assert "passphrase" in refused.stderr
    assert "Traceback" not in refused.stderr
