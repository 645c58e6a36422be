"""What `converge doctor` does: asks everything at once that can be asked at once, and shows what it found."""

from collections.abc import Sequence
from pathlib import Path

import httpx
import typer
import yaml
from rich.console import Console

from delivery.azure import stack_file
from delivery.azure.arm import Arm
from delivery.azure.errors import AzureError
from delivery.azure.login import Login
from delivery.doctor import adopted, identity, places, providers, reach, region, report, rights
from delivery.doctor.context import Context
from delivery.doctor.findings import Finding, Status, failure
from delivery.doctor.runner import Check, run
from delivery.doctor.versions import Machine

_TIMEOUT = httpx.Timeout(15, connect=5)


def doctor(stack: str, *, plans_only: bool, as_json: bool) -> None:
    """Shows the findings; ends with exit code 1 when an update would fail.

    Raises:
        AzureError: there is no such stack.
    """
    checkout = stack_file.checkout(Path.cwd())
    file = stack_file.read(checkout, stack)
    with httpx.Client(timeout=_TIMEOUT) as client:
        findings = examine(file, _project(checkout), Login(), client, Machine(), plans_only=plans_only)
    if as_json:
        typer.echo(report.as_json(stack, findings))
    else:
        report.show(Console(), stack, findings)
    if report.failed(findings):
        raise typer.Exit(1)


def examine(file: stack_file.StackFile, project: str, login: Login, client: httpx.Client, machine: Machine, *, plans_only: bool) -> Sequence[Finding]:
    """All findings. Without a login only those of this machine, without a visible subscription none that lie in it."""
    local: dict[str, Check] = {"versions": machine.check}
    try:
        caller = login.caller()
    except AzureError as error:
        how = "az login" if "az login" in str(error) else "check the network, then run it again"
        return [failure("login", str(error), how), *run(local)]
    context = Context(file=file, project=project, arm=Arm(login, client), caller=caller, plans_only=plans_only)
    first = run({"login": lambda: identity.check(context)})
    if any(one.status is Status.FAILURE for one in first):
        return [*first, *run(local)]
    return [*first, *_in_subscription(context, local)]


def _in_subscription(context: Context, local: dict[str, Check]) -> Sequence[Finding]:
    try:
        found = places.find(context)
    except AzureError as error:
        return [failure("resources", str(error), "the role Reader on the subscription lets one look"), *run(local)]
    checks: dict[str, Check] = {
        "rights": lambda: rights.check(context, found),
        "existing resources": lambda: adopted.check(context),
        "providers": lambda: providers.check(context),
        "reach": lambda: reach.check(context, found),
    }
    if not context.plans_only:
        checks["node sizes"] = lambda: region.sizes_and_quota(context, found)
        checks["Kubernetes version"] = lambda: region.kubernetes_version(context, found)
        checks["features"] = lambda: region.features(context)
    return run({**checks, **local})


def _project(checkout: Path) -> str:
    try:
        document = yaml.safe_load((checkout / "Pulumi.yaml").read_text())
        return str(document["name"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise AzureError(f"Pulumi.yaml in {checkout} cannot be read or has no `name`: {error}") from error
