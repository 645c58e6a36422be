"""Errors in Azure Resource Manager's form, in the words in which the azure-native plugin shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, status_pb2

from local_azure.arm.wire import to_struct


class ArmError(Exception):
    """What ARM would answer.

    Attributes:
        code: ARM's own code, such as ResourceGroupNotFound.
        message: ARM's words.
        status: HTTP status that ARM sends with it.
        retry_after: seconds in the answer's Retry-After header; None when it has none.
    """

    def __init__(self, code: str, message: str, status: int = 400, retry_after: float | None = None) -> None:
        # The plugin's own form (provider/pkg/azure, PulumiAzcoreResponseError), so that whoever reads the text in the sandbox can read it from Azure.
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after

    def details(self) -> "grpc.Status":
        """What the plugin sends to the engine: it knows one gRPC code for whatever Azure answers."""
        return _Status(grpc.StatusCode.UNKNOWN, str(self), ())


class PluginError(ArmError):
    """What the azure-native plugin says by itself, before or instead of a call that changes something."""

    def __init__(self, message: str) -> None:
        super().__init__("", message, 409)
        self.args = (message,)


class OperationFailedError(ArmError):
    """A long-running operation that failed after ARM had accepted it: the resource exists, with provisioningState Failed.

    Attributes:
        identifier: of the resource that was left.
        outputs: what reading it gives.
        inputs: what was asked for.
    """

    identifier: str = ""
    outputs: Mapping[str, Any] = MappingProxyType({})
    inputs: Mapping[str, Any] = MappingProxyType({})

    def left(self, identifier: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Says which resource was left, and how."""
        self.identifier, self.outputs, self.inputs = identifier, outputs, inputs

    def details(self) -> "grpc.Status":
        """The engine keeps such a resource in its state, and the next update goes on with it instead of creating it."""
        left = provider_pb2.ErrorResourceInitFailed(
            id=self.identifier, properties=to_struct(dict(self.outputs)), reasons=[str(self)], inputs=to_struct(dict(self.inputs))
        )
        message = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(self))
        message.details.add().Pack(left)
        return _Status(grpc.StatusCode.UNKNOWN, str(self), (("grpc-status-details-bin", message.SerializeToString()),))


@dataclass(frozen=True)
class _Status(grpc.Status):
    code: grpc.StatusCode
    details: str
    trailing_metadata: Any
