"""The load generator, oha: found or built, run, and its report read."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BenchmarkError
from .payloads import Request

VERSION = "1.16.0"
_CUT_OFF = "aborted due to deadline"
"""Requests under way when the time is over; they are not the server's mistake."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one load gave; latencies in seconds, errors by what happened."""

    requests_per_second: float
    p50: float
    p99: float
    answered: int
    errors: dict[str, int]


def parse(report: str) -> Load:
    """Reads oha's JSON. Raises BenchmarkError."""
    try:
        value: dict[str, Any] = json.loads(report)
        statuses = {str(status): int(count) for status, count in value["statusCodeDistribution"].items()}
        errors = {text: int(count) for text, count in value["errorDistribution"].items() if text != _CUT_OFF}
        errors |= {f"status {status}": count for status, count in statuses.items() if status != "200"}
        latency, answered = value["latencyPercentiles"], statuses.get("200", 0)
        return Load(
            # Not its own requestsPerSec: that counts what failed, too.
            requests_per_second=answered / float(value["summary"]["total"]),
            p50=float(latency["p50"] or 0),
            p99=float(latency["p99"] or 0),
            answered=answered,
            errors=errors,
        )
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise BenchmarkError(f"oha's report cannot be read ({type(error).__name__}: {error}): {report[:200]!r}") from None


def find(cache: Path) -> Path:
    """The oha on PATH, or the one in the cache, built there with cargo when it is missing. Raises BenchmarkError."""
    if found := shutil.which("oha"):
        return Path(found)
    folder = cache / f"oha-{VERSION}"
    binary = folder / "bin" / "oha"
    if not binary.exists():
        if not shutil.which("cargo"):
            raise BenchmarkError(f"oha is needed to make the load: put oha {VERSION} on PATH, or cargo, which builds it")
        command = ["cargo", "install", "oha", "--locked", "--version", VERSION, "--root", str(folder)]
        if subprocess.run(command, check=False).returncode:
            raise BenchmarkError(f"{' '.join(command)} failed; put oha {VERSION} on PATH instead")
    return binary


def run(oha: Path, url: str, requests: Sequence[Request], *, concurrency: int, seconds: float, pin: Sequence[str]) -> Load:
    """Sends the requests on so many kept-alive connections, in any order. Several have the same headers and no newline. Raises BenchmarkError."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\n".join(request.body for request in requests))
        body.flush()
        headers = [part for name, value in requests[0].headers.items() for part in ("-H", f"{name}: {value}")]
        command = [*pin, str(oha), "--no-tui", "--no-color", "--output-format", "json", "-z", f"{round(seconds * 1000)}ms", "-c", str(concurrency)]
        done = subprocess.run(
            [*command, "-m", "POST", "-Z" if len(requests) > 1 else "-D", body.name, *headers, url], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise BenchmarkError(f"oha failed: {done.stderr.strip()[-500:]}")
    return parse(done.stdout)
