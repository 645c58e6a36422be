"""The service's settings: environment variables, read once at start, every problem reported at once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONTRACT = Path(__file__).parent / "contract.json"
_CGROUP = Path("/sys/fs/cgroup")


class SettingsError(Exception):
    """One or more environment variables are wrong; the text names each with what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked; defaults suit a laptop, the Dockerfile sets those of a container."""

    host: str
    port: int  # 0: any free port
    grpc_port: int | None  # 0: any free port; None: no gRPC
    model_dir: Path
    image_digest: str  # of the image that this runs from; empty on a laptop. Whoever starts the container says it
    model_name: str  # for a model folder straight from training, which has no name of its own

    max_body_bytes: int
    max_rows: int  # of one request
    queue_seconds: float  # longest that a request may wait for its turn; who would wait longer is told to come again
    request_seconds: float  # longest that a request may take to arrive, and then to be answered

    drain_seconds: float  # after SIGTERM: not ready any more, but everything is still answered
    shutdown_seconds: int  # then: how long requests under way may take

    workers: int  # processes
    worker_threads: int  # requests of slow models computed side by side in one process
    intra_op_threads: int  # threads that ONNX Runtime uses within one request
    batching: str  # of slow models: on, off, or auto: where it was faster when the model was warmed up
    max_batch_rows: int
    batch_seconds: float  # how long a request waits for others to share its batch; those that wait anyway share one for free

    access_log: str  # off, errors (5xx) or all
    sample_rate: float  # share of requests of which inputs and outputs are logged
    sample_tensors: tuple[str, ...]  # of these the values, of all others only shape and datatype
    api_keys_file: Path | None  # a mounted secret
    entra_tenant: str
    entra_audience: str
    entra_authority: str  # another than the public cloud's
    entra_roles: tuple[str, ...]  # one of which a caller must have; any caller of the tenant with the audience if empty

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Settings":
        """Raises SettingsError."""
        read = _Reader(environment)
        cpus = cpu_limit()
        workers = read.integer("WORKERS", max(1, math.floor(container_cpus() or 1)), 1, 256)
        settings = Settings(
            host=read.text("HOST", "127.0.0.1"),
            port=read.integer("PORT", 8080, 0, 65535),
            grpc_port=read.integer("GRPC_PORT", 0, 0, 65535) if read.text("GRPC_PORT", "") else None,
            model_dir=Path(read.text("MODEL_DIR", "/srv/model")),
            image_digest=read.text("IMAGE_DIGEST", ""),
            model_name=read.text("MODEL_NAME", "digits"),
            max_body_bytes=read.integer("MAX_BODY_BYTES", 4 * 1024 * 1024, 1, 2**40),
            max_rows=read.integer("MAX_ROWS", 4096, 1, 2**31),
            queue_seconds=read.integer("QUEUE_MILLISECONDS", 500, 1, 3_600_000) / 1000,
            request_seconds=read.integer("REQUEST_SECONDS", 15, 1, 3600),
            drain_seconds=read.integer("DRAIN_SECONDS", 5, 0, 3600),
            shutdown_seconds=read.integer("SHUTDOWN_SECONDS", 20, 1, 3600),
            workers=workers,
            worker_threads=read.integer("WORKER_THREADS", max(1, math.ceil(cpus / workers)), 1, 1024),
            intra_op_threads=read.integer("INTRA_OP_THREADS", 1, 1, 1024),
            batching=read.choice("BATCHING", ("auto", "on", "off")),
            max_batch_rows=read.integer("MAX_BATCH_ROWS", 512, 1, 65536),
            batch_seconds=read.integer("BATCH_MILLISECONDS", 0, 0, 60_000) / 1000,
            access_log=read.choice("ACCESS_LOG", ("errors", "off", "all")),
            sample_rate=read.share("SAMPLE_RATE", 0.0),
            sample_tensors=read.names("SAMPLE_TENSORS"),
            api_keys_file=Path(keys) if (keys := read.text("API_KEYS_FILE", "")) else None,
            entra_tenant=read.text("ENTRA_TENANT_ID", ""),
            entra_audience=read.text("ENTRA_AUDIENCE", ""),
            entra_authority=read.text("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com"),
            entra_roles=read.names("ENTRA_ROLES"),
        )
        if bool(settings.entra_tenant) != bool(settings.entra_audience):
            read.problems.append("ENTRA_TENANT_ID and ENTRA_AUDIENCE belong together: set both, or neither")
        if read.problems:
            raise SettingsError("; ".join(read.problems))
        return settings


class _Reader:
    """Reads variables one by one and remembers what is wrong with them; an empty one counts as not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        text = self.text(name, str(default))
        if text.isascii() and text.isdigit() and len(text) < 19 and lowest <= int(text) <= highest:
            return int(text)
        self.problems.append(f"{name} must be an integer from {lowest} to {highest}, got '{text}'")
        return default

    def share(self, name: str, default: float) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if 0 <= value <= 1:
            return value
        self.problems.append(f"{name} must be a number from 0 to 1, got '{text}'")
        return default

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """The first of `allowed` is the default."""
        text = self.text(name, allowed[0])
        if text not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}, got '{text}'")
        return text

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(name, "").split(",") if part.strip())


def cpu_limit(cgroup: Path = _CGROUP) -> float:
    """CPUs that this process may use: those of the machine, or the container's limit if that is lower."""
    available = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return min(available, container_cpus(cgroup) or available)


def container_cpus(cgroup: Path = _CGROUP) -> float | None:
    """The container's CPU limit (cgroup v2, then v1); None without one."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period = " ".join((cgroup / file).read_text() for file in files).split()
            if float(quota) > 0:
                return float(quota) / float(period)
        except (OSError, ValueError):
            continue  # no such cgroup version here, or "max": no limit
    return None
