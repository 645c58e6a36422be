from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.registry import Reference, RegistryError, split_host

DIGEST = "sha256:" + "a" * 64

HOSTS = st.sampled_from(["localhost", "localhost:5000", "ghcr.io", "a.azurecr.io", "127.0.0.1:18002", "[::1]:5000", "Registry:443", "docker.io"])
PARTS = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
REPOSITORIES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
DIGESTS = st.none() | st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(host=HOSTS, repository=REPOSITORIES, tag=TAGS, digest=DIGESTS)
def test_what_is_put_together_comes_apart_again(host: str, repository: str, tag: str | None, digest: str | None):
    text = f"{host}/{repository}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    found = Reference.parse(text)
    assert str(found) == text
    assert (found.host, found.tag, found.digest) == (host, tag, digest)
    assert found.repository == (repository if "/" in repository or host != "docker.io" else f"library/{repository}")


@given(st.text(max_size=80))
def test_any_text_is_an_image_or_a_message(text: str):
    with suppress(RegistryError):
        assert str(Reference.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "host", "repository"),
    [
        ("python", "docker.io", "library/python"),
        ("bitnami/python", "docker.io", "bitnami/python"),
        ("index.docker.io/python", "docker.io", "library/python"),
        ("docker.io/library/python", "docker.io", "library/python"),
        ("mcr.microsoft.com/azurelinux/base/python", "mcr.microsoft.com", "azurelinux/base/python"),
        ("localhost/python", "localhost", "python"),
        ("registry:5000/python", "registry:5000", "python"),
    ],
)
def test_hosts_are_told_from_repositories_as_docker_does(text: str, host: str, repository: str):
    found = Reference.parse(f"{text}:3.11@{DIGEST}")
    assert (found.host, found.repository, found.tag, found.digest) == (host, repository, "3.11", DIGEST)
    assert split_host(text) == (host, repository)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "the repository"),
        ("ghcr.io/", "the repository"),
        ("ghcr.io/Digits", "the repository"),
        ("ghcr.io/digits:", "the tag"),
        ("ghcr.io/digits:-3", "the tag"),
        (f"ghcr.io/digits:{'a' * 129}", "the tag"),
        ("ghcr.io/digits@", "the digest"),
        ("ghcr.io/digits@sha256:abc", "the digest"),
        (f"ghcr.io/digits@{DIGEST.upper()}", "the digest"),
        ("-.io/digits", "the host"),
        ("ghcr.io:port/digits", "the host"),
        (f"ghcr.io/{'a' * 256}", "the repository"),
    ],
)
def test_what_is_no_image_is_told(text: str, wrong: str):
    with pytest.raises(RegistryError) as raised:
        Reference.parse(text)
    assert str(raised.value) == f"{text!r} is no image: {wrong} is not as it must be; allowed: <host>/<repository>[:<tag>][@sha256:<64 hexadecimal digits>]"


def test_another_digest_keeps_the_name():
    assert str(Reference.parse(f"python:3.11@{DIGEST}").at("sha256:" + "b" * 64)) == f"python:3.11@sha256:{'b' * 64}"
