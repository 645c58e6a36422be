"""The `converge` command: the sub-commands of every room, and the one place where their errors become messages."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer
from rich.console import Console

from delivery.base_image.cli import base_image
from delivery.bootstrap.cli import bootstrap
from delivery.deploy.cli import deploy
from delivery.doctor.cli import doctor
from delivery.drift.cli import drift
from delivery.errors import DeliveryError
from delivery.forge.cli import comment
from delivery.image.cli import app as image
from delivery.plan.cli import plan
from delivery.predictions.cli import predictions
from delivery.promotion.cli import promote
from delivery.release.cli import app as release
from delivery.smoke.cli import smoke
from delivery.why.cli import why
from local_azure.cli import app as local
from local_azure.errors import LocalAzureError
from model_store.cli import app as model
from model_store.errors import ModelStoreError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Converge: every commit becomes one tested, running app with its model.")
app.add_typer(local, name="local")
app.add_typer(model, name="model")
app.add_typer(release, name="release")
app.add_typer(image, name="image")
model.command("promote")(promote)
app.command()(plan)
app.command()(drift)
app.command()(comment)
app.command()(predictions)
app.command()(deploy)
app.command()(smoke)
app.command()(bootstrap)
app.command()(doctor)
app.command()(base_image)
app.command()(why)

_INTERRUPTED = 130


class _InterruptedError(BaseException):
    """Ctrl-C. Not KeyboardInterrupt: Typer would end with a word of its own, and subprocess would not wait until an engine has put its state in order."""


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # A second Ctrl-C ends at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise _InterruptedError


def main() -> None:
    """Runs the command line; a user's mistake ends with one message and exit code 1, never with a traceback."""
    signal.signal(signal.SIGINT, _interrupt)
    errors = Console(stderr=True)
    try:
        app()
    except (DeliveryError, LocalAzureError, ModelStoreError) as error:
        errors.print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(1)
    except _InterruptedError:
        errors.print("interrupted; what runs goes on running, and the same command goes on from here", highlight=False)
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
