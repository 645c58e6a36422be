"""The policy pack beside the real engine: prod passes, a broken setting is refused there and only told in dev."""

import re
import shutil
import time

import pytest

from tests.plan.conftest import ROOT, Program
from tests.plan.test_program import lock


@pytest.fixture
def guarded(program: Program) -> Program:
    """A copy of the checkout with the policy pack in it."""
    shutil.copytree(ROOT / "policies", program.folder / "policies", ignore=shutil.ignore_patterns("__pycache__"))
    return program


def preview(program: Program, stack: str) -> tuple[int, str]:
    program.new_stack(stack)
    program.write_lock(stack, lock())
    started = time.monotonic()
    done = program.pulumi("preview", "--stack", stack, "--policy-pack", "policies")
    print(f"preview of {stack} from nothing, with the policy pack: {time.monotonic() - started:.1f} s")
    return done.returncode, done.stdout + done.stderr


def test_prod_passes_every_rule(guarded: Program):
    code, text = preview(guarded, "prod")
    assert "✅ converge@v1.0.0 (local: policies)" in text, text
    assert "[advisory]" not in text
    assert "[mandatory]" not in text
    assert code == 0, text


def test_prod_with_one_setting_broken_is_refused(guarded: Program):
    guarded.change_settings("prod", {"converge:protectData": False})
    code, text = preview(guarded, "prod")
    assert code != 0
    assert "❌ converge@v1.0.0 (local: policies)" in text, text
    # One rule about a resource, one about what two have to do with each other; what it is, and what to do.
    assert "[mandatory] [severity: critical]  CVG212  (azure-native:storage:StorageAccount: converge-models-account)" in text
    assert "[mandatory] [severity: high]  CVG213  (azure-native:containerregistry:Registry: converge-registry-registry)" in text
    assert "converge-models-account: is not protected." in text
    assert "converge-models-account: has no lock CanNotDelete." in text
    assert "Fix: set converge:protectData to true." in text
    # Whatever else there is to say about prod is in order.
    assert "[advisory]" not in text
    assert set(re.findall(r"\[mandatory\] \[severity: \w+\]  (\S+)", text)) == {"CVG212", "CVG213"}


def test_dev_is_told_and_goes_on(guarded: Program):
    code, text = preview(guarded, "dev")
    assert code == 0, text
    assert "[mandatory]" not in text
    assert "[advisory] [severity: high]  CVG404" in text
    assert "converge-cluster-aks: sku.tier is Free; it must be Standard or Premium." in text
    assert "Fix: set the tier to Standard or Premium." in text
