"""The service's settings: environment variables, read once at start, every problem reported at once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """One or more environment variables are wrong; the text names each with what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked; defaults suit a laptop, the Dockerfile sets those of a container."""

    host: str
    port: int  # 0: any free port
    model_dir: Path
    image_digest: str  # of the image that this runs from; empty on a laptop. Whoever starts the container says it
    model_name: str  # for a model folder straight from training, which has no name of its own
    max_body_bytes: int
    drain_seconds: float  # after SIGTERM: not ready any more, but everything is still answered
    shutdown_seconds: int  # then: how long requests under way may take
    worker_threads: int  # requests computed side by side
    intra_op_threads: int  # threads that ONNX Runtime uses within one request

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Settings":
        """Raises SettingsError."""
        problems: list[str] = []

        def number(name: str, default: int, lowest: int, highest: int) -> int:
            text = environment.get(name, str(default)).strip()
            if text.isascii() and text.isdigit() and len(text) < 19 and lowest <= int(text) <= highest:
                return int(text)
            problems.append(f"{name} must be an integer from {lowest} to {highest}, got '{text}'")
            return default

        settings = Settings(
            host=environment.get("HOST", "127.0.0.1"),
            port=number("PORT", 8080, 0, 65535),
            model_dir=Path(environment.get("MODEL_DIR", "/srv/model")),
            image_digest=environment.get("IMAGE_DIGEST", ""),
            model_name=environment.get("MODEL_NAME", "digits"),
            max_body_bytes=number("MAX_BODY_BYTES", 4 * 1024 * 1024, 1, 2**40),
            drain_seconds=number("DRAIN_SECONDS", 5, 0, 3600),
            shutdown_seconds=number("SHUTDOWN_SECONDS", 20, 1, 3600),
            worker_threads=number("WORKER_THREADS", math.ceil(cpu_limit()), 1, 1024),
            intra_op_threads=number("INTRA_OP_THREADS", 1, 1, 1024),
        )
        if problems:
            raise SettingsError("; ".join(problems))
        return settings


def cpu_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """CPUs that this process may use: the container's limit (cgroup v2, then v1), if it has one."""
    available = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((cgroup / file).read_text() for file in files).split()
            if float(quota) > 0:
                return min(available, float(quota) / float(period))
        except (OSError, ValueError):
            continue  # no such cgroup version here, or "max": no limit
    return available
