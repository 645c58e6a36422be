"""gRPC's port before and after somebody comes: nothing is loaded, nobody is sent away."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from app.grpc_door import GrpcDoor
from app.inference_pb2 import ServerMetadataRequest, ServerMetadataResponse
from app.workers import ListenError
from serving_process import ServingProcess


def _metadata(address: str) -> ServerMetadataResponse:
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(
            "/inference.GRPCInferenceService/ServerMetadata",
            request_serializer=ServerMetadataRequest.SerializeToString,
            response_deserializer=ServerMetadataResponse.FromString,
        )
        return ask(ServerMetadataRequest(), timeout=20)


def _has_loaded_grpc(process: ServingProcess) -> bool:
    return "cygrpc" in Path(f"/proc/{process.process.pid}/maps").read_text()


def test_grpc_is_loaded_with_the_first_caller_who_gets_an_answer(start_server: Callable[..., ServingProcess]) -> None:
    server = start_server(GRPC_PORT="0")
    address = server.next_log()["grpc_address"]
    assert not _has_loaded_grpc(server)
    assert [_metadata(address).name for _ in range(3)] == ["digits-app"] * 3
    assert _has_loaded_grpc(server)
    server.terminate()
    assert server.finish()[0] == 0


class _Echo:
    """Stands for gRPC: answers with what it gets, in capital letters."""

    def __init__(self) -> None:
        self.starts = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        self.starts += 1
        self._server = await asyncio.start_server(self._answer, host, port, reuse_port=True)
        return port

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    async def stop(self, grace: float) -> None:
        del grace
        if self._server is not None:
            self._server.close()


async def _say(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    answer = await reader.readexactly(len(text))
    writer.close()
    return answer


def test_all_who_come_at_once_are_let_in_and_only_one_wakes_it() -> None:
    async def run() -> tuple[list[bytes], int]:
        echo = _Echo()
        door = GrpcDoor(lambda: echo)
        port = await door.start("127.0.0.1", 0)
        answers = await asyncio.gather(*(_say(port, b"a%d" % number) for number in range(20)))
        answers.append(await _say(port, b"later"))
        await door.stop(1)
        return answers, echo.starts

    assert asyncio.run(run()) == ([*(b"A%d" % number for number in range(20)), b"LATER"], 1)


def test_a_port_that_somebody_has() -> None:
    async def run(port: int) -> None:
        await GrpcDoor(_Echo).start("127.0.0.1", port)

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ListenError, match="Address already in use; set HOST and GRPC_PORT to a free address"):
        asyncio.run(run(taken.getsockname()[1]))


def test_nobody_came() -> None:
    async def run() -> int:
        echo = _Echo()
        door = GrpcDoor(lambda: echo)
        await door.start("127.0.0.1", 0)
        await door.stop(1)
        return echo.starts

    assert asyncio.run(run()) == 0
