"""A tenant of Microsoft Entra, as far as those need one who check its tokens."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

TENANT = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "api://digits"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Directory:
    """A tenant: its keys, where they are asked for, and the tokens that it gives."""

    keys: dict[str, rsa.RSAPrivateKey]
    published: list[str]
    url: str = ""
    asked: int = 0
    answer: bytes | None = None  # instead of the keys
    status: int = 200
    delay: float = 0.0
    paths: list[str] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answers who asks for its keys."""
        directory = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                directory.asked += 1
                directory.paths.append(self.path)
                time.sleep(directory.delay)
                body = directory.jwks() if directory.answer is None else directory.answer
                self.send_response(directory.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()
        server.server_close()

    def jwks(self) -> bytes:
        listed = [{**json.loads(RSAAlgorithm.to_jwk(self.keys[name].public_key())), "kid": name, "use": "sig"} for name in self.published]
        return json.dumps({"keys": [{"kty": "EC", "kid": "x"}, {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}, "nonsense", *listed]}).encode()

    def claims(self, **changed: object) -> dict[str, object]:
        now = int(time.time())
        claims: dict[str, object] = {
            "aud": AUDIENCE,
            "iss": f"{self.url}/{TENANT}/v2.0",
            "tid": TENANT,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "azp": "an-application",
            "oid": "a-caller",
            "roles": ["Predict"],
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: str = "first", kid: str | None = None, **changed: object) -> str:
        return jwt.encode(self.claims(**changed), self.keys[key], algorithm="RS256", headers={"kid": kid or key})
