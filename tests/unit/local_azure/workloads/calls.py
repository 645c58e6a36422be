"""Calls as the engine makes them, without the wire."""

from typing import Any
from unittest.mock import create_autospec

import grpc
from pulumi.runtime.proto import provider_pb2

from local_azure.arm.wire import from_struct, plain, to_struct
from local_azure.workloads.provider import WorkloadProvider


class RefusedError(Exception):
    pass


class Calls:
    """A provider, asked about one resource.

    Args:
        token: type of the resource.
    """

    def __init__(self, provider: WorkloadProvider, token: str, name: str = "one") -> None:
        self._provider = provider
        self._context = create_autospec(grpc.ServicerContext, instance=True)
        self._context.abort.side_effect = lambda _code, text: (_ for _ in ()).throw(RefusedError(text))
        self._of: dict[str, Any] = {"urn": f"urn:pulumi:dev::converge::converge:index:X${token}::{name}", "type": token}

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return plain(from_struct(self._provider.Check(provider_pb2.CheckRequest(news=to_struct(inputs), **self._of), self._context).inputs))

    def create(self, inputs: dict[str, Any], *, preview: bool = False) -> tuple[str, dict[str, Any]]:
        answer = self._provider.Create(provider_pb2.CreateRequest(properties=to_struct(inputs), preview=preview, **self._of), self._context)
        return answer.id, from_struct(answer.properties)

    def update(self, inputs: dict[str, Any], *, preview: bool) -> dict[str, Any]:
        answer = self._provider.Update(provider_pb2.UpdateRequest(news=to_struct(inputs), preview=preview, **self._of), self._context)
        return from_struct(answer.properties)

    def diff(self, before: dict[str, Any], after: dict[str, Any]) -> provider_pb2.DiffResponse:
        return self._provider.Diff(provider_pb2.DiffRequest(old_inputs=to_struct(before), news=to_struct(after), **self._of), self._context)

    def diff_config(self, before: dict[str, Any], after: dict[str, Any]) -> provider_pb2.DiffResponse:
        return self._provider.DiffConfig(provider_pb2.DiffRequest(olds=to_struct(before), news=to_struct(after), **self._of), self._context)
