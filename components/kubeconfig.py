"""A kubeconfig as a client uses it: where the cluster is, whom to trust there, and who we are; a plugin for logging in is run."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml

_PLUGIN_SECONDS = 60
_LONGEST_REASON = 300
_LOGIN = "say how with AAD_LOGIN_METHOD: azurecli, workloadidentity, spn or msi"
"""kubelogin's own variable; without it it would wait for somebody with a browser."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a request to the API server needs."""

    trust: ssl.SSLContext
    """Also holds the client's certificate, where one logs in with that."""
    headers: Mapping[str, str]
    """Secret: the token, where one logs in with that."""


class Kubeconfig:
    """The current context of a kubeconfig. Everything raises RunError with one message, in which no secret is."""

    server: str
    """URL of the API server."""

    def __init__(self, text: str) -> None:
        with _usable():
            document = yaml.safe_load(text)
            context = _named(document["contexts"], document["current-context"], "context")
            self._cluster = _named(document["clusters"], context["cluster"], "cluster")
            self._user = _named(document["users"], context["user"], "user")
            self.server = str(self._cluster["server"]).rstrip("/")

    def log_in(self) -> Access:
        """Whom to trust and who we are; runs the plugin that the kubeconfig names, if it does (AKS: kubelogin)."""
        with _usable():
            given = _run_plugin(self._user["exec"]) if "exec" in self._user else {}
            trust = ssl.create_default_context(cadata=_pem(self._cluster, "certificate-authority") or None)
            certificate = given.get("clientCertificateData") or _pem(self._user, "client-certificate")
            key = given.get("clientKeyData") or _pem(self._user, "client-key")
            if certificate and key:
                _load(trust, certificate, key)
            token = given.get("token") or self._user.get("token")
            return Access(trust=trust, headers={"Authorization": f"Bearer {token}"} if token else {})


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError, StopIteration, OSError) as error:
        # Not its text: a part of the kubeconfig could be in it.
        raise pulumi.RunError(f"the cluster's kubeconfig cannot be used ({type(error).__name__}); is it one of AKS?") from error


def _named(entries: list[dict[str, Any]], name: str, part: str) -> dict[str, Any]:
    return next(entry[part] for entry in entries if entry["name"] == name)


def _pem(entry: dict[str, Any], key: str) -> str:
    """Inline, in base64, or in a file."""
    if inline := entry.get(f"{key}-data"):
        return base64.b64decode("".join(inline.split()), validate=True).decode()
    return Path(entry[key]).read_text() if entry.get(key) else ""


def _load(trust: ssl.SSLContext, certificate: str, key: str) -> None:
    """OpenSSL reads files only: they are ours alone, and gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "client.pem"
        file.touch(mode=0o600)
        file.write_text(f"{certificate}\n{key}")
        trust.load_cert_chain(file)


def _run_plugin(plugin: dict[str, Any]) -> dict[str, Any]:
    """The status of the ExecCredential that a plugin prints (client.authentication.k8s.io)."""
    asked = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    variables = {entry["name"]: entry["value"] for entry in plugin.get("env") or []}
    command = [plugin["command"], *(plugin.get("args") or [])]
    try:
        ran = subprocess.run(
            command,
            env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PLUGIN_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        hint = plugin.get("installHint") or "install it: `az aks install-cli`, or https://azure.github.io/kubelogin"
        raise pulumi.RunError(f"the cluster is entered with {command[0]}, which is not on PATH; {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise pulumi.RunError(f"{command[0]} did not log in within {_PLUGIN_SECONDS} s; {_LOGIN}") from error
    if ran.returncode:
        raise pulumi.RunError(f"{command[0]} could not log in: {ran.stderr.strip()[-_LONGEST_REASON:]}; {_LOGIN}")
    try:
        status = json.loads(ran.stdout)["status"]
    except (ValueError, KeyError, TypeError):
        status = None
    if not isinstance(status, dict):
        raise pulumi.RunError(f"{command[0]} printed no ExecCredential; is it the one that the kubeconfig means?")
    return status
