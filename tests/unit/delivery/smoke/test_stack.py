"""The smoke test of all services of a stack, and its command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from delivery.deploy.engine import Engine
from delivery.errors import DeliveryError
from delivery.smoke import cli, stack
from delivery.smoke.deployed import Deployed, deployed_services
from local_azure.progress import Progress
from model_store import Lock, LockedModel, LockedService, write_lock
from tests.unit.delivery.smoke.fake_service import GOLDEN, MODEL, SERVICE, FakeService, running

OTHER = MODEL.model_copy(update={"version": 3})
BASE = f"python@sha256:{'a' * 64}"


class FakeWay:
    """Leads to a service of the test."""

    context = "prod-cluster"

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @contextmanager
    def client(self, service: Deployed, seconds: float) -> Iterator[httpx.Client]:
        assert service == SERVICE
        assert seconds == 10.0
        yield self._client


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    service = FakeService()

    @contextmanager
    def way() -> Iterator[FakeWay]:
        with running(service) as client:
            yield FakeWay(client)

    monkeypatch.setattr(stack, "way_in", way)
    monkeypatch.setattr(stack, "golden_requests", lambda *_: GOLDEN)
    return service


def smoked(output: StringIO, models: dict[str, LockedModel] | None = None) -> dict[str, Any]:
    with Progress(Console(file=output)) as progress:
        return dict(stack.smoke(Path(), {"digits": SERVICE}, models or {"digits": MODEL}, "", 1000, progress))


def test_each_check_is_told(served: FakeService):
    served.digest = None
    results = smoked(output := StringIO())
    assert stack.failures(results) == []
    lines = output.getvalue().splitlines()
    assert lines[0] == "  smoke test of digits (cluster prod-cluster) ..."
    assert lines[2:6] == [
        "    ok     ready: the service and its model are ready",
        "    ok     metadata: it runs digits v2, sha256 aaaaaaaaaaaa, with the signature of the lock",
        "    ?      image: the service does not say which image it runs",
        "    ok     golden requests: 2 of 2 answered as they must be",
    ]


def test_what_fails_is_told_by_service_and_check(served: FakeService):
    served.infer = 400
    results = smoked(output := StringIO())
    text = "golden requests: case 0 of 2: POST /v2/models/digits/infer was answered with 400: the model refuses"
    assert stack.failures(results) == [f"digits: {text}"]
    assert f"    FAILED {text}" in output.getvalue()


def test_no_service_needs_no_cluster():
    with Progress(Console(file=StringIO())) as progress:
        assert stack.smoke(Path(), {}, {}, "", 1000, progress) == {}


def test_models_are_those_of_the_lock_else_of_a_release():
    def never() -> list[LockedModel]:
        raise AssertionError("the lock has it")

    assert stack.models_of({"digits": SERVICE}, [OTHER, MODEL], never) == {"digits": MODEL}
    assert stack.models_of({"digits": SERVICE}, [OTHER], lambda: [MODEL]) == {"digits": MODEL}
    with pytest.raises(DeliveryError) as raised:
        stack.models_of({"digits": SERVICE}, [OTHER], lambda: [OTHER])
    assert str(raised.value) == ("digits runs digits v2 (sha256 aaaaaaaaaaaa), which neither the lock nor a release of the stack has; deploy the lock first")


@pytest.mark.parametrize("services", [{"digits": {"namespace": "digits"}}, {"digits": 5}, ["digits"]])
def test_outputs_of_another_program(services: Any):
    with pytest.raises(DeliveryError, match=r"^the stack's output `services` is not what this program writes; run `pulumi up` with it once \("):
        deployed_services({"services": services})


@pytest.mark.parametrize("outputs", [{}, {"services": {}}, {"services": None}])
def test_a_stack_without_services(outputs: dict[str, Any]):
    assert deployed_services(outputs) == {}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: converge\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  converge:baseImage: {BASE}\n")
    (tmp_path / "below").mkdir()
    write_lock(tmp_path / "locks" / "dev.json", Lock(services={"digits": LockedService(model=MODEL)}))
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setattr(Engine, "__init__", lambda *_: None)
    monkeypatch.setattr(Engine, "outputs", lambda _: {"services": {"digits": SERVICE.model_dump()}, "modelStore": "https://x/y"})
    return tmp_path


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(cli.smoke)
    return CliRunner().invoke(app, arguments)


@pytest.mark.usefixtures("checkout")
def test_the_command(served: FakeService):
    passed = run("dev")
    assert (passed.exit_code, passed.stdout) == (0, "smoke test of dev passed: digits\n")
    assert json.loads(run("dev", "--json").stdout)["digits"]["checks"][0] == {
        "name": "ready",
        "passed": True,
        "text": "the service and its model are ready",
    }
    served.off_by = 1.0
    failed = run("dev")
    assert (failed.exit_code, failed.stdout) == (5, "digits: golden requests: case 0 of 2: output probabilities[0] is 1.75, expected 0.75\n")
    assert run("dev", "--json").exit_code == 5


@pytest.mark.usefixtures("checkout")
def test_nothing_is_deployed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Engine, "outputs", lambda _: {})
    assert run("dev").stdout == "no service of dev is deployed, so nothing was asked\n"


@pytest.mark.usefixtures("checkout")
def test_a_stack_that_there_is_not():
    error = run("nope").exception
    assert isinstance(error, DeliveryError)
    assert "there is no Pulumi.nope.yaml in" in str(error)


def test_outside_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert str(run("dev").exception) == f"no Pulumi.yaml in {tmp_path} or above it; run `converge smoke` in a checkout of the project"


def test_the_key_comes_from_the_environment(served: FakeService, monkeypatch: pytest.MonkeyPatch):
    served.api_key = "hush"
    with pytest.raises(DeliveryError, match="asks for an API key"):
        smoked(StringIO())
    monkeypatch.setenv("CONVERGE_SMOKE_API_KEY", " hush\n")
    output = StringIO()
    assert smoked(output)["digits"].passed
    assert "hush" not in output.getvalue()


@pytest.mark.parametrize("key", ["hu\nsh", "schl\u00fcssel"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(key: str):
    with pytest.raises(DeliveryError) as raised:
        stack.api_key({"CONVERGE_SMOKE_API_KEY": key})
    assert str(raised.value) == "CONVERGE_SMOKE_API_KEY is no API key: it has characters that a header cannot carry"
