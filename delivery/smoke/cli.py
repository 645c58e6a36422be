"""`converge smoke`: does a stack answer as its models must?"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from delivery.checkout import checkout_here, settings_of
from delivery.deploy.engine import Engine
from delivery.smoke.deployed import deployed_services
from delivery.smoke.stack import failures, models_of
from delivery.smoke.stack import smoke as smoke_services
from local_azure.progress import Progress
from model_store import LockedModel, read_lock
from model_store.lock import lock_file

FAILED = 5
"""Exit code: it is deployed, but does not do what it must."""


def smoke(
    stack: Annotated[str, typer.Argument(help="dev, prod or another stack with a Pulumi.<stack>.yaml.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Ask every service of a stack: is it ready, is it what the lock says, does it answer its golden requests, and fast enough?

    The cluster is that of kubectl's current context. Exit code 5: something is not as it must be.
    """
    checkout = checkout_here("converge smoke")
    lock = read_lock(lock_file(checkout / "locks", stack))
    settings = settings_of(checkout, stack)
    outputs = Engine(checkout, stack).outputs()
    services = deployed_services(outputs)
    models = models_of(services, [locked.model for locked in lock.services.values()], lambda: released_models(checkout, stack))
    with Progress(Console(stderr=True)) as progress:
        results = smoke_services(checkout, services, models, outputs.get("modelStore", ""), settings.delivery.slowest_milliseconds, progress)
    if as_json:
        print(json.dumps({name: result.model_dump(mode="json") for name, result in results.items()}, indent=2))
    else:
        wrong = failures(results)
        none = f"no service of {stack} is deployed, so nothing was asked"
        print("\n".join(wrong) or (f"smoke test of {stack} passed: {', '.join(sorted(results))}" if results else none))
    if failures(results):
        raise typer.Exit(FAILED)


def released_models(checkout: Path, stack: str) -> list[LockedModel]:
    """Models of the releases of a stack; raises DeliveryError when there is no repository."""
    from delivery.release.ledger import Ledger  # noqa: PLC0415 - rarely needed

    return [service.model for record in Ledger.of(checkout).records(stack) for service in record.services.values()]
