"""Who is measured. How each is set up stands in its own folder, in `server.py`; README.md says why."""

from dataclasses import dataclass, field
from pathlib import Path

from .environments import ROOT
from .payloads import MLFLOW, PROTOCOL, ROWS, Form

HERE = Path(__file__).parent
_APP = ROOT / "app_template"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A server.

    Attributes:
        form: what its requests and answers look like.
        path: where it answers; `{rows}` is filled in.
        folder: where it is started.
        arguments: of its Python.
        binary: it speaks the binary tensor extension, too.
        environment: variables beside HOST, PORT, MODEL_DIR, WORK_DIR and WORKERS.
    """

    name: str
    title: str
    form: Form
    path: str
    folder: Path
    requirements: Path
    arguments: tuple[str, ...] = ("server.py",)
    binary: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def _peer(name: str, title: str, form: Form, path: str, *, binary: bool = False) -> Peer:
    return Peer(name=name, title=title, form=form, path=path, folder=HERE / name, requirements=HERE / name / "requirements.txt", binary=binary)


OURS = Peer(
    name="ours",
    title="this service",
    form=PROTOCOL,
    path="/v2/models/digits/infer",
    folder=_APP,
    requirements=_APP / "requirements.txt",
    arguments=("-m", "app"),
    binary=True,
    environment={"DRAIN_SECONDS": "0", "SHUTDOWN_SECONDS": "5"},
)
CONSTANT = Peer(
    name="constant",
    title="constant answer",
    form=PROTOCOL,
    path="/{rows}",
    folder=HERE / "limits",
    requirements=_APP / "requirements.txt",
    arguments=("constant.py",),
)
"""A limit, not a peer: the same HTTP server and nothing behind it."""
FASTAPI = _peer("fastapi", "plain FastAPI", PROTOCOL, "/v2/models/digits/infer")
FRAMEWORKS = (
    _peer("mlserver", "MLServer", PROTOCOL, "/v2/models/digits/infer"),
    _peer("kserve", "KServe", PROTOCOL, "/v2/models/digits/infer", binary=True),
    _peer("bentoml", "BentoML", ROWS, "/predict"),
    _peer("litserve", "LitServe", ROWS, "/predict"),
    _peer("ray_serve", "Ray Serve", ROWS, "/"),
    _peer("mlflow", "mlflow models serve", MLFLOW, "/invocations"),
)
"""Model servers; the best of them is what ours is compared with."""
BARE_MLSERVER = Peer(
    name="mlserver_bare",
    title="MLServer without metrics",
    form=PROTOCOL,
    path="/v2/models/digits/infer",
    folder=HERE / "mlserver",
    requirements=HERE / "mlserver" / "requirements.txt",
    environment={"METRICS": "off"},
)
"""Not how anybody would run it, and not what ours is, whose metrics are on; but its metrics cost it more than all else, so both are shown."""
PEERS = {peer.name: peer for peer in (OURS, *FRAMEWORKS, BARE_MLSERVER, FASTAPI, CONSTANT)}
