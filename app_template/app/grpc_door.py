"""gRPC's port, opened at the start; gRPC itself is loaded when somebody comes.

It takes 20 MB, a quarter of the process, which services whose callers all speak HTTP need not pay. The first connections
are handed through to the server that they have woken; all later ones reach it directly, on the same port. For one process
only: with several, who comes to one's door might be handed to another's.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Protocol

from .workers import ListenError

_CHUNK = 1 << 16
_LATECOMERS_SECONDS = 0.05  # the door stays open so long beside the server: who stands before it when it closes is sent away
log = logging.getLogger("app")


class Server(Protocol):
    """What is woken."""

    async def start(self, host: str, port: int) -> int:
        """Opens the port beside ours."""
        ...

    async def stop(self, grace: float) -> None:
        """Closes it, and waits for what is under way."""
        ...


class GrpcDoor:
    """Listens on the port until somebody comes."""

    def __init__(self, wake: Callable[[], Server]) -> None:
        self._wake = wake
        self._server: Server | None = None
        self._waking = asyncio.Lock()
        self._listener: asyncio.Server | None = None
        self._host = ""
        self._port = 0
        self._passing: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Opens the port, and returns it: port 0 is any free one. Raises ListenError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        try:
            # gRPC will open it once more.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise ListenError(f"cannot listen on {host}:{port} for gRPC: {error.strerror}; set HOST and GRPC_PORT to a free address") from None
        self._host, self._port = host, listener.getsockname()[1]
        self._listener = await asyncio.start_server(self._first, sock=listener)
        return self._port

    async def _first(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)
        with contextlib.suppress(ConnectionError):
            async with self._waking:
                if self._server is None:
                    server = await asyncio.to_thread(self._wake)
                    await server.start(self._host, self._port)
                    self._server = server
                    if self._listener is not None:
                        await asyncio.sleep(_LATECOMERS_SECONDS)
                        self._listener.close()
            inner_reader, inner_writer = await asyncio.open_connection(self._own_address(), self._port)
            await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))
        writer.close()

    def _own_address(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - compared, not bound

    async def stop(self, grace: float) -> None:
        """Closes the port and waits for what is under way, at most so many seconds."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            await self._server.stop(grace)
        if self._passing:
            await asyncio.wait(self._passing, timeout=1)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything from one end to the other, until the one ends."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
