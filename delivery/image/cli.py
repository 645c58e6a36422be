"""`converge image`: what is in the images that run, and where they come from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from delivery.checkout import checkout_here
from delivery.errors import DeliveryError
from local_azure.progress import Progress

if TYPE_CHECKING:
    from delivery.release.record import Record

app = typer.Typer(no_args_is_help=True, help="Images: what is in them, what they were made from, both kept beside them in the registry.")

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="<registry>/<repository>@sha256:<digest>, as `converge release show` has it.")]


@app.command("attest")
def attest(stack: Annotated[str, typer.Argument(help="dev, prod or another stack with a Pulumi.<stack>.yaml.")]) -> None:
    """Attach SBOM and provenance to the images that a stack runs, where they are missing; `converge deploy` does the same.

    Exit code 0: they are there; 1: it could not be done.
    """
    from delivery.image import attest as attesting  # noqa: PLC0415 - registries bring Azure's libraries, which take long to import
    from delivery.release.ledger import Ledger, running  # noqa: PLC0415 - the same

    checkout = checkout_here("converge image attest")
    record = running([record for record in Ledger.of(checkout).records() if record.stack == stack])
    if record is None:
        raise DeliveryError(f"no release of {stack} is recorded; `converge deploy {stack}` makes one")
    with Progress(Console(stderr=True)) as progress, progress.phase("reading images", quiet_under=2.0):
        lines = list(attesting.attest(checkout, record))
    print("\n".join(lines) or f"{stack} has no image in a registry that can be asked")


def attest_release(checkout: Path, record: "Record", progress: Progress) -> None:
    """After a deployment: what cannot be attached is told, and fails nothing."""
    from delivery.image import attest as attesting  # noqa: PLC0415 - as above

    try:
        with progress.phase("attach SBOM and provenance", quiet_under=2.0):
            for line in attesting.attest(checkout, record):
                progress.say(f"  {line}")
    except DeliveryError as error:
        progress.say(f"the images run, but SBOM and provenance could not be attached ({error}); `converge image attest {record.stack}` tries again")


@app.command("sbom")
def sbom(image: Image) -> None:
    """Print what is in an image (CycloneDX JSON), as it was attached."""
    from delivery.image import attest as attesting  # noqa: PLC0415 - as above

    print(attesting.document_of(image, attesting.SBOM).decode())


@app.command("provenance")
def provenance(image: Image) -> None:
    """Print what an image was made from (in-toto statement, SLSA provenance), as it was attached."""
    from delivery.image import attest as attesting  # noqa: PLC0415 - as above

    print(attesting.document_of(image, attesting.PROVENANCE).decode())
