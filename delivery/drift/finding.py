"""Finds out what differs: the engine looks, the rules judge, Azure is asked who it was."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from delivery.deploy.engine import Engine
from delivery.drift.activity import Callers
from delivery.drift.cluster import with_whole_objects
from delivery.drift.judging import judged
from delivery.drift.report import DriftReport
from delivery.drift.resources import resources_of
from delivery.errors import DeliveryError
from delivery.plan.making import check_stack
from local_azure.progress import Progress


def find_drift(checkout: Path, stack: str, progress: Progress) -> DriftReport:
    """What of the stack is not as the last deployment left it. Nothing is changed, neither in Azure nor in the stack's state.

    Args:
        checkout: folder with the Pulumi.yaml.

    Raises:
        DeliveryError: there is no Pulumi or no such stack, or something cannot be asked; in the engine's own words.
    """
    check_stack(checkout, stack)
    engine = Engine(checkout, stack)
    with progress.phase(f"comparing {stack} with what is there") as phase:
        try:
            run = engine.drift(phase.detail)
        except DeliveryError as error:
            raise _advised(stack, error) from error
    resources, notes = with_whole_objects(resources_of(json.loads(run.answer)["steps"]))
    callers = _callers(os.environ)
    with progress.phase("asking who changed it", quiet_under=1.0):
        return judged(stack, resources, callers.who_changed, lambda: (*notes, *callers.notes))


def _advised(stack: str, error: DeliveryError) -> DeliveryError:
    """The Kubernetes plugin proposes to forget what it cannot reach, which nobody should try who only wanted to look."""
    if "unreachable cluster" not in str(error):
        return error
    return DeliveryError(
        f"the cluster of the stack {stack!r} cannot be reached, so nothing can be said about what runs there; `converge doctor {stack}` finds out why "
        "(a private cluster is reached from inside its network only)"
    )


def _callers(environment: Mapping[str, str]) -> Callers:
    now = datetime.now(UTC)
    if environment.get("CONVERGE_SANDBOX"):
        # The simulated Azure keeps no activity log, and its ids mean nothing in the real one.
        return Callers(None, now)
    # The SDKs of Azure take long to import.
    from delivery.azure.arm import Arm  # noqa: PLC0415
    from delivery.azure.login import Login  # noqa: PLC0415

    return Callers(Arm(Login()), now)
