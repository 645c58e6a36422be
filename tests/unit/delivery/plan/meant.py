"""A report with every section, for tests."""

from datetime import UTC, datetime

from delivery.plan.report import PlanReport
from delivery.plan.sections import AppChange, Commit, Image, Layer, MetricChange, ModelChange, ModelVersion, PinnedService, Pods, Roll
from delivery.predictions.result import Example, OutputChange, Predictions
from tests.unit.delivery.plan.reports import report

DIGEST = f"sha256:{'abc' * 21}a"
AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
OLD = ModelVersion(name="digits", version=12, sha256="1" * 64, size=20_900, published_at=AT, published_by="ann")
NEW = ModelVersion(name="digits", version=13, sha256="2" * 64, size=21_000, published_at=AT, published_by="bob <bob@example.com>")
METRICS = (
    MetricChange(name="accuracy", before=0.98, after=0.985, verdict="better"),
    MetricChange(name="log_loss", before=0.07, after=0.09, verdict="worse"),
    MetricChange(name="macro_f1", before=0.9, after=0.9),
    MetricChange(name="recall", before=None, after=0.5),
)
PREDICTIONS = Predictions(
    total=500,
    changed=17,
    flipped=3,
    rtol=1e-4,
    atol=1e-5,
    examples=(Example(input="image [0, 1, ...", outputs=(OutputChange(name="label", before="4", after="9", flips=True),)),),
)
MODEL = ModelChange(service="digits", before=OLD, after=NEW, metrics=METRICS, files=("model.onnx",), predictions=PREDICTIONS)
APP = AppChange(
    service="digits",
    folder="app_template",
    since="release 20261124T231847Z (1a2b3c4)",
    commits=(Commit(sha="9f8e7d6" + "0" * 33, subject="Fix #12, thanks @alice", author="Bob"),),
    uncommitted=("app_template/app/hooks.py",),
    image=Image.BUILT,
    layers=(Layer(name="model", why=("digits v13",)), Layer(name="application", why=("app/hooks.py", "app/model.py", "app/x.py"))),
)
PIN = PinnedService(service="letters", image=DIGEST, release="20261124T231847Z", reason="labels | flip", by="ann", at=AT)


def meant(**changes: object) -> PlanReport:
    sections = {
        "models": (MODEL,),
        "apps": (APP,),
        "rolls": (Roll(service="digits", pods=Pods.REPLACED, why=("image", "model")), Roll(service="letters", pods=Pods.STAY)),
        "pins": (PIN,),
    }
    return report().model_copy(update={**sections, **changes})
