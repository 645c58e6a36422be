from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from delivery.registry import Contents, Registry, RegistryError, open_registry, web
from delivery.registry.oci import OciRegistry
from tests.unit.delivery.registry.fake_registry import FakeRegistry, Reply, refusal, serving
from tests.unit.delivery.registry.oci_images import DOCKER_MANIFEST, OLD, digest_of, image, index

NOWHERE = "sha256:" + "0" * 64


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as running:
        yield running


@pytest.fixture
def registry(fake: FakeRegistry) -> Registry:
    return open_registry(fake.host)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    return waited


def test_what_is_there_is_told_from_what_is_not(fake: FakeRegistry, registry: Registry):
    digest = fake.publish("digits", image(b"one"), "a")
    assert registry.has("digits", digest)
    assert not registry.has("digits", NOWHERE)
    assert not registry.has("letters", digest)
    assert registry.digest_of("digits", "a") == digest
    assert registry.digest_of("digits", "b") is None
    assert registry.tags("letters") == {}
    assert registry.images("letters") == []
    assert registry.image("digits", NOWHERE) is None
    assert registry.contents("digits", NOWHERE) is None


def test_images_have_tags_size_and_the_time_of_their_build(fake: FakeRegistry, registry: Registry):
    first, second = image(b"one", b"two"), image(b"three", created=None)
    fake.publish("team/digits", first, "a", "b")
    fake.publish("team/digits", second, "c")
    found = {stored.digest: stored for stored in registry.images("team/digits")}
    assert set(found) == {first.digest, second.digest}
    assert found[first.digest].tags == ("a", "b")
    assert found[first.digest].size == first.size
    assert (found[first.digest].created, found[first.digest].changed) == (OLD, None)
    assert found[second.digest].created is None
    assert not found[first.digest].locked


def test_a_time_without_a_zone_is_taken_for_utc(fake: FakeRegistry, registry: Registry):
    digest = fake.publish("digits", image(b"one", created=datetime(2026, 1, 2)), "a")  # noqa: DTZ001 - what some builders write
    stored = registry.image("digits", digest)
    assert stored
    assert stored.created == datetime(2026, 1, 2, tzinfo=UTC)


def test_the_part_for_linux_on_amd64_stands_for_an_index(fake: FakeRegistry, registry: Registry):
    ours, attestation = image(b"app", b"model"), image(b"provenance", created=None)
    whole = index(ours, attestation)
    fake.publish("digits", whole, "a")
    stored = registry.image("digits", whole.digest)
    assert stored
    assert (stored.size, stored.created) == (ours.size, OLD)
    assert registry.contents("digits", whole.digest) == Contents(parts=(attestation.digest, ours.digest))


def test_contents_name_the_subject_of_a_signature(fake: FakeRegistry, registry: Registry):
    signed = image(b"app")
    signature = image(b"signature", subject={"mediaType": signed.media_type, "digest": signed.digest, "size": len(signed.manifest)})
    fake.publish("digits", signature, "s")
    assert registry.contents("digits", signature.digest) == Contents(subject=signed.digest)


def test_docker_images_are_asked_for_as_what_they_are(fake: FakeRegistry, registry: Registry):
    """Asked without their type, a registry answers with an older form under another digest."""
    docker = image(b"one", media_type=DOCKER_MANIFEST)
    fake.publish("digits", docker, "a")
    assert registry.tags("digits") == {"a": docker.digest}


def test_tags_come_page_after_page(fake: FakeRegistry, registry: Registry):
    fake.page = 2
    digests = {f"tag{number}": fake.publish("digits", image(b"%d" % number), f"tag{number}") for number in range(5)}
    assert registry.tags("digits") == digests
    assert sum("/tags/list" in asked for asked in fake.asked) == 3


def test_without_its_header_the_digest_is_computed(fake: FakeRegistry, registry: Registry):
    fake.says_digest = False
    digest = fake.publish("digits", image(b"one"), "a")
    assert registry.digest_of("digits", "a") == digest


def test_content_that_is_not_that_of_the_digest_is_refused(fake: FakeRegistry, registry: Registry):
    digest = fake.publish("digits", image(b"one"), "a")
    fake.repositories["digits"].manifests[digest].content = b"{}"
    with pytest.raises(RegistryError, match=f"gives {digest_of(b'{}')} for digits@{digest}; do not use this image"):
        registry.image("digits", digest)


def test_deleting_takes_every_tag_along_and_may_be_repeated(fake: FakeRegistry, registry: Registry):
    digest = fake.publish("digits", image(b"one"), "a", "b")
    registry.delete("digits", digest)
    registry.delete("digits", digest)
    assert fake.repositories["digits"].tags == {}
    assert not registry.has("digits", digest)


def test_a_registry_that_deletes_nothing_says_what_to_set(fake: FakeRegistry, registry: Registry):
    fake.deletes = False
    digest = fake.publish("digits", image(b"one"), "a")
    with pytest.raises(RegistryError, match=r"answers 405 for digits \(UNSUPPORTED, .*\): the registry deletes nothing; .* storage\.delete\.enabled: true"):
        registry.delete("digits", digest)


def test_what_is_to_stay_gets_a_tag_where_there_are_no_locks(fake: FakeRegistry, registry: Registry):
    digest = fake.publish("digits", image(b"app"))
    assert not registry.has_locks
    for _ in range(2):
        assert registry.protect("digits", digest) is False
        assert registry.tags("digits") == {f"kept-{digest[7:23]}": digest}
    registry.unprotect("digits", digest)
    assert registry.has("digits", digest)
    assert registry.protect("digits", NOWHERE) is False
    assert registry.tags("digits") == {f"kept-{digest[7:23]}": digest}


