"""The engine's side: Pulumi's provider protocol over gRPC, one method per call."""

import hashlib
import re
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from local_azure.arm import behaviour, check, diff, invokes, reading
from local_azure.arm.clock import Clock, cancelled
from local_azure.arm.errors import ArmError
from local_azure.arm.faults import Faults
from local_azure.arm.resources import Resources
from local_azure.arm.retries import repeated
from local_azure.arm.services import Services
from local_azure.arm.spec import Context, Properties, ResourceType
from local_azure.arm.state import State
from local_azure.arm.types import ALL
from local_azure.arm.wire import UNKNOWN, Secret, from_struct, plain, to_struct
from local_azure.plugin import SimulatedProvider
from local_azure.sandbox import TENANT_ID

_DEFAULT_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
Method = TypeVar("Method", bound=Callable[..., Any])
Result = TypeVar("Result")
_STABLE = ("name", "location")
"""The outputs that the plugin expects to stay the same in an update, for every type; all others count as unknown until it is done."""


def _answers_errors(method: Method) -> Method:
    """Sends what ARM would refuse as the call's error instead of a traceback."""

    @wraps(method)
    def wrapped(self: "ArmProvider", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except ArmError as error:
            context.abort_with_status(error.details())

    return wrapped  # pyright: ignore[reportReturnType] - same signature, which functools.wraps does not say


class ArmProvider(SimulatedProvider):
    """Simulates Azure Resource Manager for one sandbox.

    Args:
        sandbox: the folder that `safety.sandbox_of` approved.
        version: of the real plugin that the program's SDK belongs to.
    """

    name = "azure-native"

    def __init__(self, sandbox: Path, version: str) -> None:
        super().__init__(version)
        self._sandbox = sandbox
        self._state = State(sandbox / "arm")
        self._location: str | None = None
        self._replaced_names: dict[str, str] = {}
        self._cancelled = threading.Event()
        self._arm = self._context(_DEFAULT_SUBSCRIPTION, TENANT_ID)

    def _context(self, subscription_id: str, tenant_id: str) -> Context:
        return Context(subscription_id=subscription_id, tenant_id=tenant_id, services=Services(self._sandbox, subscription_id))

    @property
    def _resources(self) -> Resources:
        return Resources(self._state, self._arm)

    def _repeated(self, call: Callable[[], Result]) -> Result:
        if self._cancelled.is_set():
            raise cancelled()
        return repeated(call, self._clock(self._resources.faults.read()))

    def _clock(self, faults: Faults) -> Clock:
        return Clock(faults.clock, self._cancelled)

    def _written(self, call: Callable[[], Result]) -> Result:
        """As `_repeated`, for a call that Azure takes its time for."""
        result, faults = self._repeated(call), self._resources.faults.read()
        self._clock(faults).sleep(faults.delay)
        return result

    def Cancel(self, request, context) -> empty_pb2.Empty:  # noqa: ANN001, ARG002, N802 - the protocol's
        # As the real plugin: whatever waits ends, and what is asked for from now on fails. A program that tries again and again would go on otherwise.
        self._cancelled.set()
        return empty_pb2.Empty()

    def DiffConfig(self, request, context) -> provider_pb2.DiffResponse:  # noqa: ANN001, ARG002, N802
        # Another subscription is another place: what is in the old one stays there, as with the real plugin.
        old, new = plain(from_struct(request.olds)), plain(from_struct(request.news))
        changed = sorted(name for name in old.keys() | new.keys() if name != "version" and old.get(name) != new.get(name))
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, diffs=changed)

    @_answers_errors
    def Configure(self, request, context) -> provider_pb2.ConfigureResponse:  # noqa: ANN001, ARG002, N802
        variables = {name.rsplit(":", 1)[-1]: value for name, value in request.variables.items()}
        self._location = variables.get("location")
        self._resources.faults.read()
        self._arm = self._context(variables.get("subscriptionId", _DEFAULT_SUBSCRIPTION), variables.get("tenantId", TENANT_ID))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @_answers_errors
    def Invoke(self, request, context) -> provider_pb2.InvokeResponse:  # noqa: ANN001, ARG002, N802
        answer = self._repeated(lambda: invokes.answer(request.tok, plain(from_struct(request.args)), self._resources))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(answer))
        return response

    @_answers_errors
    def Check(self, request, context) -> provider_pb2.CheckResponse:  # noqa: ANN001, ARG002, N802
        kind = _kind(request.type or request.urn.split("::")[2].split("$")[-1])
        inputs, old = from_struct(request.news), from_struct(request.olds)
        self._fill_in(kind, inputs, old, request.urn)
        failures = [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in check.problems(kind, inputs)]
        response = provider_pb2.CheckResponse(failures=failures)
        response.inputs.CopyFrom(to_struct(inputs))
        return response

    def _fill_in(self, kind: ResourceType, inputs: Properties, old: Properties, urn: str) -> None:
        """Adds name and location as the real plugin does: from the resource's Pulumi name, and from the provider's configuration.

        The digits behind the name are random in the real plugin. Here they follow from the URN, so that a create that was cut off is found again, and for a
        resource that takes the place of another from that one's name, too: it is created first, as with the real plugin.
        """
        name = kind.name_property
        if kind.fixed_name:
            inputs.setdefault(name, kind.fixed_name)
        elif name not in inputs:
            inputs[name] = old.get(name) or _drawn_name(kind, urn, self._replaced_names.get(urn, ""))
        if "location" in kind.properties and "location" not in inputs and self._location:
            inputs["location"] = old.get("location") or self._location

    @_answers_errors
    def Diff(self, request, context) -> provider_pb2.DiffResponse:  # noqa: ANN001, ARG002, N802
        kind = _kind(request.type or request.urn.split("::")[2].split("$")[-1])
        old = from_struct(request.old_inputs)
        found = diff.changes(kind, old, from_struct(request.news), plain(from_struct(request.olds)))
        replaced = sorted({path for path, change in found.items() if diff.replaces(change)})
        own_name = str(plain(old.get(kind.name_property)))
        drawn = _is_drawn(kind, request.urn, own_name)
        if drawn:
            self._replaced_names[request.urn] = own_name
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({path.split(".")[0].split("[")[0] for path in found}),
            replaces=replaced,
            detailedDiff={path: provider_pb2.PropertyDiff(kind=change, inputDiff=True) for path, change in found.items()},
            hasDetailedDiff=True,
            # A name that the program gave would be taken while the old resource exists. One that the plugin drew is drawn again.
            deleteBeforeReplace=bool(replaced) and not drawn,
        )

    @_answers_errors
    def Create(self, request, context) -> provider_pb2.CreateResponse:  # noqa: ANN001, ARG002, N802
        kind = _kind(request.type or request.urn.split("::")[2].split("$")[-1])
        inputs = from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(_foreseen(kind, inputs, {})))
        identifier, answer = self._written(lambda: self._resources.put(kind, plain(inputs), operation="create", urn=request.urn))
        return provider_pb2.CreateResponse(id=identifier, properties=to_struct(_with_secrets(answer, inputs)))

    @_answers_errors
    def Update(self, request, context) -> provider_pb2.UpdateResponse:  # noqa: ANN001, ARG002, N802
        kind = _kind(request.type or request.urn.split("::")[2].split("$")[-1])
        inputs = from_struct(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(_foreseen(kind, inputs, from_struct(request.olds))))
        _, answer = self._written(lambda: self._resources.put(kind, plain(inputs), operation="update"))
        return provider_pb2.UpdateResponse(properties=to_struct(_with_secrets(answer, inputs)))

    @_answers_errors
    def Read(self, request, context) -> provider_pb2.ReadResponse:  # noqa: ANN001, ARG002, N802
        found = self._repeated(lambda: self._resources.read(request.id))
        if found is None:
            return provider_pb2.ReadResponse()
        record, answer = found
        kind, known = ALL[record["token"]], from_struct(request.inputs)
        inputs = reading.refreshed(kind, known, plain(from_struct(request.properties)), answer) if known else reading.imported(kind, record["inputs"], answer)
        return provider_pb2.ReadResponse(id=record["id"], inputs=to_struct(inputs), properties=to_struct(_with_secrets(answer, inputs)))

    @_answers_errors
    def Delete(self, request, context) -> empty_pb2.Empty:  # noqa: ANN001, ARG002, N802
        self._repeated(lambda: self._resources.delete(request.id))
        return empty_pb2.Empty()


