import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store import ModelStoreError
from model_store.address import parse_address

_FORMS = "https://<account>.blob.core.windows.net/<container>, or for an emulator https://<host>:<port>/<account>/<container>"
_CONTAINER_RULE = "is not allowed: 3 to 63 lower-case letters, digits and single '-', from letter or digit to letter or digit"
_ACCOUNTS = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)
_CONTAINERS = st.from_regex(r"[a-z0-9](-?[a-z0-9]){2,30}", fullmatch=True)
_SUFFIXES = st.sampled_from(["core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net", "storage.azure.net"])


@given(_ACCOUNTS, _CONTAINERS, _SUFFIXES, st.sampled_from(["", ".z9", ".z12", ".privatelink"]), st.sampled_from(["", "/"]))
def test_azure_in_every_cloud(account: str, container: str, suffix: str, infix: str, end: str):
    address = parse_address(f"https://{account}{infix}.blob.{suffix}/{container}{end}")
    assert (address.account, address.container) == (account, container)
    assert address.account_url == f"https://{account}{infix}.blob.{suffix}"
    assert address.url == f"https://{account}{infix}.blob.{suffix}/{container}"


@given(_ACCOUNTS, _CONTAINERS, st.sampled_from(["127.0.0.1", "localhost", "azurite", "[::1]"]), st.integers(1, 65535))
def test_an_emulator(account: str, container: str, host: str, port: int):
    address = parse_address(f"https://{host}:{port}/{account}/{container}")
    assert (address.account, address.container, address.host) == (account, container, f"{host}:{port}")
    assert address.url == f"https://{host}:{port}/{account}/{container}"


def test_the_dual_stack_endpoint_belongs_to_the_same_account():
    assert parse_address("https://acct-dualstack.blob.core.windows.net/models").account == "acct"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "'' does not begin with https://"),
        ("acct.blob.core.windows.net/models", "'acct.blob.core.windows.net/models' does not begin with https://"),
        ("http://acct.blob.core.windows.net/models", "'http://acct.blob.core.windows.net/models' does not begin with https://"),
        ("https:///models", "'https:///models' names no host"),
        ("https://127.0.0.1:port/a/b", "it is no URL"),
        ("https://acct.blob.core.windows.net", "'https://acct.blob.core.windows.net' must have only the container after the host"),
        ("https://acct.blob.core.windows.net/models/digits", "'https://acct.blob.core.windows.net/models/digits' must have only the container after the host"),
        ("https://models.example.com/models", "'https://models.example.com/models' must have account and container after the host"),
        ("https://acct.blob.core.windows.net/Models", f"the container name 'Models' {_CONTAINER_RULE}"),
        ("https://acct.blob.core.windows.net/my--models", f"the container name 'my--models' {_CONTAINER_RULE}"),
        ("https://127.0.0.1:1/Account/models", "the account name 'Account' is not allowed: 3 to 24 lower-case letters and digits"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_is_allowed(url: str, problem: str):
    with pytest.raises(ModelStoreError) as error:
        parse_address(url)
    assert str(error.value) == f"the model store's URL is wrong: {problem}; allowed: {_FORMS}"


@pytest.mark.parametrize(
    "url",
    ["https://acct.blob.core.windows.net/models?sv=1&sig=SECRET", "https://u:SECRET@127.0.0.1/a/b", "http://u:SECRET@h/a?sig=SECRET", "https://h/a#SECRET"],
)
def test_a_sas_or_password_in_the_url_is_refused_and_not_repeated(url: str):
    with pytest.raises(ModelStoreError) as error:
        parse_address(url)
    assert "SECRET" not in str(error.value)
    assert "a SAS is never needed" in str(error.value)


def test_a_password_in_what_is_no_url_is_not_repeated():
    with pytest.raises(ModelStoreError) as error:
        parse_address("acct.blob.core.windows.net/models?sig=SECRET")
    assert "SECRET" not in str(error.value)
