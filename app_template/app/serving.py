"""One serving process: the model, what surrounds it, the ports; and how it ends."""

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from . import hooks, warming
from .developer import App
from .engine import Engine
from .grpc_door import GrpcDoor
from .http_app import HttpApp
from .http_protocol import protocol_class
from .metrics import Metrics
from .model import load_all
from .settings import CONTRACT, Settings
from .workers import Place

if TYPE_CHECKING:
    from .auth import Authenticator
    from .grpc_server import GrpcServer
    from .sampling import Sampler
    from .tracing import Tracer

# Longer than clients and proxies keep theirs: whoever closes an idle connection first must not be the server.
_KEEP_ALIVE_SECONDS = 75
log = logging.getLogger("app")


class DrainingServer(uvicorn.Server):
    """On SIGTERM: first not ready, while everything is still answered; then no new connections; then the end.

    The pause gives load balancers the time to notice. Ctrl-C, or a second signal, skips it.
    """

    def __init__(self, config: uvicorn.Config, engine: Engine, settings: Settings, place: Place, grpc: "GrpcServer | GrpcDoor | None") -> None:
        super().__init__(config)
        self._engine = engine
        self._settings = settings
        self._place = place
        self._grpc = grpc
        self._drained_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the ports."""
        fields = self._fields(sockets or [])
        if self._grpc is not None:
            port = await self._grpc.start(self._settings.host, self._settings.grpc_port or 0)
            fields["grpc_address"] = f"{self._settings.host}:{port}"
        await super().startup(sockets)
        self._place.watch_parent(self._parent_ended)
        # Not before: from here on a request is answered and a signal is heard.
        log.info("serving", extra={"fields": fields})
        self._place.is_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Closes the ports and waits for what is under way."""
        grpc = asyncio.ensure_future(self._grpc.stop(self._settings.shutdown_seconds)) if self._grpc is not None else None
        await super().shutdown(sockets)
        if grpc is not None:
            await grpc

    def _fields(self, sockets: list[socket.socket]) -> dict[str, object]:
        models = [served.model for served in self._engine.served.values()]
        fields: dict[str, object] = {"model": models[0].name, "version": models[0].version, "sha256": models[0].sha256}
        if len(models) > 1:
            fields = {"models": [{"model": model.name, "version": model.version, "sha256": model.sha256} for model in models]}
        if self._place.index is not None:
            fields["worker"] = self._place.index
        return {**fields, "addresses": [":".join(map(str, listener.getsockname()[:2])) for listener in sockets]}

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end."""
        del frame
        if sig == signal.SIGTERM and not self._engine.draining:
            self._drained_at = time.monotonic() + self._settings.drain_seconds
        elif self.should_exit:
            self.force_exit = True
        else:
            self.should_exit = True
        self._engine.draining = True

    def _parent_ended(self) -> None:
        """Nobody is left who would replace or end us."""
        self.handle_exit(signal.SIGTERM, None)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is it time to end?"""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings, place: Place) -> None:
    """Serves until the process is asked to stop. The port opens only when the models are ready to answer.

    Raises ModelError, SettingsError, ListenError.
    """
    models = load_all(settings.model_dir, CONTRACT, local_name=settings.model_name, intra_op_threads=settings.intra_op_threads)
    app = hooks.app
    app.check({name: model.signature for name, model in models.items()})
    metrics = Metrics(place.workers, place.index or 0, place.metrics_file)
    authenticator, tracer = _authenticator(settings), _tracer(settings, app)
    engine = Engine(models, app, settings, metrics, _sampler(settings))
    app.engine = engine
    warming.warm_up(engine)
    http_app = HttpApp(engine, app, settings, metrics, authenticator=authenticator, tracer=tracer)

    def open_grpc() -> "GrpcServer":
        from .grpc_server import GrpcServer  # noqa: PLC0415 - 20 MB that only those pay who need it

        return GrpcServer(engine, app, settings, metrics=metrics, authenticator=authenticator, tracer=tracer)

    grpc = None if settings.grpc_port is None else GrpcDoor(open_grpc) if place.index is None else open_grpc()
    listener = place.listener(settings)
    config = uvicorn.Config(
        cast("Any", http_app),
        http=protocol_class(http_app),
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    metrics.exposition()  # its libraries are loaded now, and keep nobody waiting later
    # What is there now stays: a full collection that walks through it would keep everybody waiting for milliseconds.
    gc.collect()
    gc.freeze()
    server = DrainingServer(config, engine, settings, place, grpc)
    server.run(sockets=[listener])
    engine.close()
    if tracer is not None:
        tracer.close()
    log.info("stopped")


# Each of these is imported only where it is wanted: together they are as large as the rest.


def _authenticator(settings: Settings) -> "Authenticator | None":
    if settings.api_keys_file is None and not settings.entra_tenant:
        return None
    from .auth import Authenticator  # noqa: PLC0415

    return Authenticator.from_settings(settings)


def _sampler(settings: Settings) -> "Sampler | None":
    if not settings.sample_rate:
        return None
    from .sampling import Sampler  # noqa: PLC0415

    return Sampler.from_settings(settings)


def _tracer(settings: Settings, app: App) -> "Tracer | None":
    if not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ):
        return None
    from .tracing import Tracer  # noqa: PLC0415

    attributes = {"container.image.repo_digests": settings.image_digest} if settings.image_digest else {}
    return Tracer.from_environment(os.environ, service_name=app.name, version=app.release, attributes=attributes)