def _foreseen(kind: ResourceType, inputs: Properties, known: Properties) -> Properties:
    """The outputs that a preview shows: what is given is known, and of the rest what never changes."""
    stable = {name: known[name] for name in _STABLE if name in known}
    return {**dict.fromkeys(kind.outputs, UNKNOWN), **behaviour.foreseen(kind.pulumi_type, kind.respond(inputs)), **stable}


def _with_secrets(answer: Properties, inputs: Properties) -> Properties:
    """An answer in which what was given as a secret still is one."""
    return {**answer, **{name: Secret(answer[name]) for name, value in inputs.items() if isinstance(value, Secret) and name in answer}}


def _kind(token: str) -> ResourceType:
    if token not in ALL:
        raise ArmError(
            "ResourceTypeNotSimulated",
            f"The simulated Azure does not know {token}. It knows {', '.join(sorted(ALL))}; docs/simulated-arm.md says how to add one.",
        )
    return ALL[token]


def _drawn_name(kind: ResourceType, urn: str, in_place_of: str) -> str:
    """The name of a resource that the program gives none."""
    drawn = hashlib.sha256(f"{urn}{in_place_of}".encode()).hexdigest()[:8]
    return _guid(drawn) if kind.name_rule and kind.name_rule.words == "a GUID" else f"{urn.rsplit('::', 1)[-1]}{drawn}"


def _is_drawn(kind: ResourceType, urn: str, name: str) -> bool:
    """Whether a name is one that was drawn. Nobody gives a GUID that follows from an URN, nor these eight digits."""
    if name == _drawn_name(kind, urn, ""):
        return True
    return re.fullmatch(re.escape(urn.rsplit("::", 1)[-1]) + "[0-9a-f]{8}", name) is not None


def _guid(digits: str) -> str:
    long = hashlib.sha256(digits.encode()).hexdigest()
    return f"{long[:8]}-{long[8:12]}-4{long[13:16]}-8{long[17:20]}-{long[20:32]}"
