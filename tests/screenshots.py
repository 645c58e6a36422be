"""Makes the pictures of docs/images: the release page, and what commands print, by the real code with examples that are the same in every run.

`make screenshots` calls it. A second run on the same machine writes the same bytes; a newer Chromium may draw a few pixels differently.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from delivery.drift import terminal as drift
from delivery.drift.judging import judged
from delivery.drift.resources import resources_of
from delivery.page.example import NOW, example_present, example_records
from delivery.page.rendering import render
from delivery.plan import terminal as plan
from delivery.plan.report import Effect, EffectKind, Infrastructure, Operation, PlanReport, Policies, ResourceChange, ValueChange
from delivery.plan.sections import AppChange, Commit, Image, Layer, MetricChange, ModelChange, ModelVersion, Pods, Roll
from delivery.release.show import Listing
from model_store.gates import Gate, GateReport, GatesFailedError
from tests.browser import browser
from tests.unit.delivery.drift.stacks import CLUSTER_ID, SCOPE, step

IMAGES = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 300_000
_BACK = "#release/prod/20261027T222400Z"
PAGES = {
    "page-light": ({"width": 1280, "height": 1180}, "light", ""),
    "page-dark": ({"width": 1280, "height": 1180}, "dark", ""),
    "page-details": ({"width": 1280, "height": 900}, "light", _BACK),
    "page-narrow": ({"width": 390, "height": 1500}, "light", "#stack=prod"),
}
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; display: inline-block; background: #16181d; color: #dfe3e8; }}
pre {{ margin: 0; padding: 18px 22px; font: 14px/1.45 ui-monospace, monospace; }}
pre {{ font-variant-ligatures: none; white-space: pre-wrap; width: COLUMNSch; }}
{stylesheet}
</style><pre>{code}</pre>"""
_COLOURS = TerminalTheme(
    (22, 24, 29),
    (223, 227, 232),
    [(62, 68, 81), (255, 123, 114), (98, 209, 126), (226, 179, 65), (110, 168, 254), (210, 140, 240), (86, 200, 210), (223, 227, 232)],
)
"""A theme as terminals have it; rich's own has the colours of 1987, whose red nobody reads on black."""


