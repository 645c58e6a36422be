import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_azure.errors import LocalAzureError
from local_azure.sandbox import Sandbox


def make(tmp_path: Path, **environment: str) -> Sandbox:
    return Sandbox.of(tmp_path / "checkout", {"HOME": str(tmp_path), **environment})


def test_two_checkouts_have_two_sandboxes(tmp_path: Path):
    one = Sandbox.of(tmp_path / "a", {"HOME": str(tmp_path)})
    other = Sandbox.of(tmp_path / "b", {"HOME": str(tmp_path)})
    assert one.folder != other.folder
    assert one.id != other.id
    assert one.cache == other.cache


def test_one_checkout_with_two_state_folders_has_two_sandboxes(tmp_path: Path):
    """Or the end of one, a test's for instance, would take the other's namespaces along."""
    one, other = (Sandbox.of(tmp_path / "checkout", {"XDG_STATE_HOME": str(tmp_path / state)}) for state in ("a", "b"))
    assert (one.id, one.folder) != (other.id, other.folder)
    assert one.id != other.id
    assert one.runtime != other.runtime


def test_the_standard_folders_are_respected(tmp_path: Path):
    sandbox = make(tmp_path, XDG_STATE_HOME="/state", XDG_CACHE_HOME="/cache")
    assert sandbox.folder.is_relative_to("/state/converge")
    assert sandbox.cache == Path("/cache/converge")


@given(name=st.text(alphabet="abcdefghijklmnopqrstuvwxyz-_0123456789", min_size=1, max_size=100))
def test_sockets_stay_within_the_kernels_limit_however_long_the_checkouts_name_is(name: str):
    sandbox = Sandbox.of(Path("/somewhere") / name, {"HOME": "/root"})
    assert len(f"{sandbox.runtime}/containerd/s/" + "0" * 64) <= 107
    assert len(f"cvg{sandbox.id}") <= 15


@pytest.mark.parametrize("text", ["", "port", "80", "65001", "-1", "1e4"])
def test_a_bad_port_base_is_named_with_what_is_allowed(tmp_path: Path, text: str):
    with pytest.raises(LocalAzureError) as caught:
        make(tmp_path, CONVERGE_LOCAL_PORT_BASE=text)
    assert str(caught.value) == (
        f"CONVERGE_LOCAL_PORT_BASE is {text!r}; it must be a number from 1024 to 65000: the first of three ports that the services listen on"
    )


@given(base=st.integers(1024, 65000))
def test_ports_differ_and_are_ports(base: int):
    ports = Sandbox.of(Path("/x"), {"CONVERGE_LOCAL_PORT_BASE": str(base)}).ports
    assert len({ports.identity, ports.blob, ports.registry}) == 3
    assert max(ports.identity, ports.blob, ports.registry) < 65536


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path):
    sandbox = make(tmp_path)
    first = sandbox.secret("key")
    assert sandbox.secret("key") == first
    assert len(first) == 64
    assert stat.S_IMODE((sandbox.folder / "secrets" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((sandbox.folder / "secrets").stat().st_mode) == 0o700


def test_a_second_command_ends_at_once(tmp_path: Path):
    sandbox = make(tmp_path)
    with sandbox.lock(), pytest.raises(LocalAzureError, match="another `converge local` command is at work on this checkout"):
        make(tmp_path).lock()
    with make(tmp_path).lock():
        pass


def test_the_engines_environment_names_only_the_sandboxs_own_backend(tmp_path: Path):
    sandbox = make(tmp_path)
    environment = sandbox.pulumi_environment()
    assert environment["PULUMI_BACKEND_URL"] == f"file://{sandbox.folder}/pulumi-state"
    assert Path(environment["PULUMI_HOME"]).is_relative_to(sandbox.folder)
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment
