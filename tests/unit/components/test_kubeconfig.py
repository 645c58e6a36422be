import base64
import json
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pulumi
import pytest
import trustme
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import kubeconfig
from components.kubeconfig import Kubeconfig
from components.web import client
from tests.unit.components.local_server import Answer, LocalServer

SECRET = "a-secret-token"


def written(user: dict[str, Any], cluster: dict[str, Any] | None = None) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "other", "cluster": {"server": "https://other"}},
            {"name": "ours", "cluster": {"server": "https://ours:443/", **(cluster or {})}},
        ],
        "contexts": [{"name": "here", "context": {"cluster": "ours", "user": "us"}}],
        "current-context": "here",
        "users": [{"name": "us", "user": user}],
    }
    return yaml.safe_dump(document)


def plugin(tmp_path: Path, code: str, **more: Any) -> dict[str, Any]:
    script = tmp_path / "plugin.py"
    script.write_text(code)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(script)], **more}}


def test_the_current_context_counts():
    assert Kubeconfig(written({})).server == "https://ours:443"


def test_a_token_is_sent_as_it_is():
    assert Kubeconfig(written({"token": SECRET})).log_in().headers == {"Authorization": f"Bearer {SECRET}"}


def test_without_a_login_nothing_is_sent():
    assert Kubeconfig(written({})).log_in().headers == {}


def test_a_plugin_is_run_as_client_go_does(tmp_path: Path):
    code = f"""
import json, os, sys
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert asked == {{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {{"interactive": False}}}}, asked
assert sys.stdin.read() == ""
print(json.dumps({{"kind": "ExecCredential", "status": {{"token": os.environ["WHO"] + "-{SECRET}"}}}}))
"""
    user = plugin(tmp_path, code, env=[{"name": "WHO", "value": "us"}])
    assert Kubeconfig(written(user)).log_in().headers == {"Authorization": f"Bearer us-{SECRET}"}


@pytest.mark.parametrize("args", [None, []])
def test_a_plugin_that_is_not_there_is_named_with_a_way_to_get_it(args: list[str] | None):
    command = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin-that-nobody-has", "args": args, "env": None}
    with pytest.raises(pulumi.RunError) as error:
        Kubeconfig(written({"exec": command})).log_in()
    assert str(error.value) == (
        "the cluster is entered with kubelogin-that-nobody-has, which is not on PATH; install it: `az aks install-cli`, or https://azure.github.io/kubelogin"
    )
    with pytest.raises(pulumi.RunError, match=r"which is not on PATH; ask the platform team$"):
        Kubeconfig(written({"exec": {**command, "installHint": "ask the platform team"}})).log_in()


def test_a_plugin_that_fails_is_told_by_its_last_words(tmp_path: Path):
    with pytest.raises(pulumi.RunError) as error:
        Kubeconfig(written(plugin(tmp_path, f"import sys; sys.exit('x' * 1000 + 'AADSTS700016: no such application'); print('{SECRET}')"))).log_in()
    assert str(error.value).endswith("AADSTS700016: no such application; say how with AAD_LOGIN_METHOD: azurecli, workloadidentity, spn or msi")
    assert len(str(error.value)) < 600
    assert SECRET not in str(error.value)


def test_a_plugin_that_waits_for_somebody_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kubeconfig, "_PLUGIN_SECONDS", 0.2)
    with pytest.raises(pulumi.RunError) as error:
        Kubeconfig(written(plugin(tmp_path, "import time; time.sleep(60)"))).log_in()
    assert "did not log in within 0.2 s; say how with AAD_LOGIN_METHOD" in str(error.value)


@pytest.mark.parametrize("printed", ["", "no json", "{}", "[]", '{"status": null}', f'{{"token": "{SECRET}"}}'])
def test_a_plugin_that_prints_no_credential_is_told(tmp_path: Path, printed: str):
    with pytest.raises(pulumi.RunError) as error:
        Kubeconfig(written(plugin(tmp_path, f"print({printed!r})"))).log_in()
    assert str(error.value) == f"{sys.executable} printed no ExecCredential; is it the one that the kubeconfig means?"


@pytest.mark.parametrize("inline", [True, False])
def test_a_certificate_opens_the_door(tmp_path: Path, inline: bool):
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    ours = authority.issue_cert("us@example.org")
    parts = {
        "certificate-authority": authority.cert_pem.bytes(),
        "client-certificate": ours.cert_chain_pems[0].bytes(),
        "client-key": ours.private_key_pem.bytes(),
    }
    entries: dict[str, str] = {}
    for key, content in parts.items():
        if inline:
            entries[f"{key}-data"] = base64.b64encode(content).decode()
        else:
            (tmp_path / key).write_bytes(content)
            entries[key] = str(tmp_path / key)
    with LocalServer(lambda _: Answer(body={}), tls).running() as server:
        user = {key: value for key, value in entries.items() if key.startswith("client")}
        cluster = {key: value for key, value in entries.items() if key.startswith("cert")}
        access = Kubeconfig(written(user, cluster)).log_in()
        with client(access.trust) as http:
            assert http.get(server.url).json() == {}
        assert access.headers == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "- a",
        "a: b",
        "current-context: here",
        json.dumps({"contexts": [], "current-context": "x"}),
        written({}).replace("cluster: ours", "cluster: gone"),
    ],
)
def test_what_is_no_kubeconfig_is_told_without_its_text(text: str):
    with pytest.raises(pulumi.RunError, match=r"^the cluster's kubeconfig cannot be used \(\w+\); is it one of AKS\?$"):
        Kubeconfig(text)


@given(st.text())
def test_no_text_makes_a_traceback(text: str):
    with suppress(pulumi.RunError):
        Kubeconfig(text)


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"client-certificate-data": "!", "client-key-data": "!"}, {}),
        ({"client-certificate-data": base64.b64encode(SECRET.encode()).decode(), "client-key-data": base64.b64encode(SECRET.encode()).decode()}, {}),
        ({"client-certificate": "/nowhere", "client-key": "/nowhere"}, {}),
        ({}, {"certificate-authority-data": base64.b64encode(b"no certificate").decode()}),
        ({"exec": {"command": "kubelogin"}}, {}),
    ],
)
def test_a_login_that_cannot_be_used_is_told_without_its_text(user: dict[str, Any], cluster: dict[str, Any]):
    with pytest.raises(pulumi.RunError, match=r"^the cluster's kubeconfig cannot be used \(\w+\); is it one of AKS\?$") as error:
        Kubeconfig(written(user, cluster)).log_in()
    assert SECRET not in str(error.value)
