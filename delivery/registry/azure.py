"""Azure Container Registry, through Azure's own library, with the login that every tool uses."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from azure.containerregistry import ArtifactManifestProperties, ContainerRegistryClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from delivery.azure.login import Login
from delivery.registry.errors import RegistryError
from delivery.registry.kinds import Contents, Manifest, StoredImage

_AUDIENCE = "https://containerregistry.azure.net"
"""Good for registries and nothing else, and accepted also where tokens for all of Azure are not (azureADAuthenticationAsArmPolicy)."""
_OPTIONS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 20, "retry_total": 3, "retry_backoff_max": 10, "timeout": 60}
_MINUTES = 50 * 60
_PULL = "AcrPull (with ABAC permissions: Container Registry Repository Reader)"
_CHANGE = "Container Registry Repository Writer (or another with repositories/metadata/write; AcrPush does not have it)"
_PUSH = "AcrPush (with ABAC permissions: Container Registry Repository Writer)"
_DELETE = "AcrDelete (with ABAC permissions: Container Registry Repository Contributor)"


class _Credential:
    """A Login as Azure's libraries want it. Its AzureError says what to do, and goes through them unchanged."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(self._login.token(scopes[0]), int(time.time()) + _MINUTES)


class AzureRegistry:
    """One registry. Its locks are attributes of an image (`delete-enabled`), not Azure's locks of resources, which do not keep anybody from deleting images."""

    has_locks = True

    def __init__(self, host: str, client: ContainerRegistryClient | None = None) -> None:
        self.host = host
        self._client = client or ContainerRegistryClient(f"https://{host}", _Credential(Login()), audience=_AUDIENCE, **_OPTIONS)

    def has(self, repository: str, digest: str) -> bool:
        """As Registry."""
        return self._properties(repository, digest) is not None

    def tags(self, repository: str) -> dict[str, str]:
        """As Registry."""
        with self._told(repository, "list its tags", _PULL):
            try:
                return {str(tag.name): str(tag.digest) for tag in self._client.list_tag_properties(repository)}
            except ResourceNotFoundError:
                return {}

    def digest_of(self, repository: str, tag: str) -> str | None:
        """As Registry."""
        with self._told(repository, f"ask for the tag {tag}", _PULL):
            try:
                return self._client.get_tag_properties(repository, tag).digest
            except ResourceNotFoundError:
                return None

    def images(self, repository: str) -> list[StoredImage]:
        """As Registry: with the parts of indexes and what has no tag."""
        with self._told(repository, "list its images", _PULL):
            try:
                return [_stored(found) for found in self._client.list_manifest_properties(repository)]
            except ResourceNotFoundError:
                return []

    def image(self, repository: str, digest: str) -> StoredImage | None:
        """As Registry."""
        found = self._properties(repository, digest)
        return _stored(found) if found else None

    def contents(self, repository: str, digest: str) -> Contents | None:
        """As Registry."""
        with self._told(repository, f"read {digest}", _PULL):
            try:
                return Contents.of(self._client.get_manifest(repository, digest).manifest or {})
            except ResourceNotFoundError:
                return None

    def delete(self, repository: str, digest: str) -> None:
        """As Registry. With soft delete it can be restored for some days (docs/retention.md)."""
        with self._told(repository, f"delete {digest}", _DELETE):
            self._client.delete_manifest(repository, digest)

    def mark(self, repository: str, digest: str, moment: datetime) -> None:
        """As Registry: there is nothing to do."""

    def protect(self, repository: str, digest: str) -> bool:
        """As Registry.

        Writing stays allowed: the digest already says that the content cannot change, and who builds the same commit again must be able to push it.
        """
        self._set(repository, digest, can_delete=False)
        return True

    def unprotect(self, repository: str, digest: str) -> None:
        """As Registry. A lock against writing, which is not ours, stays, and keeps the image from being deleted."""
        self._set(repository, digest, can_delete=True)

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """As ArtifactRegistry."""
        sizes: list[int] = []
        with self._told(repository, f"read {reference}", _PULL):
            try:
                # The library checks the bytes, but hands out only what they say; a referrer names their number, too.
                found = self._client.get_manifest(repository, reference, raw_response_hook=lambda answer: sizes.append(_length(answer)))
            except ResourceNotFoundError:
                return None
        return Manifest(digest=str(found.digest), document=found.manifest or {}, media_type=str(found.media_type), size=sizes[-1])

    def blob(self, repository: str, digest: str) -> bytes | None:
        """As ArtifactRegistry."""
        with self._told(repository, f"read {digest}", _PULL):
            try:
                return b"".join(self._client.download_blob(repository, digest))
            except ResourceNotFoundError:
                return None

    def put_blob(self, repository: str, content: bytes) -> str:
        """As ArtifactRegistry."""
        with self._told(repository, "store a document", _PUSH):
            return self._client.upload_blob(repository, io.BytesIO(content))[0]

    def put_manifest(self, repository: str, tag: str, content: bytes, media_type: str) -> bool:
        """As ArtifactRegistry. Azure's registry has the referrers API."""
        with self._told(repository, f"store {tag}", _PUSH):
            self._client.set_manifest(repository, io.BytesIO(content), tag=tag, media_type=media_type)
        return True

    def _set(self, repository: str, digest: str, **rights: bool) -> None:
        with self._told(repository, f"change the locks of {digest}", _CHANGE):
            try:
                self._client.update_manifest_properties(repository, digest, **rights)
            except ResourceNotFoundError:
                return

    def _properties(self, repository: str, digest: str) -> ArtifactManifestProperties | None:
        with self._told(repository, f"ask for {digest}", _PULL):
            try:
                return self._client.get_manifest_properties(repository, digest)
            except ResourceNotFoundError:
                return None

    @contextmanager
    def _told(self, repository: str, doing: str, role: str) -> Iterator[None]:
        """Raises RegistryError in place of what Azure's library raises."""
        where = f"could not {doing} in {self.host}/{repository}"
        try:
            yield
        except HttpResponseError as error:
            raise RegistryError(f"{where}: {_refusal(error, self.host, role)}") from error
        except ValueError as error:
            # The library's check that an image is the one of its digest.
            raise RegistryError(f"{where}: what comes back is not that image ({_first_line(error)}); do not use it") from error
        except AzureError as error:
            raise RegistryError(
                f"{where}: it cannot be reached ({_first_line(error)}); check its name and the network: a private registry answers only inside its own"
            ) from error


