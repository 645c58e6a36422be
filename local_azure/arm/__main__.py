"""The plugin's process: checks that this is a sandbox, serves on a port of its own, and ends with the engine."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from local_azure.arm.install import plugin_version
from local_azure.arm.provider import ArmProvider
from local_azure.arm.safety import NotASandboxError, sandbox_of

_CALLS_AT_ONCE = 16
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def main() -> int:
    """Serves until the engine ends. Exit code 1 when this is no sandbox."""
    try:
        sandbox = sandbox_of(os.environ)
    except NotASandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    server = grpc.server(ThreadPoolExecutor(_CALLS_AT_ONCE), options=_UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(ArmProvider(sandbox, plugin_version()), server)
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


if __name__ == "__main__":
    sys.exit(main())
