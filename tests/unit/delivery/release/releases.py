"""Releases, repositories and clones for tests."""

import hashlib
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from delivery.release.ledger import Ledger, Patience
from delivery.release.record import Check, Outcome, Record, ReleasedService, SmokeResult, id_of
from model_store import LockedModel, Pin
from model_store.manifest import LockedFile
from model_store.tensors import Tensor

BEGAN = datetime(2026, 11, 24, 23, 18, 47, tzinfo=UTC)
SMOKE = SmokeResult(checks=(Check(name="ready", passed=True, text="answered 200 after 0.1 s"),), slowest_milliseconds=12.5)
PIN = Pin(release="20261101T000000Z", reason="digits 13 confuses 4 and 9", by="Ada", at=BEGAN)


def sha256(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def model(version: int = 13, name: str = "digits") -> LockedModel:
    return LockedModel(
        name=name,
        version=version,
        files={file: LockedFile(sha256=sha256((file, name, version)), size=10) for file in ("model.onnx", "golden.json", "manifest.json")},
        inputs=(Tensor(name="image", datatype="FP32", shape=(-1, 64)),),
        outputs=(Tensor(name="label", datatype="INT64", shape=(-1,)),),
        metrics={"accuracy": 0.97},
        published_at=BEGAN,
        published_by="Grace",
    )


def service(version: int = 13, *, name: str = "digits", image: object = None, pin: Pin | None = None, smoke: SmokeResult | None = SMOKE) -> ReleasedService:
    digest = sha256(("image", name, version) if image is None else image)
    return ReleasedService(
        model=model(version, name),
        image=f"localhost:18002/{name}@sha256:{digest}",
        pinned=pin is not None,
        pin=pin,
        namespace=name,
        app=f"apps/{name}",
        app_commit="c" * 40,
        smoke=smoke,
    )


def release(
    minutes: int = 0,
    *,
    stack: str = "dev",
    outcome: Outcome = Outcome.SUCCEEDED,
    services: Sequence[ReleasedService] | None = None,
    reason: str = "",
    by: str = "Ada Lovelace",
    commit: str = "1a2b3c4" + 33 * "0",
    **more: object,
) -> Record:
    """A release that began so many minutes after BEGAN, and took one."""
    began = BEGAN + timedelta(minutes=minutes)
    return Record(
        id=id_of(began),
        stack=stack,
        outcome=outcome,
        reason=reason,
        started_at=began,
        finished_at=began + timedelta(minutes=1),
        duration_seconds=60.0,
        by=by,
        commit=commit,
        services={one.model.name: one for one in ([service()] if services is None else services)},
        **more,  # pyright: ignore[reportArgumentType] - fields, passed on as they are
    )


def git(folder: Path, *arguments: str, **more: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True, **more).stdout.strip()  # pyright: ignore[reportCallIssue, reportArgumentType]


def origin(folder: Path) -> Path:
    """A bare repository with one commit on main, as a forge has it."""
    bare = folder / "origin.git"
    git(folder, "init", "--quiet", "--bare", "--template=", "--initial-branch", "main", bare.name)
    tree = git(bare, "mktree", input=f"100644 blob {git(bare, 'hash-object', '-w', '--stdin', input='x')}\tfile\n")
    git(bare, "update-ref", "refs/heads/main", git(bare, "commit-tree", tree, "-m", "first"))
    return bare


def clone(bare: Path, name: str, *arguments: str) -> Path:
    git(bare.parent, "clone", "--quiet", "--template=", *arguments, bare.as_uri(), name)
    return bare.parent / name


def ledger(checkout: Path) -> Ledger:
    """A ledger that does not wait long for what does not come."""
    opened = Ledger.of(checkout)
    opened.patience = Patience(at_most=60, pause=0.01, longest_pause=1)
    return opened


def files(bare: Path) -> list[str]:
    return git(bare, "ls-tree", "-r", "--name-only", "releases").splitlines()


def is_linear(bare: Path) -> bool:
    """Whether each commit of the branch has one parent, but for the first."""
    parents = [line.split()[1:] for line in git(bare, "rev-list", "--parents", "releases").splitlines()]
    return [len(found) for found in parents] == [1] * (len(parents) - 1) + [0]
