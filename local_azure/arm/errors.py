"""Errors in Azure Resource Manager's form: a code that programs know and a message for people."""

import grpc


class ArmError(Exception):
    """What ARM would answer.

    Attributes:
        code: ARM's own code, such as ResourceGroupNotFound.
        status: HTTP status that ARM sends with it.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.code = code
        self.status = status

    @property
    def grpc_status(self) -> grpc.StatusCode:
        """The nearest status of gRPC."""
        return {404: grpc.StatusCode.NOT_FOUND, 409: grpc.StatusCode.ALREADY_EXISTS, 403: grpc.StatusCode.PERMISSION_DENIED}.get(
            self.status, grpc.StatusCode.INVALID_ARGUMENT
        )
