"""Starts the service: settings, then the models, then the port. Whatever is wrong is one line and exit code 1."""

import logging
import os
import signal
import sys

from . import logs
from .settings import Settings, SettingsError
from .workers import ListenError, Place, Supervisor

log = logging.getLogger("app")


def main() -> int:
    """Returns the exit code."""
    logs.configure()
    # While the model loads nothing is to be finished. (The first process of a container ignores a signal without a handler.)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings.from_environment(os.environ)
        place = Place.from_environment(os.environ)
        if place is None and settings.workers > 1:
            return Supervisor(settings).run()
        return _serve(settings, place or Place())
    except (SettingsError, ListenError) as error:
        log.error("%s", error)  # noqa: TRY400 - the text says everything; a traceback would only hide it
        return 1


def _serve(settings: Settings, place: Place) -> int:
    # Only here: a parent of several processes needs neither NumPy nor ONNX Runtime.
    from .developer import AppError  # noqa: PLC0415
    from .model import ModelError  # noqa: PLC0415
    from .serving import serve  # noqa: PLC0415

    try:
        serve(settings, place)
    except (ModelError, AppError) as error:
        log.error("%s", error)  # noqa: TRY400 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
