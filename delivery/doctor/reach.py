"""Whether storage, registry and API server are reached from here: name, connection, TLS."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from typing import NamedTuple

from delivery.doctor.context import Context
from delivery.doctor.findings import Finding, failure, not_yet, ok, warning
from delivery.doctor.places import Places

_SECONDS = 5.0
_PORT = 443
_WHAT = ("storage", "registry", "API server")
INSIDE = "run it on a machine inside the network: a self-hosted runner, or a VPN into it"


class Target(NamedTuple):
    """A service to reach."""

    what: str
    host: str
    port: int = _PORT


def check(context: Context, places: Places) -> Sequence[Finding]:
    """Two findings per service: its name, and whether it answers."""
    targets = [Target(what, places.hosts[what]) for what in _WHAT if what in places.hosts]
    absent = [
        not_yet(f"reaching the {what}", "the first update makes it" + (f"; it will be private: {INSIDE}" if context.private else ""))
        for what in _WHAT
        if what not in places.hosts
    ]
    if not targets:
        return absent
    with ThreadPool(len(targets)) as pool:
        found = pool.map(lambda target: look_at(target, private=context.private), targets)
    return [*(finding for findings in found for finding in findings), *absent]


def look_at(target: Target, *, private: bool, trust: ssl.SSLContext | None = None) -> Sequence[Finding]:
    """How one service looks from here."""
    name = f"name of the {target.what}"
    try:
        addresses = sorted({str(info[4][0]) for info in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError) as error:
        return [_no_name(target, name, error, private=private)]
    inside = [address for address in addresses if _is_private(address)]
    if private and not inside:
        return [
            failure(
                name,
                f"{target.host} is {', '.join(addresses)}, a public address: the private zone of the network is not asked from here",
                f"{INSIDE}, whose DNS asks Azure (168.63.129.16); then: nslookup {target.host}",
            )
        ]
    named = ok(name, f"{target.host} is {', '.join(addresses)}")
    if not private and inside:
        named = warning(
            name,
            f"{target.host} is {', '.join(inside)}, a private address, although the stack is not private (converge:network.private)",
            f"nslookup {target.host}; a private zone of your network answers for it",
        )
    return [named, _answers(target, private=private, trust=trust)]


def _no_name(target: Target, name: str, error: Exception, *, private: bool) -> Finding:
    if private:
        return failure(name, f"{target.host} has no address from here ({error}); it is known inside the network only", INSIDE)
    return failure(name, f"{target.host} has no address from here ({error})", f"nslookup {target.host}; check DNS, and whether the resource still exists")


def _answers(target: Target, *, private: bool, trust: ssl.SSLContext | None) -> Finding:
    check_name = f"reaching the {target.what}"
    context = trust or ssl.create_default_context()
    if target.what == "API server":
        # Its certificate is signed by the cluster's own authority, which only the kubeconfig knows.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    where = f"{target.host}:{target.port}"
    try:
        with socket.create_connection((target.host, target.port), _SECONDS) as plain, context.wrap_socket(plain, server_hostname=target.host):
            return ok(check_name, f"{where} answers with TLS")
    except ssl.SSLCertVerificationError as error:
        mend = "set REQUESTS_CA_BUNDLE and SSL_CERT_FILE to a bundle with the authority of your proxy"
        return failure(check_name, f"{where} shows a certificate that is not trusted here ({error.verify_message})", mend)
    except (TimeoutError, OSError) as error:
        reason = "no answer" if isinstance(error, TimeoutError) else str(error)
        return failure(check_name, f"{where} is not reached from here ({reason})", _mend(target, private=private))


def _mend(target: Target, *, private: bool) -> str:
    if private:
        return INSIDE
    if target.what == "registry":
        return "check the network: HTTPS to the outside must be open"
    return "add this machine's public address to converge:allowedIpRanges (curl https://api.ipify.org shows it) and deploy from where it is allowed already"


def _is_private(address: str) -> bool:
    return ipaddress.ip_address(address.split("%", maxsplit=1)[0]).is_private
