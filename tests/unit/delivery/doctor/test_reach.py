"""Names and reachability, with real sockets: a TLS server, a closed port, a server that says nothing, a name that does not exist."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from delivery.doctor import reach
from delivery.doctor.findings import Status
from delivery.doctor.places import Places
from delivery.doctor.reach import Target, look_at
from tests.unit.delivery.doctor.stacks import context, healthy

_AUTHORITY = trustme.CA()


@contextmanager
def server(*, tls: bool) -> Iterator[int]:
    """A server on loopback; without TLS it accepts and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    held: list[socket.socket] = []

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if not tls:
            held.append(connection)
            return
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _AUTHORITY.issue_cert("localhost").configure_cert(served)
        try:
            with served.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(10)
        for connection in held:
            connection.close()


def trusting() -> ssl.SSLContext:
    trust = ssl.create_default_context()
    _AUTHORITY.configure_trust(trust)
    return trust


def test_a_private_service_that_answers_from_inside():
    with server(tls=True) as port:
        name, answer = look_at(Target("storage", "localhost", port), private=True, trust=trusting())
    assert (name.status, answer.status) == (Status.OK, Status.OK)
    assert answer.message == f"localhost:{port} answers with TLS"


def test_a_private_address_of_a_stack_that_is_not_private():
    with server(tls=True) as port:
        name, answer = look_at(Target("registry", "localhost", port), private=False, trust=trusting())
    assert name.status is Status.WARNING
    assert "although the stack is not private" in name.message
    assert answer.status is Status.OK


def test_a_certificate_of_somebody_in_between():
    with server(tls=True) as port:
        _, answer = look_at(Target("storage", "localhost", port), private=True)
    assert answer.status is Status.FAILURE
    assert "a certificate that is not trusted here" in answer.message
    assert "REQUESTS_CA_BUNDLE" in answer.command


def test_the_api_servers_certificate_is_the_clusters_own():
    with server(tls=True) as port:
        _, answer = look_at(Target("API server", "localhost", port), private=True)
    assert answer.status is Status.OK


def test_a_closed_port_of_a_private_stack_says_where_to_run():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _, answer = look_at(Target("API server", "localhost", port), private=True)
    assert answer.status is Status.FAILURE
    assert answer.command == "run it on a machine inside the network: a self-hosted runner, or a VPN into it"


def test_a_closed_port_of_a_public_one_says_what_to_open():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _, answer = look_at(Target("storage", "localhost", port), private=False)
    assert answer.status is Status.FAILURE
    assert "converge:allowedIpRanges" in answer.command


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reach, "_SECONDS", 0.3)
    with server(tls=False) as port:
        _, answer = look_at(Target("storage", "localhost", port), private=True)
    assert answer.status is Status.FAILURE
    assert answer.message == f"localhost:{port} is not reached from here (no answer)"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70 + ".example.com"])
def test_a_name_that_is_none(host: str):
    (name,) = look_at(Target("registry", host), private=False)
    assert name.status is Status.FAILURE
    assert name.message.startswith(f"{host} has no address from here (")
    assert name.command.startswith(f"nslookup {host}")
    (inside,) = look_at(Target("registry", host), private=True)
    assert "it is known inside the network only" in inside.message


def test_a_public_address_of_a_private_service_is_a_failure_before_any_connection():
    (name,) = look_at(Target("storage", "1.1.1.1"), private=True)
    assert name.status is Status.FAILURE
    assert "a public address: the private zone of the network is not asked from here" in name.message


def test_before_the_first_update_nothing_is_there_and_a_private_stack_is_told_where_to_run():
    nothing = Places(storage=None, registry=None, cluster=None)
    found = reach.check(context(healthy(), network={"private": True}), nothing)
    assert [one.status for one in found] == [Status.NOT_YET] * 3
    assert found[0].message == "the first update makes it; it will be private: run it on a machine inside the network: a self-hosted runner, or a VPN into it"
    assert reach.check(context(healthy()), nothing)[0].message == "the first update makes it"


def test_services_are_asked_side_by_side_and_told_in_order():
    places = Places(storage={"properties": {"primaryEndpoints": {"blob": "https://a.invalid/"}}}, registry=None, cluster={"properties": {"fqdn": "b.invalid"}})
    found = reach.check(context(healthy()), places)
    assert [one.check for one in found] == ["name of the storage", "name of the API server", "reaching the registry"]
