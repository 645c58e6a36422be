"""Schemathesis on the service's own OpenAPI description: every path, right and wrong requests, all of its checks but one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.service import RunningService

pytest.importorskip("schemathesis", reason="python tests/clients/run.py runs this in the clients' own environment")

EXAMPLES = 10


def test_schemathesis_finds_nothing(service: RunningService, tmp_path: Path) -> None:
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "run", f"http://{service.http}/openapi.json"),
        # A schema cannot say that `data` has as many values as `shape` needs: a request that fits it may still be wrong.
        *("--exclude-checks", "positive_data_acceptance"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--generation-deterministic", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert service.errors() == []