def test_since_when_an_image_is_marked_is_a_tag_and_the_first_one_counts(fake: FakeRegistry, registry: Registry):
    digest = fake.publish("digits", image(b"app"), "a", "marked-20269999-0123456789abcdef")
    assert registry.images("digits")[0].changed is None
    del fake.repositories["digits"].tags["marked-20269999-0123456789abcdef"]
    for day in (OLD, OLD + timedelta(days=1)):
        registry.mark("digits", digest, day)
    (stored,) = registry.images("digits")
    assert stored.tags == ("a", f"marked-20260102-{digest[7:23]}", f"marked-20260103-{digest[7:23]}")
    assert stored.changed == datetime(2026, 1, 2, tzinfo=UTC)


def test_an_anonymous_token_is_fetched_once_per_repository(fake: FakeRegistry, registry: Registry):
    fake.login = "anonymous"
    digest = fake.publish("digits", image(b"one"), "a")
    assert registry.has("digits", digest)
    assert registry.has("digits", digest)
    assert fake.forms == [{"service": "the-registry", "scope": "repository:digits:pull"}]


def test_a_registry_that_wants_a_login_is_told(fake: FakeRegistry, registry: Registry):
    fake.login = "closed"
    fake.publish("digits", image(b"one"), "a")
    with pytest.raises(RegistryError, match=r"answers 401 for digits \(UNAUTHORIZED, authentication required\): only what needs no login can be done here"):
        registry.tags("digits")


@pytest.mark.parametrize("realm", ["http://elsewhere.example/token", "ftp://elsewhere.example", "not a url", ""])
def test_a_token_is_asked_for_over_https_only(fake: FakeRegistry, registry: Registry, realm: str):
    fake.troubles = [refusal(401, "UNAUTHORIZED", "no", **{"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'})]
    with pytest.raises(RegistryError, match="answers 401"):
        registry.has("digits", NOWHERE)
    assert len(fake.asked) == 1


def test_a_busy_registry_is_asked_again_when_it_says(fake: FakeRegistry, registry: Registry, no_waiting: list[float]):
    digest = fake.publish("digits", image(b"one"), "a")
    fake.troubles = [refusal(429, "TOOMANYREQUESTS", "slow down", **{"Retry-After": "7"}), Reply(status=503)]
    assert registry.has("digits", digest)
    assert no_waiting == [7, 1]


def test_a_registry_that_stays_busy_is_told_after_bounded_waiting(fake: FakeRegistry, registry: Registry, no_waiting: list[float]):
    fake.troubles = [refusal(429, "TOOMANYREQUESTS", "slow down", **{"Retry-After": "86400"})] * 3
    with pytest.raises(
        RegistryError, match=r"answers 429 for digits \(TOOMANYREQUESTS, slow down\): too many requests, also after 3 attempts; try again later"
    ):
        registry.contents("digits", NOWHERE)
    assert no_waiting == [10, 10]


def test_a_registry_that_fails_is_told(fake: FakeRegistry, registry: Registry):
    fake.troubles = [Reply(status=502)] * 3
    with pytest.raises(RegistryError, match="answers 502 for digits, again and again; try again later"):
        registry.has("digits", NOWHERE)


def test_what_is_no_registry_is_told(fake: FakeRegistry, registry: Registry):
    fake.troubles = [Reply(body=b"<html>Welcome</html>")]
    with pytest.raises(RegistryError, match=r"localhost:\d+ does not answer like a container registry"):
        registry.tags("digits")


def test_nobody_there_is_one_message():
    with pytest.raises(RegistryError, match=r"^localhost:1 cannot be reached \(.*refused.*\); is it running\?"):
        open_registry("localhost:1").has("digits", NOWHERE)


def test_a_network_that_is_gone_is_one_message():
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Name or service not known", request=request)

    with pytest.raises(RegistryError) as raised:
        OciRegistry("docker.io", httpx.Client(transport=httpx.MockTransport(answer))).has("library/python", NOWHERE)
    assert str(raised.value) == "registry-1.docker.io cannot be reached (Name or service not known); check the network, and HTTPS_PROXY if there is a proxy"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/digits/manifests/a"),
        ("ghcr.io", "https://ghcr.io/v2/digits/manifests/a"),
        ("registry.example:5000", "https://registry.example:5000/v2/digits/manifests/a"),
        ("localhost:5000", "http://localhost:5000/v2/digits/manifests/a"),
        ("127.0.0.2", "http://127.0.0.2/v2/digits/manifests/a"),
        ("[::1]:5000", "http://[::1]:5000/v2/digits/manifests/a"),
    ],
)
def test_only_this_machine_is_asked_in_plain_http(host: str, url: str):
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(404)

    OciRegistry(host, httpx.Client(transport=httpx.MockTransport(answer))).digest_of("digits", "a")
    assert asked == [url]


def test_a_link_cannot_lead_to_another_host():
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "ghcr.io"
        more = {"Link": '<https://elsewhere.example/v2/digits/tags/list?last=a>; rel="next"'} if not request.url.query else {}
        return httpx.Response(200, json={"tags": []}, headers=more)

    assert OciRegistry("ghcr.io", httpx.Client(transport=httpx.MockTransport(answer))).tags("digits") == {}


def test_the_client_of_its_own_has_limits():
    assert web._TIMEOUT.connect == 5
