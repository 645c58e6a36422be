"""Starts the service: settings, then the model, then the port. Whatever is wrong is one line and exit code 1."""

import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

import uvicorn

from . import logs
from .model import ModelError, load
from .server import Service
from .settings import Settings, SettingsError

CONTRACT = Path(__file__).parent / "contract.json"
# Longer than clients and proxies keep theirs: whoever closes an idle connection first must not be the server.
KEEP_ALIVE_SECONDS = 75
log = logging.getLogger("app")


class ListenError(Exception):
    """The port cannot be opened."""


class DrainingServer(uvicorn.Server):
    """On SIGTERM: first not ready, while everything is still answered; then no new connections; then the end.

    The pause gives load balancers the time to notice. Ctrl-C, or a second signal, skips it.
    """

    def __init__(self, config: uvicorn.Config, service: Service, drain_seconds: float) -> None:
        super().__init__(config)
        self._service = service
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Not before: from here on a request is answered and a signal is heard.
        log.info("serving", extra={"fields": self._fields(sockets or [])})

    def _fields(self, sockets: list[socket.socket]) -> dict[str, object]:
        model = self._service.model
        addresses = [":".join(map(str, listener.getsockname()[:2])) for listener in sockets]
        return {"model": model.name, "version": model.version, "sha256": model.sha256, "addresses": addresses}

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del frame
        if sig == signal.SIGTERM and not self._service.draining:
            self._drained_at = time.monotonic() + self._drain_seconds
        elif self.should_exit:
            self.force_exit = True
        else:
            self.should_exit = True
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """Opens the port. Raises ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]  # the address stands in our own text already
        raise ListenError(f"cannot listen on {host}:{port}: {reason}; set HOST and PORT to a free address") from None


def serve(settings: Settings) -> None:
    """Serves until the process is asked to stop. The port opens only when the model is ready to answer."""
    model = load(settings.model_dir, CONTRACT, local_name=settings.model_name, intra_op_threads=settings.intra_op_threads)
    service = Service(model, max_body_bytes=settings.max_body_bytes, worker_threads=settings.worker_threads, image_digest=settings.image_digest)
    listener = listen(settings.host, settings.port)
    config = uvicorn.Config(
        service.app(),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    DrainingServer(config, service, settings.drain_seconds).run(sockets=[listener])
    service.close()
    log.info("stopped")


def main() -> int:
    """Returns the exit code."""
    logs.configure()
    # While the model loads nothing is to be finished. (The first process of a container ignores a signal without a handler.)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(Settings.from_environment(os.environ))
    except (SettingsError, ModelError, ListenError) as error:
        log.error("%s", error)  # noqa: TRY400 - the text says everything; a traceback would only hide it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
