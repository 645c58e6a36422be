"""The service as it runs for real: a process of its own, spoken to over HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import Any

APP_TEMPLATE = Path(__file__).parents[1]
START_SECONDS = 60
IMAGE_DIGEST = f"sha256:{'d' * 64}"


def _parse(line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError:
        raise AssertionError(f"a line of the log is not JSON: {line!r}") from None


class ServingProcess:
    """`python -m app` on a free port, of the app in `folder`. `environment` comes on top of the test's own."""

    def __init__(self, environment: dict[str, str], folder: Path = APP_TEMPLATE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=folder,
            env={**os.environ, "HOST": "127.0.0.1", "PORT": "0", "DRAIN_SECONDS": "0", **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        if self.process.stderr is not None:
            for line in self.process.stderr:
                self._lines.put(line)

    def next_log(self, timeout: float = START_SECONDS) -> dict[str, Any]:
        """The next line of the log."""
        return _parse(self._lines.get(timeout=timeout))

    def wait_until_serving(self) -> str:
        """The URL that it serves on."""
        line = self.next_log()
        if line["message"] != "serving":
            self.kill()
            raise RuntimeError(f"the server did not start: {line}")
        return f"http://{line['addresses'][0]}"

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def finish(self, timeout: float = 30) -> tuple[int, list[dict[str, Any]]]:
        """Exit code, and what is left of the log."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        left = []
        while True:
            try:
                left.append(_parse(self._lines.get_nowait()))
            except Empty:
                return code, left

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stderr is not None:
            self.process.stderr.close()
