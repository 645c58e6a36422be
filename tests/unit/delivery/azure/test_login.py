"""Who one is, and one clear message when one is nobody."""

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from delivery.azure.errors import AzureError
from delivery.azure.login import STORAGE, Login
from tests.unit.delivery.fake_azure import OBJECT, TENANT, Credential, token


def test_a_person_is_known_by_the_user_name():
    caller = Login(Credential()).caller()
    assert (caller.object_id, caller.tenant_id, caller.name, caller.kind) == (OBJECT, TENANT, "ada@example.com", "User")


def test_a_pipeline_is_known_by_its_application():
    caller = Login(Credential({"oid": OBJECT, "tid": TENANT, "appid": "app", "app_displayname": "converge-dev-deploy"})).caller()
    assert (caller.name, caller.kind) == ("converge-dev-deploy", "ServicePrincipal")


def test_the_token_is_asked_for_what_it_is_used_for():
    credential = Credential()
    Login(credential).token(STORAGE)
    assert credential.scopes == ["https://storage.azure.com/.default"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CredentialUnavailableError("Azure CLI not found on path"), "not logged in at Azure; run `az login`"),
        (ClientAuthenticationError("AADSTS700082: The refresh token has expired due to inactivity"), "the login at Azure has expired"),
        (ClientAuthenticationError("AADSTS50173: The provided grant has expired due to it being revoked"), "the login at Azure has expired"),
        (ClientAuthenticationError("AADSTS700213: No matching federated identity record found"), "Entra refused the login (AADSTS700213)"),
        (ServiceRequestError("Failed to resolve 'login.microsoftonline.com'"), "Entra cannot be reached to log in (Failed to resolve"),
        (HttpResponseError("something else\nwith a second line"), "logging in at Azure failed: something else"),
    ],
)
def test_without_a_login_one_message_says_what_to_do(error: Exception, words: str):
    with pytest.raises(AzureError) as raised:
        Login(Credential(error=error)).caller()
    assert str(raised.value).startswith(words)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("raw", ["no-token", "a.b.c", f"a.{'!' * 8}.c", token({"tid": TENANT, "upn": "ada"}), "e30.WzFd.x"])
def test_a_token_that_is_none_is_told(raw: str):
    with pytest.raises(AzureError, match="log in again with `az login`"):
        Login(Credential(raw=raw)).caller()
