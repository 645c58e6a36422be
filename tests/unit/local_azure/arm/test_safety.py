from pathlib import Path

import pytest

from local_azure.arm.safety import NotASandboxError, sandbox_of
from local_azure.sandbox import MARKER, Sandbox


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    sandbox = Sandbox.of(tmp_path / "checkout", {"HOME": str(tmp_path)})
    sandbox.create()
    return sandbox.pulumi_environment()


def test_a_sandbox_is_accepted(environment: dict[str, str]):
    assert str(sandbox_of(environment)) == environment["CONVERGE_SANDBOX"]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CONVERGE_SANDBOX", None, "CONVERGE_SANDBOX is not set"),
        ("CONVERGE_SANDBOX", "/", "which is no sandbox"),
        ("PULUMI_BACKEND_URL", None, "the state backend is not set"),
        ("PULUMI_BACKEND_URL", "azblob://state?storage_account=real", "the state backend is azblob://state, and"),
        ("PULUMI_BACKEND_URL", "file:///somewhere/pulumi-state", "the state backend is file:///somewhere/pulumi-state, and"),
        ("PULUMI_BACKEND_URL", "file://~", "the state backend is file://~, and"),
        ("PULUMI_HOME", None, "PULUMI_HOME is not set, outside the sandbox"),
        ("PULUMI_HOME", "/root/.pulumi", "PULUMI_HOME is /root/.pulumi, outside the sandbox"),
    ],
)
def test_everything_that_could_be_real_is_refused(environment: dict[str, str], variable: str, value: str | None, message: str):
    changed = {name: text for name, text in environment.items() if name != variable} | ({variable: value} if value else {})
    with pytest.raises(NotASandboxError) as caught:
        sandbox_of(changed)
    assert message in str(caught.value)
    assert "pulumi plugin install resource azure-native" in str(caught.value)


def test_a_link_out_of_the_sandbox_is_refused(environment: dict[str, str], tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    state = Path(environment["CONVERGE_SANDBOX"]) / "pulumi-state"
    linked = tmp_path / "linked"
    linked.symlink_to(outside)
    with pytest.raises(NotASandboxError):
        sandbox_of({**environment, "PULUMI_BACKEND_URL": f"file://{linked}"})
    alias = tmp_path / "alias"
    alias.symlink_to(state)
    assert sandbox_of({**environment, "PULUMI_BACKEND_URL": f"file://{alias}"})


def test_both_rooms_mean_the_same_marker():
    assert MARKER == ".converge-sandbox"