def main() -> int:
    """Writes every picture, and says how large each is."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with browser() as chromium, tempfile.TemporaryDirectory() as folder:
        for name, (size, scheme, fragment) in PAGES.items():
            _page(chromium, Path(folder), name, size, scheme, fragment)
        for name, (width, show) in TERMINALS.items():
            _terminal(chromium, name, width, show)
    sizes = {path.name: path.stat().st_size for path in sorted(IMAGES.glob("*.png"))}
    for name, size in sizes.items():
        print(f"docs/images/{name}: {size:,} bytes")
    large = [name for name, size in sizes.items() if size > MOST_BYTES]
    if large:
        print(f"error: {', '.join(large)}: more than {MOST_BYTES:,} bytes, which is too much for a repository", file=sys.stderr)
    return 1 if large else 0


def _page(chromium: Browser, folder: Path, name: str, size: Any, scheme: Any, fragment: str) -> None:
    records = example_records()
    path = folder / "releases.html"
    path.write_text(render(records, NOW, example_present(records)))
    page = chromium.new_page(viewport=size, color_scheme=scheme)
    page.goto(path.as_uri() + fragment)
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    page.close()


def _terminal(chromium: Browser, name: str, width: int, show: Callable[[Console], None]) -> None:
    page = chromium.new_page(viewport={"width": 1600, "height": 200})
    page.set_content(html(width, show))
    page.locator("body").screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    page.close()


def html(width: int, show: Callable[[Console], None]) -> str:
    """What a command prints on a terminal of that width."""
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=width, file=nowhere, force_terminal=True, color_system="truecolor", legacy_windows=False)
        show(console)
        return console.export_html(theme=_COLOURS, code_format=_TERMINAL.replace("COLUMNS", str(width)))


def _command(console: Console, text: str) -> None:
    console.print(Text.assemble(("$ ", "dim"), (text, "bold")))


def _plan(console: Console) -> None:
    _command(console, "converge plan prod")
    plan.show(_example_plan(), console)


def _release_list(console: Console) -> None:
    _command(console, "converge release list --limit 15")
    records = example_records()
    Listing(records[:15], present=example_present(records)).print(console)


def _drift(console: Console) -> None:
    _command(console, "converge drift prod")
    drift.show(judged("prod", resources_of(_drifted()), lambda _resource: None), console)


def _refused(console: Console) -> None:
    _command(console, 'converge model promote digits 14 --stack prod --reason "smaller and faster"')
    gates = GateReport(
        (
            Gate("accuracy", passed=False, compared="accuracy 0.9733 -> 0.9588, may worsen by 0.002"),
            Gate("log_loss", passed=True, compared="log_loss 0.1267 -> 0.1271 (lower is better), may worsen by 0.01"),
            Gate("contract", passed=True, compared="contract: digits v14 has what app_template needs"),
            Gate("golden requests", passed=True, compared="golden requests: 8 of 8 answered within tolerance"),
            Gate("reason", passed=True, compared="reason: smaller and faster"),
        )
    )
    error = GatesFailedError(gates, "digits v14 is not promoted, locks/prod.json stays as it is")
    console.print(Text(f"error: {error}", style="red"))


def _drifted() -> list[dict[str, Any]]:
    """A stack in which somebody changed three things, and Azure some."""
    before = {
        "kubernetesVersion": "1.34",
        "autoUpgradeProfile": {"upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage"},
        "agentPoolProfiles": [{"name": "system", "count": 2, "minCount": 2, "maxCount": 5, "enableAutoScaling": True}],
    }
    now = {**before, "kubernetesVersion": "1.34.2", "agentPoolProfiles": [{**before["agentPoolProfiles"][0], "count": 4}]}
    account = {"minimumTlsVersion": "TLS1_2", "tags": {"application": "converge"}}
    fields = [
        {
            "manager": "kubectl-set",
            "time": "2026-11-24T09:12:44Z",
            "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': {"f:image": {}}}}}}},
        },
        {"manager": "kubectl-annotate", "time": "2026-11-24T09:14:02Z", "fieldsV1": {"f:metadata": {"f:annotations": {"f:note": {}}}}},
    ]
    container = {"name": "app", "image": "convergeprod.azurecr.io/digits@sha256:8f9f243fe173"}
    deployment = {"__fieldManager": "converge", "metadata": {"name": "digits"}, "spec": {"template": {"spec": {"containers": [container]}}}}
    tried = {**container, "image": "convergeprod.azurecr.io/digits:try"}
    changed = {
        "metadata": {"name": "digits", "annotations": {"note": "ask Sofia"}, "managedFields": fields},
        "spec": {"template": {"spec": {"containers": [tried]}}},
    }
    opened = {"minimumTlsVersion": "TLS1_0", "tags": {"application": "converge", "owner": "data-team"}}
    return [
        step("kubernetes:apps/v1:Deployment", "digits-deployment", deployment, changed),
        step("azure-native:storage:StorageAccount", "converge-models-account", account, opened, inputs_now=opened),
        step("azure-native:monitor:DiagnosticSetting", "converge-models-audit", {"logs": []}, None, id=f"{SCOPE}/audit"),
        step("azure-native:containerservice:ManagedCluster", "converge-cluster-aks", before, now, id=CLUSTER_ID),
        *(step("azure-native:network:Subnet", f"subnet-{number}", {}) for number in range(41)),
    ]


def _example_plan() -> PlanReport:
    """A better model, a fix of the app and a larger pool."""
    records = {record.id: record for record in example_records()}
    old, new = (records[one].services["digits"].model for one in ("20261119T151200Z", "20261123T124800Z"))
    versions = [
        ModelVersion(
            name=one.name,
            version=one.version,
            sha256=one.sha256,
            size=one.files["model.onnx"].size,
            published_at=one.published_at,
            published_by=one.published_by,
        )
        for one in (old, new)
    ]
    metrics = (
        MetricChange(name="accuracy", before=old.metrics["accuracy"], after=new.metrics["accuracy"], verdict="better"),
        MetricChange(name="log_loss", before=old.metrics["log_loss"], after=new.metrics["log_loss"], verdict="better"),
    )
    image = "spec.template.spec.containers[0].image"
    changes = (
        ResourceChange(
            operation=Operation.UPDATE,
            type="azure-native:containerservice:ManagedCluster",
            name="converge-cluster-aks",
            component="converge-cluster",
            values=(ValueChange(path="agentPoolProfiles[0].maxCount", before="3", after="5"),),
        ),
        ResourceChange(
            operation=Operation.UPDATE,
            type="kubernetes:apps/v1:Deployment",
            name="digits-deployment",
            component="digits",
            values=(
                ValueChange(path='metadata.annotations["converge/model-version"]', before="12", after="13"),
                ValueChange(
                    path=image, before="convergeprod.azurecr.io/digits@sha256:1c747eb1eb29...", after="convergeprod.azurecr.io/digits@sha256:02b47f419aa3..."
                ),
            ),
            effects=(Effect(kind=EffectKind.ROLL_OUT, reason="new pods come up beside the old ones, which go once the new ones are ready"),),
        ),
    )
    commit = Commit(sha="d5e5097" + "0" * 33, subject="Answer 400, not 500, to an empty image", author="Jonas Lind")
    app = AppChange(
        service="digits",
        folder="app_template",
        since="release 20261119T151200Z (13ad0cd)",
        commits=(commit,),
        image=Image.BUILT,
        layers=(Layer(name="model", why=("digits v13",)), Layer(name="application", why=("app/protocol.py",))),
    )
    return PlanReport(
        stack="prod",
        base="13ad0cd (main)",
        infrastructure=Infrastructure(changes=changes, unchanged=44),
        policies=Policies(score=97, score_before=97, passed=31, failed=1, undecided=2, not_applicable=4),
        models=(ModelChange(service="digits", before=versions[0], after=versions[1], metrics=metrics, files=("model.onnx", "golden.json")),),
        apps=(app,),
        rolls=(Roll(service="digits", pods=Pods.REPLACED, why=("image", "model")), Roll(service="sentiment", pods=Pods.STAY)),
    )


TERMINALS: dict[str, tuple[int, Callable[[Console], None]]] = {
    "plan": (130, _plan),
    "release-list": (160, _release_list),
    "drift": (130, _drift),
    "promotion-refused": (110, _refused),
}
"""Picture, columns of the terminal, and what prints."""

if __name__ == "__main__":
    sys.exit(main())
