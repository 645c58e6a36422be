"""`python -m delivery.verify`: asks whether it is meant, then runs. `--destroy` only ends what an earlier run left."""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import typer
import yaml

from delivery.azure import stack_file
from delivery.azure.arm import Arm
from delivery.azure.login import Login
from delivery.errors import DeliveryError
from delivery.verify import guard, prices, smoke
from delivery.verify.machine import Shell
from delivery.verify.steps import Verification

_TIMEOUT = httpx.Timeout(30, connect=5)


def main(destroy: bool = typer.Option(False, "--destroy", help="Only end what an earlier run left.")) -> None:
    """Make everything in a real subscription, look at it, and delete it."""
    checkout = stack_file.checkout(Path.cwd())
    location = os.environ.get("VERIFY_AZURE_LOCATION") or "westeurope"
    with httpx.Client(timeout=_TIMEOUT) as client:
        typer.echo(prices.note(client, location=location, size=guard.node_size(checkout), nodes=guard.MOST_NODES))
        wanted = guard.meant(checkout, os.environ, typer.prompt if sys.stdin.isatty() else None)
        login = Login()
        caller = login.caller()
        deployer = {"principalId": caller.object_id, "principalType": caller.kind}
        folder = _folder(os.environ, wanted.subscription_id)
        _write_stack(checkout, guard.stack_values(checkout, wanted, deployer))
        machine = Shell(folder=checkout, log=folder / "run.log", variables=_variables(folder, wanted.subscription_id))
        machine.run("az", "account", "set", "--subscription", wanted.subscription_id)
        machine.run("pulumi", "stack", "select", "--create", guard.STACK, "--secrets-provider", "passphrase", "--non-interactive")
        run = Verification(
            machine=machine, arm=Arm(login, client), folder=folder, python=sys.executable, publisher=deployer, smoke=smoke.predict, say=typer.echo
        )
        run.destroy_only() if destroy else run.run()
    for made in (checkout / f"Pulumi.{guard.STACK}.yaml", checkout / "locks" / f"{guard.STACK}.json"):
        made.unlink(missing_ok=True)
    typer.echo("all of it works, and nothing is left" if not destroy else "nothing is left")


def _folder(environment: Mapping[str, str], subscription_id: str) -> Path:
    """Of the runs in a subscription: state, passphrase, log. It outlives a run, so that one that was cut off can be ended."""
    state = Path(environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/root")) / ".local" / "state")
    folder = state / "converge" / "verify-azure" / subscription_id.lower()
    (folder / "state").mkdir(mode=0o700, parents=True, exist_ok=True)
    passphrase = folder / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_hex(32))
    return folder


def _variables(folder: Path, subscription_id: str) -> Mapping[str, str]:
    return {
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "ARM_SUBSCRIPTION_ID": subscription_id,
        "AAD_LOGIN_METHOD": os.environ.get("AAD_LOGIN_METHOD", "azurecli"),
    }


def _write_stack(checkout: Path, values: Mapping[str, object]) -> None:
    """Writes the stack's file; what Pulumi added there for its passphrase stays."""
    path = checkout / f"Pulumi.{guard.STACK}.yaml"
    document = yaml.safe_load(path.read_text()) if path.exists() else {}
    path.write_text(yaml.safe_dump({**(document or {}), "config": dict(values)}, sort_keys=False))


if __name__ == "__main__":
    try:
        typer.run(main)
    except DeliveryError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
