"""A plugin that lets everything be as the program says. Its subclasses tell what the real one adds, names and replaces."""

import hashlib
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from local_azure.arm.wire import from_struct, plain, to_struct
from local_azure.differences import ABSENT, Difference, differences
from local_azure.plugin import SimulatedProvider

Properties = dict[str, Any]
_Kind = provider_pb2.PropertyDiff.Kind


class WorkloadProvider(SimulatedProvider):
    """Keeps nothing and checks nothing: the engine's own state is all there is."""

    def knows(self, token: str) -> bool:  # noqa: ARG002 - so for all methods that a subclass may have a use for the arguments of
        """Whether the type is simulated."""
        return True

    def filled_in(self, token: str, inputs: Properties, drawn: str) -> Properties:  # noqa: ARG002
        """Inputs with what the real plugin adds; `drawn` stands for its random digits, and is the same for the same resource."""
        return inputs

    def identifier(self, token: str, inputs: Properties) -> str:
        """The id of a resource."""
        raise NotImplementedError

    def outputs(self, inputs: Properties, *, preview: bool) -> Properties:  # noqa: ARG002
        """What comes back beside the inputs."""
        return {}

    def ignored(self, difference: Difference, inputs: Properties) -> bool:  # noqa: ARG002
        """Whether the real plugin overlooks this difference."""
        return False

    def replaces(self, token: str, path: str) -> bool:  # noqa: ARG002
        """Whether a change at this path needs a new resource."""
        return False

    def deleted_first(self, before: Properties, after: Properties) -> bool:  # noqa: ARG002
        """Whether the old resource must go before the new one can come."""
        return False

    def provider_replaces(self, before: Properties, after: Properties) -> list[str]:  # noqa: ARG002
        """The keys of the provider's own configuration that make it another provider."""
        return []

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:  # noqa: ARG002, N802 - the protocol's
        before, after = plain(from_struct(request.olds)), plain(from_struct(request.news))
        changed = sorted(name for name in before.keys() | after.keys() if name != "version" and before.get(name) != after.get(name))
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, diffs=changed, replaces=self.provider_replaces(before, after))

    def Check(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:  # noqa: N802
        token = _token(request)
        if not self.knows(token):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"a plan does not simulate {token}; preview the stack with the real plugin")
        inputs = self.filled_in(token, from_struct(request.news), hashlib.sha256(request.urn.encode()).hexdigest()[:8])
        response = provider_pb2.CheckResponse()
        response.inputs.CopyFrom(to_struct(inputs))
        return response

    def Diff(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:  # noqa: ARG002, N802
        token = _token(request)
        before, after = plain(from_struct(request.old_inputs)), plain(from_struct(request.news))
        found = [difference for difference in differences(before, after) if not self.ignored(difference, after)]
        replaces = sorted(difference.path for difference in found if self.replaces(token, difference.path))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({difference.path.split(".")[0].split("[")[0] for difference in found}),
            replaces=replaces,
            detailedDiff={item.path: provider_pb2.PropertyDiff(kind=_kind(item, replace=item.path in replaces), inputDiff=True) for item in found},
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces) and self.deleted_first(before, after),
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:  # noqa: ARG002, N802
        inputs = from_struct(request.properties)
        outputs = self.outputs(plain(inputs), preview=request.preview)
        identifier = "" if request.preview else self.identifier(_token(request), plain({**inputs, **outputs}))
        return provider_pb2.CreateResponse(id=identifier, properties=to_struct({**inputs, **outputs}))

    def Update(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:  # noqa: ARG002, N802
        inputs = from_struct(request.news)
        return provider_pb2.UpdateResponse(properties=to_struct({**inputs, **self.outputs(plain(inputs), preview=request.preview)}))

    def Read(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:  # noqa: ARG002, N802
        # Nothing changes by itself: what the state says is what there is.
        return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: ARG002, N802
        return empty_pb2.Empty()


def _token(request: Any) -> str:
    return request.type or request.urn.split("::")[2].split("$")[-1]


def _kind(difference: Difference, *, replace: bool) -> "provider_pb2.PropertyDiff.Kind.ValueType":
    if difference.before is ABSENT:
        return _Kind.ADD_REPLACE if replace else _Kind.ADD
    if difference.after is ABSENT:
        return _Kind.DELETE_REPLACE if replace else _Kind.DELETE
    return _Kind.UPDATE_REPLACE if replace else _Kind.UPDATE


def text_at(values: Mapping[str, Any], *names: str) -> str:
    """The text at a path of names; empty when there is none."""
    found: Any = values
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""
