"""HTTP over a bare socket: for what a proper client would never send, and for when exactly an answer comes."""

import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ClosedError(Exception):
    """The server closed the connection; no answer, or not all of one, was read."""


class Connection:
    """One connection, kept open as long as the server keeps it."""

    def __init__(self, url: str, timeout: float = 10) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, data: bytes) -> Answer:
        self.send(data)
        return self.answer()

    def answer(self) -> Answer:
        """The next answer. Raises ClosedError."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._more()
        lines = self._read[:end].decode("latin-1").split("\r\n")
        self._read = self._read[end + 4 :]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split(" ")[1])
        if status == 100:  # an answer before the answer
            return self.answer()
        return Answer(status, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            while (end := self._read.find(b"0\r\n\r\n")) < 0:
                self._more()
            body, self._read = self._read[: end + 5], self._read[end + 5 :]
            return body
        length = int(headers["content-length"])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return body

    def _more(self) -> None:
        try:
            part = self._socket.recv(1 << 16)
        except ConnectionError:
            part = b""
        if not part:
            raise ClosedError(f"the connection was closed after {self._read[:200]!r}")
        self._read += part

    def is_closed(self, patience: float) -> bool:
        """Does the server close it within so many seconds, and send nothing more?"""
        self._socket.settimeout(patience)
        try:
            return not self._socket.recv(1)
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self._socket.close()


class Asker:
    """Keeps a connection, and takes a new one when the server has closed it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    def __call__(self, request: bytes) -> Answer:
        connection = self._connection or Connection(self._url)
        self._connection = None
        answer = connection.ask(request)
        if answer.headers.get("connection") == "close":
            connection.close()
        else:
            self._connection = connection
        return answer

    def both_ways(self, path: str, body: bytes) -> Answer:
        """The answer, which is the same whether the length is declared, so that it is answered below ASGI, or not, so that it is not."""
        short, long = self(post(path, body)), self(post_in_chunks(path, body))
        assert (short.status, short.body, _undated(short)) == (long.status, long.body, _undated(long))
        return short

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _undated(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A request with a declared length."""
    return _head("POST", path, f"Content-Length: {len(body)}", *headers) + body


def post_in_chunks(path: str, body: bytes, size: int = 1000) -> bytes:
    """The same request, its length not declared: the service answers it another way."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return _head("POST", path, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"


def get(path: str) -> bytes:
    return _head("GET", path)


def _head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: service", *headers, "", ""]).encode("latin-1")
