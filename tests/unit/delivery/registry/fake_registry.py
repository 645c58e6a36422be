"""A registry on loopback that keeps everything in memory: the OCI distribution API, tokens, and what Azure's has besides (/acr/v1, locks)."""

import base64
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from tests.unit.delivery.registry.oci_images import OciImage, digest_of

_PATH = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|tags)/(?P<reference>.+)")
_AZURE_PATH = re.compile(r"/acr/v1/(?P<repository>.+)/(?P<kind>_manifests|_tags)(/(?P<reference>.+))?")
PUSHED = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def json_web_token(claims: Mapping[str, Any]) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


@dataclass
class Stored:
    """A manifest in a repository, with what Azure keeps about it."""

    content: bytes
    media_type: str
    size: int = 0
    created: datetime = PUSHED
    updated: datetime = PUSHED
    can_delete: bool = True
    can_write: bool = True


@dataclass
class Repository:
    manifests: dict[str, Stored] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server says."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, message: str, **headers: str) -> Reply:
    return Reply(status=status, body=json.dumps({"errors": [{"code": code, "message": message}]}).encode(), headers=headers)


@dataclass
class FakeRegistry:
    """The content, every request so far, and what a test has set up."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    login: str = "none"
    """`none`; `anonymous`: a token that everybody gets; `entra`: one for an Entra token; `closed`: nobody gets one."""
    page: int = 1000
    deletes: bool = True
    says_digest: bool = True
    troubles: list[Reply] = field(default_factory=list)
    """Said first, one for each request."""
    forms: list[Mapping[str, str]] = field(default_factory=list)
    host: str = ""

    def publish(self, repository: str, image: OciImage, *tags: str, pushed: datetime = PUSHED) -> str:
        place = self.repositories.setdefault(repository, Repository())
        for part in image.parts:
            self.publish(repository, part, pushed=pushed)
        place.blobs.update(image.blobs)
        place.manifests[image.digest] = Stored(image.manifest, image.media_type, image.size, created=pushed, updated=pushed)
        place.tags.update(dict.fromkeys(tags, image.digest))
        return image.digest

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        # Azure's library escapes colons and slashes.
        parts = urlsplit(path)
        url = parts._replace(path=unquote(parts.path))
        self.asked.append(f"{method} {url.geturl()}")
        if self.troubles:
            return self.troubles.pop(0)
        if url.path == "/token":
            return self._anonymous_token(url.query)
        if url.path.startswith("/oauth2/"):
            return self._entra_token(url.path, body.decode())
        if self.login != "none" and not headers.get("Authorization", "").startswith("Bearer the-token"):
            scope = f'scope="repository:{url.path.split("/")[2]}:pull"'
            realm = f"https://{self.host}/oauth2/token" if self.login == "entra" else f"http://{self.host}/token"
            challenge = f'Bearer realm="{realm}",service="the-registry",{scope}'
            return refusal(401, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": challenge})
        if found := _AZURE_PATH.fullmatch(url.path):
            return self._azure(method, found["repository"], found["kind"], found["reference"], body)
        if found := _PATH.fullmatch(url.path):
            return self._oci(method, found["repository"], found["kind"], found["reference"], (url.query, headers, body))
        return Reply(status=404)

    def _anonymous_token(self, query: str) -> Reply:
        self.forms.append({name: values[0] for name, values in parse_qs(query).items()})
        if self.login == "closed":
            return refusal(401, "UNAUTHORIZED", "incorrect username or password")
        return Reply(body=b'{"token": "the-token"}')

    def _entra_token(self, path: str, form: str) -> Reply:
        given = {name: values[0] for name, values in parse_qs(form).items()}
        self.forms.append(given)
        if path == "/oauth2/exchange":
            return Reply(body=json.dumps({"refresh_token": json_web_token({"exp": 2**31})}).encode())
        return Reply(body=b'{"access_token": "the-token"}')

    def _oci(self, method: str, repository: str, kind: str, reference: str, request: tuple[str, Mapping[str, str], bytes]) -> Reply:
        place = self.repositories.get(repository)
        if place is None:
            return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
        if kind == "blobs":
            return Reply(body=place.blobs[reference]) if reference in place.blobs else refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if kind == "tags":
            return self._tag_page(place, repository, request[0])
        if method == "PUT":
            _, headers, body = request
            place.manifests.setdefault(digest_of(body), Stored(body, headers["Content-Type"]))
            place.tags[reference] = digest_of(body)
            return Reply(status=201)
        digest = place.tags.get(reference, reference)
        stored = place.manifests.get(digest)
        if stored is None:
            return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if method == "DELETE":
            return self._delete(place, digest)
        accepted = request[1].get("Accept", "")
        if stored.media_type not in accepted and "*/*" not in accepted:
            return refusal(404, "MANIFEST_UNKNOWN", "OCI manifest found, but accept header does not support it")
        said = {"Docker-Content-Digest": digest} if self.says_digest else {}
        return Reply(body=stored.content, headers={"Content-Type": stored.media_type, **said})

    def _tag_page(self, place: Repository, repository: str, query: str) -> Reply:
        last = parse_qs(query).get("last", [""])[0]
        names = [name for name in sorted(place.tags) if name > last]
        more = {"Link": f'</v2/{repository}/tags/list?last={names[self.page - 1]}&n={self.page}>; rel="next"'} if len(names) > self.page else {}
        return Reply(body=json.dumps({"name": repository, "tags": names[: self.page] or None}).encode(), headers=more)

    def _delete(self, place: Repository, digest: str) -> Reply:
        if not self.deletes:
            return refusal(405, "UNSUPPORTED", "The operation is unsupported.")
        if not (place.manifests[digest].can_delete and place.manifests[digest].can_write):
            return refusal(405, "UNSUPPORTED", "The operation is disallowed on this registry, repository or image.")
        del place.manifests[digest]
        place.tags = {tag: other for tag, other in place.tags.items() if other != digest}
        return Reply(status=202)

    def _azure(self, method: str, repository: str, kind: str, reference: str | None, body: bytes) -> Reply:
        place = self.repositories.get(repository)
        if place is None:
            return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
        head = {"registry": self.host, "imageName": repository}
        if kind == "_tags":
            tags = [
                {"name": tag, "digest": digest, "changeableAttributes": {"deleteEnabled": True}}
                for tag, digest in place.tags.items()
                if reference in (None, tag)
            ]
            if reference and not tags:
                return refusal(404, "TAG_UNKNOWN", "the specified tag does not exist")
            return Reply(body=json.dumps({**head, **({"tag": tags[0]} if reference else {"tags": tags})}).encode())
        if reference is None:
            return Reply(body=json.dumps({**head, "manifests": [_attributes(place, digest) for digest in place.manifests]}).encode())
        if reference not in place.manifests:
            return refusal(404, "MANIFEST_UNKNOWN", "manifest is not found")
        if method == "PATCH":
            wanted = json.loads(body)
            stored = place.manifests[reference]
            stored.can_delete = wanted.get("deleteEnabled", stored.can_delete)
            stored.can_write = wanted.get("writeEnabled", stored.can_write)
        return Reply(body=json.dumps({**head, "manifest": _attributes(place, reference)}).encode())


def _attributes(place: Repository, digest: str) -> dict[str, Any]:
    stored = place.manifests[digest]
    return {
        "digest": digest,
        "imageSize": stored.size,
        "createdTime": stored.created.isoformat(),
        "lastUpdateTime": stored.updated.isoformat(),
        "mediaType": stored.media_type,
        "tags": [tag for tag, other in place.tags.items() if other == digest],
        "changeableAttributes": {"deleteEnabled": stored.can_delete, "writeEnabled": stored.can_write, "readEnabled": True, "listEnabled": True},
    }


@contextmanager
def serving(registry: FakeRegistry, tls: ssl.SSLContext | None = None) -> Iterator[FakeRegistry]:
    """The registry at `registry.host`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(registry.answer))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    registry.host = f"localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answer: Callable[[str, str, Mapping[str, str], bytes], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = answer(self.command, self.path, httpx.Headers(list(self.headers.items())), body)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library's names

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """A test looks at `asked`."""

    return Handler
