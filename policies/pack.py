"""The rules as a Pulumi policy pack: a server of the engine's Analyzer protocol.

Written on the protocol that Pulumi's SDK brings, since the newest pulumi-policy asks for protobuf 5, and everything else here for protobuf 6.
"""

import socket
from collections.abc import Iterable, Sequence
from concurrent import futures
from threading import Event

import grpc
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from policies.catalogue import RULES
from policies.evaluation import Outcome, evaluate
from policies.planned import STACK, UNKNOWN, PlannedResource, marked
from policies.rule import Rule

NAME = "converge"
VERSION = "1.0.0"
SETTING = "converge:policies"
"""Key of the stack that decides what a violation does; nothing else does, least of all the stack's name."""
_LEVELS = {"warn": analyzer_pb2.ADVISORY, "refuse": analyzer_pb2.MANDATORY}
_DEFAULT = "warn"
_SEVERITIES = {
    "low": analyzer_pb2.POLICY_SEVERITY_LOW,
    "medium": analyzer_pb2.POLICY_SEVERITY_MEDIUM,
    "high": analyzer_pb2.POLICY_SEVERITY_HIGH,
    "critical": analyzer_pb2.POLICY_SEVERITY_CRITICAL,
}
_LARGEST_MESSAGE = 400 * 2**20
"""What the engine itself allows."""


class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    """Answers the engine: rules about one resource before it is created, the others once all are planned."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self._rules = rules
        self._level = _LEVELS[_DEFAULT]
        self._inputs: dict[str, PlannedResource] = {}
        """What the engine showed one by one. Of all resources together it shows outputs, which read differently."""
        self.ended = Event()

    def Handshake(self, request: analyzer_pb2.AnalyzerHandshakeRequest, context: grpc.ServicerContext) -> analyzer_pb2.AnalyzerHandshakeResponse:  # noqa: N802, ARG002 - gRPC's
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def ConfigureStack(  # noqa: N802 - gRPC's name
        self, request: analyzer_pb2.AnalyzerStackConfigureRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerStackConfigureResponse:
        chosen = request.config.get(SETTING, _DEFAULT)
        if chosen not in _LEVELS:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{SETTING} is {chosen}; allowed are {' and '.join(_LEVELS)}")
        self._level = _LEVELS[chosen]
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def GetAnalyzerInfo(self, request: Empty, context: grpc.ServicerContext) -> analyzer_pb2.AnalyzerInfo:  # noqa: N802, ARG002 - gRPC's
        return analyzer_pb2.AnalyzerInfo(name=NAME, displayName="Converge", version=VERSION, policies=[self._info(rule) for rule in self._rules])

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:  # noqa: N802, ARG002 - gRPC's
        return plugin_pb2.PluginInfo(version=VERSION)

    def Configure(self, request: analyzer_pb2.ConfigureAnalyzerRequest, context: grpc.ServicerContext) -> Empty:  # noqa: N802, ARG002 - gRPC's
        return Empty()

    def Remediate(self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext) -> analyzer_pb2.RemediateResponse:  # noqa: N802, ARG002 - gRPC's
        return analyzer_pb2.RemediateResponse()

    def Analyze(self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext) -> analyzer_pb2.AnalyzeResponse:  # noqa: N802, ARG002 - gRPC's
        resource = _planned(request)
        self._inputs[resource.urn] = resource
        return self._response([resource], (rule for rule in self._rules if rule.per_resource))

    def AnalyzeStack(self, request: analyzer_pb2.AnalyzeStackRequest, context: grpc.ServicerContext) -> analyzer_pb2.AnalyzeResponse:  # noqa: N802, ARG002 - gRPC's
        # Only the stack itself is asked about its outputs.
        resources = [_planned(resource) if resource.type == STACK else self._inputs.get(resource.urn) or _planned(resource) for resource in request.resources]
        return self._response(resources, (rule for rule in self._rules if not rule.per_resource))

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:  # noqa: N802, ARG002 - gRPC's
        self.ended.set()
        return Empty()

    def _info(self, rule: Rule) -> analyzer_pb2.PolicyInfo:
        return analyzer_pb2.PolicyInfo(
            name=rule.id,
            displayName=rule.title,
            description=rule.title,
            message=rule.fix,
            enforcementLevel=self._level,
            policy_type=analyzer_pb2.POLICY_TYPE_RESOURCE if rule.per_resource else analyzer_pb2.POLICY_TYPE_STACK,
            severity=_SEVERITIES[rule.severity],
            remediation_steps=rule.fix,
        )

    def _response(self, resources: Sequence[PlannedResource], rules: Iterable[Rule]) -> analyzer_pb2.AnalyzeResponse:
        report = evaluate(resources, tuple(rules))
        return analyzer_pb2.AnalyzeResponse(
            diagnostics=[
                analyzer_pb2.AnalyzeDiagnostic(
                    policyName=violation.rule.id,
                    policyPackName=NAME,
                    policyPackVersion=VERSION,
                    description=f"{violation.rule.title}.",
                    message=f"{violation.resource.name}: {violation.message}.\n{violation.rule.reason}\nFix: {violation.rule.fix}",
                    enforcementLevel=self._level,
                    urn=violation.resource.urn,
                    severity=_SEVERITIES[violation.rule.severity],
                )
                for violation in report.violations
            ],
            not_applicable=[
                analyzer_pb2.PolicyNotApplicable(policy_name=result.rule.id, reason=result.reason)
                for result in report.results
                if result.outcome is Outcome.NOT_APPLICABLE
            ],
        )


def _planned(resource: analyzer_pb2.AnalyzeRequest | analyzer_pb2.AnalyzerResource) -> PlannedResource:
    return PlannedResource(
        urn=resource.urn,
        type=resource.type,
        name=resource.name,
        properties=marked(json_format.MessageToDict(resource.properties)),
        protect=resource.options.protect,
        parent=resource.options.parent,
        # The protocol has no word for it.
        retain_on_delete=UNKNOWN,
    )


def serve(engine: str, every_seconds: float = 30) -> None:
    """Serves the rules on a port of the machine's choice, printed as the engine expects it, until the engine says that it ends or is gone.

    Args:
        engine: its address.
        every_seconds: how often it is looked for: an engine that was killed tells nobody.
    """
    pack = Pack()
    options = [("grpc.max_receive_message_length", _LARGEST_MESSAGE), ("grpc.max_send_message_length", _LARGEST_MESSAGE)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=options)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(pack, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while not pack.ended.wait(every_seconds) and _is_there(engine):
        pass
    server.stop(grace=1).wait()


def _is_there(engine: str) -> bool:
    host, _, port = engine.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True