def _refusal(error: HttpResponseError, host: str, role: str) -> str:
    said = _first_line(error)
    match error.status_code:
        case 401 | 403 if "is not allowed access" in str(error):
            return f"{host} does not let this machine in ({said}); run it inside the registry's network, or from an address that it allows"
        case 401 | 403:
            return f"{host} refuses it ({said}); you lack the role {role} on the registry; a new role takes some minutes to work"
        case 405 | 409:
            return f"it is locked ({said}); `az acr manifest update-metadata --delete-enabled true --write-enabled true` opens it"
        case 429:
            return f"{host} has too many requests ({said}), also after waiting; try again later"
        case _ if isinstance(error, ClientAuthenticationError):
            return f"{host} refuses the login ({said}); you lack the role {role} on the registry"
        case status:
            return f"{host} answers {status} ({said}); try again later"


def _length(answer: Any) -> int:
    return int(answer.http_response.headers["Content-Length"])


def _stored(found: ArtifactManifestProperties) -> StoredImage:
    moments: list[datetime] = [moment for moment in (found.created_on, found.last_updated_on) if moment]
    return StoredImage(
        digest=str(found.digest),
        tags=tuple(sorted(found.tags or ())),
        size=found.size_in_bytes or 0,
        created=found.created_on,
        changed=max(moments, default=None),
        locked=found.can_delete is False,
        held=found.can_write is False,
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
