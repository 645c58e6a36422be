"""Bootstrap with the simulated Azure: the real engine and the real program, in a sandbox that ends with the command."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from delivery.azure.login import Caller
from delivery.bootstrap import existing
from delivery.bootstrap.engine import Backend, Bootstrap
from delivery.bootstrap.wanted import Wanted
from local_azure import engine
from local_azure.assembly import LocalAzure
from local_azure.choices import Choices
from local_azure.progress import Progress
from local_azure.sandbox import PRINCIPAL_ID, TENANT_ID, Sandbox

CALLER = Caller(object_id=PRINCIPAL_ID, tenant_id=TENANT_ID, name="the simulation's caller", kind="User")


def backend(checkout: Path, folder: Path) -> Backend:
    """A place for state in a sandbox of its own below the folder; nothing of it is Azure's, or another sandbox's."""
    sandbox = Sandbox.of(checkout, {**os.environ, "XDG_STATE_HOME": str(folder)})
    with Progress(Console(file=sys.stderr, quiet=True)) as progress:
        azure = LocalAzure(sandbox, Choices(), progress)
        azure.preview_only()
    variables = engine.environment(sandbox, built=azure.found_pulumi is None)
    return Backend(url=f"file://{sandbox.pulumi_state}", work=folder / "work", variables=variables, pulumi=sandbox.pulumi_home)


def exists_in(place: Backend) -> existing.Exists:
    """What the simulated Azure has."""
    resources = Path(place.variables["CONVERGE_SANDBOX"]) / "arm" / "resources.json"
    return lambda identifier, _version: resources.exists() and identifier.lower() in json.loads(resources.read_text())["resources"]


@contextmanager
def simulated(wanted: Wanted, checkout: Path) -> Iterator[tuple[Bootstrap, existing.Exists]]:
    """Bootstrap's stack with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="converge-bootstrap-") as folder:
        place = backend(checkout, Path(folder))
        yield Bootstrap(wanted, place), exists_in(place)
