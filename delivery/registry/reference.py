"""Names of images, taken apart as the tools that pull them do."""

import re
from dataclasses import dataclass, replace

from delivery.registry.errors import RegistryError

DOCKER_HUB = "docker.io"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_NAME}(?:/{_NAME})*")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_REPOSITORY = 255
_FORM = "<host>/<repository>[:<tag>][@sha256:<64 hexadecimal digits>]"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An image by name.

    Attributes:
        given: the name before tag and digest, as it was written; `python` stands for `docker.io/library/python`.
        tag: None when there is none.
        digest: sha256:<digest>; None when there is none.
    """

    given: str
    host: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Takes a name apart.

        Raises:
            RegistryError: it is none.
        """
        name, at, digest = text.partition("@")
        # A colon after the last slash begins the tag; one before it, a port.
        path, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        given = f"{path}{slash}{last}"
        host, repository = split_host(given)
        wrong = (
            "the digest"
            if at and not _DIGEST.fullmatch(digest)
            else "the tag"
            if colon and not _TAG.fullmatch(tag)
            else "the host"
            if not _HOST.fullmatch(host)
            else "the repository"
            if not _REPOSITORY.fullmatch(repository) or len(repository) > _LONGEST_REPOSITORY
            else ""
        )
        if wrong:
            raise RegistryError(f"{text!r} is no image: {wrong} is not as it must be; allowed: {_FORM}")
        return cls(given=given, host=host, repository=repository, tag=tag if colon else None, digest=digest if at else None)

    def at(self, digest: str) -> "Reference":
        """The same name with another digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return self.given + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def split_host(name: str) -> tuple[str, str]:
    """Host and repository of a name without tag and digest. A first part that cannot be a host belongs to the repository, which is Docker Hub's then."""
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or any(sign in first for sign in ".:") or first != first.lower()):
        host, repository = first, rest
    else:
        host, repository = DOCKER_HUB, name
    if host in (DOCKER_HUB, f"index.{DOCKER_HUB}"):
        return DOCKER_HUB, repository if "/" in repository else f"library/{repository}"
    return host, repository
