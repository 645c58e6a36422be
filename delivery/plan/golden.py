"""Golden plans: every stack from nothing, with every value, in `plans/`, so that the diff of a commit shows what it does to each stack.

`make plans` writes them, and a test compares them with fresh ones. A stack whose services have no model yet gets a sample lock, made from the contracts
of their apps. What stands for an app's content (its hash, the tag of its image) is masked: a change of an app is no change of a plan.
"""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from delivery.errors import DeliveryError
from delivery.plan import markdown
from delivery.plan.making import make_plan
from delivery.plan.report import PlanReport
from delivery.plan.sandbox import lend_python
from local_azure.engine import STACK as LOCAL
from local_azure.errors import LocalAzureError
from local_azure.progress import Progress

FOLDER = "plans"
_LEFT_OUT = frozenset({"tests", "docs", "benchmarks", FOLDER})
"""Top folders that no program reads."""
_MADE = frozenset({"__pycache__", "node_modules", "out"})
_HASH = 64
_APP_LABEL = 'labels["converge.app.sha256"]'
_SHORT_HASH = 32
"""Of it a staged context has this many characters in its name."""
_TAG = "[0-9a-f]{20}"
"""The tag of an image, which stands for its content."""


def golden_stacks(checkout: Path) -> list[str]:
    """The stacks whose settings are committed."""
    return sorted(name for path in checkout.glob("Pulumi.*.yaml") if (name := path.name.split(".")[1]) != LOCAL)


def golden_plan(checkout: Path, stack: str, progress: Progress) -> str:
    """The golden plan of a stack, as it is now."""
    with tempfile.TemporaryDirectory(prefix="converge-golden-") as made:
        project = Path(made) / "project"
        copy_of_program(checkout, project)
        lock = project / "locks" / f"{stack}.json"
        sampled = not lock.is_file()
        if sampled:
            lock.parent.mkdir(exist_ok=True)
            lock.write_text(json.dumps(sample_lock(project, stack)))
        report = make_plan(project, stack, None, progress)
    model = "a sample model, since its lock is not there yet" if sampled else "the models of its lock"
    return f"<!-- Made by `make plans`: the stack from nothing, with {model}. -->\n{markdown.render(masked(report), full=True)}"


def copy_of_program(checkout: Path, folder: Path) -> None:
    """Copies what a program reads: no tests, no documents, nothing that is made."""
    shutil.copytree(checkout, folder, ignore=lambda place, names: _left_out(names, top=Path(place) == checkout))
    lend_python(folder)


def _left_out(names: Sequence[str], *, top: bool) -> set[str]:
    return {name for name in names if name in _MADE or (top and (name in _LEFT_OUT or name.startswith(".")))}


def sample_lock(project: Path, stack: str) -> dict[str, Any]:
    """A lock with a model for every service of a stack: one that fits the app's contract, with hashes of nothing."""
    settings = yaml.safe_load((project / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {"services": {service["name"]: {"image": None, "model": _sample_model(project, service)} for service in _services(project, settings)}}


def _services(project: Path, settings: dict[str, Any]) -> Sequence[dict[str, Any]]:
    key = "converge:services"
    return settings[key] if key in settings else yaml.safe_load((project / "Pulumi.yaml").read_text())["config"][key]["default"]


def _sample_model(project: Path, service: dict[str, Any]) -> dict[str, Any]:
    contract = json.loads((project / service.get("app", "app_template") / "app" / "contract.json").read_text())
    files = {name: {"sha256": digit * _HASH, "size": 1} for name, digit in (("model.onnx", "a"), ("golden.json", "b"), ("manifest.json", "c"))}
    signature = {"inputs": contract["inputs"], "outputs": contract["outputs"]}
    published = {"metrics": {}, "published_at": "2026-01-01T00:00:00Z", "published_by": "sample"}
    return {"name": service.get("model") or service["name"], "version": 1, "files": files, **signature, **published}


def masked(report: PlanReport) -> PlanReport:
    """The report without what follows from the content of an app."""
    text = report.model_dump_json()
    for change in report.infrastructure.changes:
        values = {value.path: value.after or "" for value in change.values}
        if app := values.get(_APP_LABEL):
            text = re.sub(rf"{re.escape(app)}|{re.escape(app[:_SHORT_HASH])}", "(app)", text)
            text = re.sub(rf":{_TAG}(?=\")", ":(tag)", text)
    return PlanReport.model_validate_json(text)


def main() -> int:
    """Writes the golden plans of all stacks. Exit code 1 when one of them cannot be made."""
    checkout = Path.cwd()
    folder = checkout / FOLDER
    folder.mkdir(exist_ok=True)
    stacks = golden_stacks(checkout)
    try:
        with Progress(Console(stderr=True)) as progress:
            for stack in stacks:
                progress.say(f"the stack `{stack}`")
                (folder / f"{stack}.md").write_text(golden_plan(checkout, stack, progress))
    except (DeliveryError, LocalAzureError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for gone in {path.stem for path in folder.glob("*.md")} - set(stacks):
        (folder / f"{gone}.md").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
