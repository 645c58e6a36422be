"""A forge that answers as GitHub does, as far as the pipelines' own scripts ask it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Forge:
    """One repository, acme/vision.

    Attributes:
        allowed: whether a workflow may open pull requests.
        pulls: the open ones, as the API lists them.
        opened: what was asked to be opened.
        comments: per pull request, the texts.
    """

    url: str = ""
    allowed: bool = True
    pulls: list[dict[str, Any]] = field(default_factory=list)
    opened: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[str]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a workflow of the repository has."""
        return {"GITHUB_REPOSITORY": "acme/vision", "GITHUB_API_URL": self.url, "GITHUB_TOKEN": "a token"}

    def get(self, path: str) -> tuple[int, object]:
        """The answer to a question."""
        if path.endswith("/comments"):
            return 200, [{"id": index, "body": text, "user": {"type": "Bot"}} for index, text in enumerate(self.comments.get(_number(path), []))]
        if path == "/user":
            return 403, {"message": "Resource not accessible by integration"}
        return 200, self.pulls if path.endswith("/pulls") else {"default_branch": "main"}

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, object]:
        """The answer to something new."""
        if path.endswith("/comments"):
            self.comments.setdefault(_number(path), []).append(body["body"])
            return 201, {}
        if not self.allowed:
            return 403, {"message": "GitHub Actions is not permitted to create or approve pull requests."}
        self.opened.append(body)
        return 201, {"html_url": f"https://github.example/pull/{len(self.opened)}"}


def _number(path: str) -> int:
    return int(path.split("/")[-2])


@contextmanager
def serving() -> Iterator[Forge]:
    """A forge on a port of its own."""
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*forge.get(self.path.partition("?")[0]))

        def do_POST(self) -> None:
            self._answer(*forge.post(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def _answer(self, status: int, document: object) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    forge.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
