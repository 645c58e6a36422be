"""What the sandbox's simulated plugins have in common: their process, and the calls that each answers in the same way."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from local_azure.arm.safety import NotASandboxError, sandbox_of

_CALLS_AT_ONCE = 16
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def serve(create: Callable[[Path], provider_pb2_grpc.ResourceProviderServicer]) -> int:
    """Serves a provider on a port of its own until the engine ends.

    Args:
        create: makes the provider for the sandbox's folder.

    Returns:
        The exit code; 1 when this is no sandbox.
    """
    try:
        sandbox = sandbox_of(os.environ)
    except NotASandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    server = grpc.server(ThreadPoolExecutor(_CALLS_AT_ONCE), options=_UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(create(sandbox), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine reads the port from the first line.
    print(port, flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    engine = os.getppid()
    while not stop.wait(1) and os.getppid() == engine:
        time.sleep(0)
    server.stop(grace=1).wait()
    return 0


class SimulatedProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers what the engine asks of every plugin; what concerns resources is a subclass's.

    Args:
        version: of the real plugin that the program's SDK belongs to.
    """

    name: str
    """Of the plugin, as in type tokens."""

    def __init__(self, version: str) -> None:
        self._version = version

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ProviderHandshakeResponse:  # noqa: ARG002, N802 - the protocol's
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:  # noqa: ARG002, N802
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.GetSchemaResponse:  # noqa: ARG002, N802
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self.name, "version": self._version}))

    def Attach(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: ARG002, N802
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: ARG002, N802
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:  # noqa: ARG002, N802
        response = provider_pb2.CheckResponse()
        response.inputs.CopyFrom(request.news)
        return response

    def Configure(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:  # noqa: ARG002, N802
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)
