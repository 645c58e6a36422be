"""Makes a plan: the base updated in a sandbox of its own, then the working tree previewed."""

import json
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.plan.added import with_sections
from delivery.plan.before import NOTHING, at_commit
from delivery.plan.changes import infrastructure
from delivery.plan.engine import Outcome, Stack
from delivery.plan.judging import judged
from delivery.plan.report import PlanReport
from delivery.plan.revisions import Base, extract
from delivery.plan.sandbox import PlanSandbox, find_engine, lend_python, plan_sandbox
from delivery.predictions.requests import Samples
from local_azure.progress import Progress


def make_plan(checkout: Path, stack: str, base: Base | None, progress: Progress, samples: Samples | None = None) -> PlanReport:
    """What the working tree changes of a stack.

    Args:
        checkout: folder with the Pulumi.yaml.
        base: the commit to compare with; None: everything is new.
        samples: more inputs for both versions of a model that changes.

    Raises:
        DeliveryError: there is no such stack, or one of the two sides cannot be planned; says which.
        LocalAzureError: the engine is not there and cannot be built.
    """
    check_stack(checkout, stack)
    engine = find_engine(checkout, progress)
    with plan_sandbox(checkout, engine) as sandbox:
        planned = Stack(sandbox, stack)
        planned.create(checkout)
        protected: frozenset[str] = frozenset()
        hint = ""
        if base is not None:
            protected, hint = _update_base(checkout, base, planned, sandbox, progress)
        with progress.phase("preview of the working tree") as phase:
            outcome = planned.preview(checkout, phase.detail)
        _check(outcome, "the working tree", "")
    document = json.loads(outcome.answer)
    report = PlanReport(
        stack=stack,
        base=base.label if base else None,
        infrastructure=infrastructure(document["steps"], protected),
        policies=judged(document, protected, from_nothing=base is None),
        hints=(*([hint] if hint else []), *outcome.hints),
    )
    return with_sections(report, checkout, at_commit(checkout, stack, base) if base and not hint else NOTHING, progress, samples)


def check_stack(checkout: Path, stack: str) -> None:
    """Refuses a stack that has no settings here.

    Raises:
        DeliveryError: names those that have.
    """
    if not (checkout / f"Pulumi.{stack}.yaml").is_file():
        known = ", ".join(sorted(path.name.split(".")[1] for path in checkout.glob("Pulumi.*.yaml")))
        raise DeliveryError(f"there is no Pulumi.{stack}.yaml in {checkout}; the stacks with settings here are {known or 'none'}")


def _update_base(checkout: Path, base: Base, stack: Stack, sandbox: PlanSandbox, progress: Progress) -> tuple[frozenset[str], str]:
    """Makes the simulated Azure what the base says.

    Returns:
        The URNs of the resources that are protected there, and what a reader should know about the base.
    """
    tree = sandbox.folder / "base"
    with progress.phase(f"simulated update of {base.label}") as phase:
        extract(checkout, base, tree)
        if not (tree / f"Pulumi.{stack.name}.yaml").is_file():
            return frozenset(), f"{base.label} has no Pulumi.{stack.name}.yaml, so everything of the stack is new"
        lend_python(tree)
        outcome = stack.update(tree, phase.detail)
    _check(outcome, f"the base, {base.label},", "; name another revision with --base, or plan from nothing with `--base none`")
    return stack.unprotect(), ""


def _check(outcome: Outcome, side: str, advice: str) -> None:
    if outcome.errors:
        text = "\n".join(outcome.errors)
        raise DeliveryError(f"{side} cannot be planned{advice}:\n{text}")
