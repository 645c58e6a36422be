"""The policy pack as the engine sees it, without an engine."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from policies.__main__ import main
from policies.catalogue import RULES
from policies.pack import Pack, serve
from policies.planned import STACK
from policies.rules.kinds import ACCOUNT, BUDGET, DEPLOYMENT, IMAGE
from tests.unit.settings.stack_files import ROOT

ADVISORY, MANDATORY = analyzer_pb2.ADVISORY, analyzer_pb2.MANDATORY


@pytest.fixture
def pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """A pack that is served, and one who asks it."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield analyzer_pb2_grpc.AnalyzerStub(channel)
    server.stop(None).wait()


def struct(values: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(values)
    return made


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:dev::converge::{kind}::{name}"


def request(kind: str, name: str, **properties: Any) -> analyzer_pb2.AnalyzeRequest:
    return analyzer_pb2.AnalyzeRequest(type=kind, urn=urn(kind, name), name=name, properties=struct(properties))


def in_stack(kind: str, name: str, **properties: Any) -> analyzer_pb2.AnalyzerResource:
    return analyzer_pb2.AnalyzerResource(type=kind, urn=urn(kind, name), name=name, properties=struct(properties))


def found(response: analyzer_pb2.AnalyzeResponse) -> dict[str, analyzer_pb2.AnalyzeDiagnostic]:
    return {diagnostic.policyName: diagnostic for diagnostic in response.diagnostics}


def configure(pack: analyzer_pb2_grpc.AnalyzerStub, **config: str) -> None:
    pack.ConfigureStack(
        analyzer_pb2.AnalyzerStackConfigureRequest(stack="any", project="converge", config={key.replace("__", ":"): value for key, value in config.items()})
    )


@pytest.mark.parametrize(
    ("config", "level"),
    [({}, ADVISORY), ({"converge__policies": "warn"}, ADVISORY), ({"converge__policies": "refuse"}, MANDATORY), ({"other__policies": "refuse"}, ADVISORY)],
)
def test_the_stacks_setting_decides_what_a_violation_does(pack: analyzer_pb2_grpc.AnalyzerStub, config: dict[str, str], level: int):
    configure(pack, **config)
    response = found(pack.Analyze(request(ACCOUNT, "models", allowSharedKeyAccess=True)))
    assert {diagnostic.enforcementLevel for diagnostic in response.values()} == {level}
    assert {policy.enforcementLevel for policy in pack.GetAnalyzerInfo(Empty()).policies} == {level}


def test_another_word_is_refused(pack: analyzer_pb2_grpc.AnalyzerStub):
    with pytest.raises(grpc.RpcError) as error:
        configure(pack, converge__policies="ask")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # pyright: ignore[reportAttributeAccessIssue] - grpc's own class says too little
    assert error.value.details() == "converge:policies is ask; allowed are warn and refuse"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_refusal_says_rule_resource_what_it_is_and_what_to_do(pack: analyzer_pb2_grpc.AnalyzerStub):
    diagnostic = found(pack.Analyze(request(ACCOUNT, "models", allowSharedKeyAccess=True)))["CVG201"]
    assert diagnostic.message == (
        "models: allowSharedKeyAccess is true; it must be false.\n"
        "A key opens everything, names nobody, and is in somebody's shell history.\n"
        "Fix: set allow_shared_key_access to false; every access is by identity."
    )
    assert (diagnostic.urn, diagnostic.severity) == (urn(ACCOUNT, "models"), analyzer_pb2.POLICY_SEVERITY_CRITICAL)
    assert diagnostic.description == "The account has no keys."


def test_what_is_not_known_yet_is_no_violation(pack: analyzer_pb2_grpc.AnalyzerStub):
    unknown = pack.Analyze(request(ACCOUNT, "models", allowSharedKeyAccess="04da6b54-80e4-46f7-96ec-b56ff0331ba9"))
    assert "CVG201" not in found(unknown)
    # The protocol does not say whether a resource is retained.
    assert "CVG353" not in found(pack.Analyze(request(IMAGE, "image", tags=["registry.example/digits:abc"])))


def test_rules_between_resources_see_inputs_and_the_stacks_outputs(pack: analyzer_pb2_grpc.AnalyzerStub):
    labels = {"app": "digits"}
    deployment = {"metadata": {"name": "digits", "namespace": "digits"}, "spec": {"replicas": 2, "template": {"metadata": {"labels": labels}}}}
    budget = {"metadata": {"name": "digits", "namespace": "digits"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": labels}}}
    for kind, properties in ((DEPLOYMENT, deployment), (BUDGET, budget)):
        assert "CVG601" not in found(pack.Analyze(request(kind, "digits", **properties)))
    resources = [in_stack(DEPLOYMENT, "digits"), in_stack(BUDGET, "digits"), in_stack(STACK, "dev", kubeconfig="kind: Config")]
    response = found(pack.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=resources)))
    assert response["CVG601"].message.startswith("digits: minAvailable is 2 and digits has 2 pods at least: none of them may be evicted.")
    assert response["CVG505"].message.startswith("dev: the output kubeconfig shows a kubeconfig or a credential.")
    assert "CVG602" not in response


def test_protection_is_an_option(pack: analyzer_pb2_grpc.AnalyzerStub):
    asked = request(ACCOUNT, "models")
    assert "CVG212" in found(pack.Analyze(asked))
    asked.options.protect = True
    assert "CVG212" not in found(pack.Analyze(asked))


def test_the_engine_gets_every_rule(pack: analyzer_pb2_grpc.AnalyzerStub):
    info = pack.GetAnalyzerInfo(Empty())
    assert info.name == "converge"
    assert [policy.name for policy in info.policies] == [rule.id for rule in RULES]
    assert {policy.policy_type for policy in info.policies} == {analyzer_pb2.POLICY_TYPE_RESOURCE, analyzer_pb2.POLICY_TYPE_STACK}
    assert list(pack.Remediate(request(ACCOUNT, "models")).remediations) == []


def test_the_folder_is_run_as_the_language_host_runs_it():
    """A process that prints its port, and ends when it is told to."""
    command = [sys.executable, "policies", "127.0.0.1:1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            analyzer_pb2_grpc.AnalyzerStub(channel).Cancel(Empty())
        assert process.wait(timeout=20) == 0


def test_a_pack_whose_engine_was_killed_ends(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as engine:
        address = f"127.0.0.1:{engine.getsockname()[1]}"
    serve(address, every_seconds=0.01)
    assert int(capsys.readouterr().out) > 0


def test_the_rules_can_be_listed(capsys: pytest.CaptureFixture[str]):
    main(["--list"])
    *listed, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == [rule.id for rule in RULES]
    assert last == f"{len(RULES)} rules"


def test_anything_else_is_refused():
    for arguments in ([], ["--all"], ["one", "two"]):
        with pytest.raises(SystemExit) as error:
            main(arguments)
        assert error.value.code == "error: allowed are --list, or the engine's address, which `pulumi preview --policy-pack policies` hands over"
