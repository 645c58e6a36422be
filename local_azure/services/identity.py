"""Managed identity on one machine: gives tokens as Azure's endpoint does, so that DefaultAzureCredential works unchanged.

The form is App Service's: GET with `resource` and the secret header X-IDENTITY-HEADER. The tokens are good for nothing but Azurite,
which looks at audience, issuer and times and at no signature.
"""

import base64
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx

from local_azure.processes import Service
from local_azure.sandbox import PRINCIPAL_ID, TENANT_ID, Sandbox

_LIFETIME_SECONDS = 3600


def service(sandbox: Sandbox, python: str) -> Service:
    """The token endpoint, started with the given Python."""
    header = sandbox.secret("identity-header")
    url = f"http://127.0.0.1:{sandbox.ports.identity}/msi/token"

    def healthy() -> str | None:
        try:
            answer = httpx.get(url, params={"resource": "https://storage.azure.com"}, headers={"X-IDENTITY-HEADER": header}, timeout=2, trust_env=False)
        except httpx.HTTPError as error:
            return type(error).__name__
        return None if answer.status_code == 200 else f"HTTP {answer.status_code}"

    return Service(
        name="identity",
        command=[python, "-m", "local_azure.services.identity", str(sandbox.ports.identity)],
        environment={"IDENTITY_HEADER": header, "PYTHONPATH": str(sandbox.checkout)},
        healthy=healthy,
        port=sandbox.ports.identity,
    )


def token(resource: str, now: int) -> str:
    """An unsigned JWT for an audience, valid for an hour."""
    claims = {
        "aud": resource,
        "iss": f"https://sts.windows.net/{TENANT_ID}/",
        "iat": now,
        "nbf": now - 60,
        "exp": now + _LIFETIME_SECONDS,
        "oid": PRINCIPAL_ID,
        "sub": PRINCIPAL_ID,
        "tid": TENANT_ID,
        "ver": "1.0",
    }
    return f"{_encode({'alg': 'none', 'typ': 'JWT'})}.{_encode(claims)}.{base64.urlsafe_b64encode(b'sandbox').decode().rstrip('=')}"


def _encode(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


class Handler(BaseHTTPRequestHandler):
    """One path, as the real endpoint: /msi/token?resource=..."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        resource = parse_qs(url.query).get("resource", [""])[0]
        if not hmac.compare_digest(self.headers.get("X-IDENTITY-HEADER", ""), os.environ["IDENTITY_HEADER"]):
            self._answer(401, {"statusCode": 401, "message": "X-IDENTITY-HEADER is missing or wrong"})
        elif url.path != "/msi/token" or not resource:
            self._answer(400, {"statusCode": 400, "message": "ask for /msi/token?resource=<audience>"})
        else:
            now = int(time.time())
            self._answer(200, {"access_token": token(resource, now), "expires_on": str(now + _LIFETIME_SECONDS), "resource": resource, "token_type": "Bearer"})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keeps the log free of a line per request; errors still go there."""


if __name__ == "__main__":
    import sys

    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
