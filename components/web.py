"""Small HTTPS requests that a run makes itself: whom they trust, how long they may take, and failures to connect as one message."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pulumi

from components.rights import NotReachableError

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 15


def client(trust: ssl.SSLContext | None = None) -> httpx.Client:
    """A client that never follows a redirect: what it sends is meant for the host that was named.

    Args:
        trust: None: as Azure's own libraries trust, so the file in REQUESTS_CA_BUNDLE or SSL_CERT_FILE, else the usual authorities.
    """
    return httpx.Client(verify=trust or _usual_trust(), timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS), follow_redirects=False)


def _usual_trust() -> ssl.SSLContext | bool:
    variable = next((name for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE") if os.environ.get(name)), None)
    if variable is None:
        return True
    try:
        return ssl.create_default_context(cafile=os.environ[variable])
    except OSError as error:
        raise pulumi.RunError(f"{variable} is {os.environ[variable]!r}, which cannot be read as certificates: {error.strerror}") from error


@contextmanager
def unreachable(host: str) -> Iterator[None]:
    """Raises NotReachableError in place of what goes wrong between us and the host."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise NotReachableError(f"{host} does not answer") from error
    except httpx.TransportError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise pulumi.RunError(f"the certificate of {host} is not trusted; behind a proxy, name its CA's file in REQUESTS_CA_BUNDLE") from error
        # The text is the operating system's or OpenSSL's: "Name or service not known", "Connection refused".
        raise NotReachableError(f"{host} cannot be reached: {error or type(error).__name__}") from error
