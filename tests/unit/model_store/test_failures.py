from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from model_store import ModelStoreError
from model_store.address import parse_address
from model_store.failures import Right, translated

_STORE = parse_address("https://acct.blob.core.windows.net/models")
_HOST = "acct.blob.core.windows.net"


def answer(status: int, code: str) -> HttpResponseError:
    response: Any = SimpleNamespace(status_code=status, reason="reason", headers={"x-ms-error-code": code})
    return HttpResponseError(message="<xml>very long</xml>", response=response)


def message(error: Exception, right: Right = Right.READ) -> str:
    with pytest.raises(ModelStoreError) as caught, translated(_STORE, right, "read x"):
        raise error
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "right", "expected"),
    [
        (
            answer(403, "AuthorizationPermissionMismatch"), Right.READ,
            (f"could not read x: {_HOST} refuses it (AuthorizationPermissionMismatch); "
            "you lack the role 'Storage Blob Data Reader' on container 'models' of account 'acct'; a new role takes up to ten minutes to work"),
        ),
        (
            answer(403, "AuthorizationPermissionMismatch"), Right.WRITE,
            (f"could not read x: {_HOST} refuses it (AuthorizationPermissionMismatch); "
            "you lack the role 'Storage Blob Data Contributor' on container 'models' of account 'acct'; a new role takes up to ten minutes to work"),
        ),
        (
            answer(403, "AuthorizationPermissionMismatch"), Right.DELEGATE,
            (f"could not read x: {_HOST} refuses it (AuthorizationPermissionMismatch); "
            "you lack the role 'Storage Blob Delegator' on account 'acct'; a new role takes up to ten minutes to work"),
        ),
        (
            answer(403, "AuthorizationFailure"), Right.READ,
            (f"could not read x: {_HOST} refuses it (AuthorizationFailure); either you lack the role 'Storage Blob Data Reader' "
            "on container 'models' of account 'acct', or the account's network rules do not let this machine in"),
        ),
        (
            answer(401, "InvalidAuthenticationInfo"), Right.READ,
            (f"could not read x: {_HOST} does not accept the token (InvalidAuthenticationInfo); check that you are logged in to the tenant "
            "of the storage account, and this machine's clock"),
        ),
        (
            answer(404, "ContainerNotFound"), Right.READ,
            "could not read x: there is no container 'models' in https://acct.blob.core.windows.net; `pulumi up` of the stack makes it",
        ),
        (answer(409, "ContainerBeingDeleted"), Right.READ, "could not read x: the container 'models' is being deleted; try again in a minute"),
        (answer(409, "AccountIsDisabled"), Right.READ, f"could not read x: {_HOST} answers 409 (AccountIsDisabled)"),
        (answer(503, "ServerBusy"), Right.READ, f"could not read x: {_HOST} answers 503 (ServerBusy) again and again; try again later"),
    ],
)  # fmt: skip
def test_an_answer_of_the_store(error: HttpResponseError, right: Right, expected: str):
    assert message(error, right) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ServiceRequestError("NameResolutionError(host=...)"), "could not read x: the name acct.blob.core.windows.net is unknown; check the store's URL "),
        (ServiceRequestError("SSLError(CERTIFICATE_VERIFY_FAILED)"), "could not read x: the certificate of acct.blob.core.windows.net is not trusted; "),
        (ServiceRequestError("[Errno 111] Connection refused"), "could not read x: acct.blob.core.windows.net refuses connections; check network, "),
        (ServiceRequestError("timed out"), "could not read x: acct.blob.core.windows.net does not answer; check network, "),
        (ServiceResponseError("Connection aborted"), "could not read x: the connection to acct.blob.core.windows.net broke off; try again"),
        (AzureError("IncompleteRead"), "could not read x: the connection to acct.blob.core.windows.net broke off; try again"),
        (OSError("invalid path: /nope"), "could not read x: invalid path: /nope"),
    ],
)
def test_no_answer_of_the_store(error: Exception, expected: str):
    assert message(error).startswith(expected)


def test_our_own_errors_pass():
    assert message(ModelStoreError("as it is")) == "as it is"
