from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.registry import NotKnownError, RegistryError, StoredImage
from delivery.release.images import Place, kept
from delivery.release.record import Outcome, Record
from delivery.release.retention import YOUNG, CleanUp, carry_out, plan
from tests.unit.delivery.registry.memory import MemoryRegistry
from tests.unit.delivery.release.releases import release, service, sha256

HOST = "registry.example"
REPOSITORY = f"{HOST}/digits"
NOW = datetime(2026, 11, 25, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)


def digest(text: object) -> str:
    return f"sha256:{sha256(text)}"


def stored(text: object, *tags: str, changed: datetime | None = LONG_AGO, **more: bool) -> StoredImage:
    return StoredImage(digest=digest(text), tags=tags, size=100, created=changed, changed=changed, **more)


def released(text: object, minutes: int = 0, outcome: Outcome = Outcome.SUCCEEDED, repository: str = REPOSITORY) -> Record:
    return release(minutes, outcome=outcome, services=[service().model_copy(update={"image": f"{repository}@{digest(text)}"})])


def clean(registry: MemoryRegistry, records: Iterable[Record], keep: int = 1, named: dict[str, str] | None = None) -> CleanUp:
    newest_first = sorted(records, key=lambda record: record.id, reverse=True)
    (found,) = plan(newest_first, kept(newest_first, {"dev": keep}, named or {}), NOW, opener=lambda _: registry)
    return found


def reasons(clean_up: CleanUp) -> dict[str, str]:
    return {item.image.digest: item.why for item in clean_up.goes}


@pytest.fixture(params=[False, True], ids=["plain", "azure"])
def registry(request: pytest.FixtureRequest) -> MemoryRegistry:
    return MemoryRegistry(has_locks=request.param)


def test_old_releases_go_and_kept_ones_stay(registry: MemoryRegistry):
    registry.add("digits", stored("old", "a"), stored("older", "b"), stored("new", "c"))
    found = clean(registry, [released("older", 0), released("old", 1), released("new", 2)])
    assert reasons(found) == {
        digest("old"): f"release {release(1).id} of dev, older than those that are kept",
        digest("older"): f"release {release(0).id} of dev, older than those that are kept",
    }
    assert found.freed == 200
    list(carry_out(found, NOW))
    assert list(registry.stored) == [("digits", digest("new"))]


def test_an_image_that_a_kept_release_shares_with_an_old_one_stays(registry: MemoryRegistry):
    registry.add("digits", stored("x", "a"))
    assert not clean(registry, [released("x", 0), released("y", 1), released("x", 2)]).goes


def test_of_no_release_goes_what_is_older_than_seven_days(registry: MemoryRegistry):
    registry.add(
        "digits",
        stored("under way", "a", changed=NOW - YOUNG + timedelta(seconds=1)),
        stored("left over", "b", changed=NOW - YOUNG),
        stored("nobody knows", "c", changed=None),
    )
    found = clean(registry, [released("new")])
    assert reasons(found) == {digest("left over"): "of no release, 7 days old"}
    assert {item.image.digest: item.why for item in found.stays} == {digest("under way"): "of no release, but younger than 7 days"}
    assert {item.image.digest: item.why for item in found.marked} == {digest("nobody knows"): "of no release, but nobody knows how old it is"}


def test_where_nobody_keeps_times_the_first_clean_up_does():
    registry = MemoryRegistry()
    registry.add("digits", stored("stray", "a", changed=None), stored("new", "b", changed=None))
    records = [released("new")]
    (line,) = carry_out(clean(registry, records), NOW)
    assert line == f"marked: {REPOSITORY}@{digest('stray')} (of no release; if it is none's in 7 days either, it goes)"
    assert not list(carry_out(clean(registry, records), NOW))
    (found,) = plan(records, kept(records, {}, {}), NOW + YOUNG, opener=lambda _: registry)
    assert reasons(found) == {digest("stray"): "of no release, 7 days old"}


def test_what_failed_is_no_release_and_may_be_tried_again(registry: MemoryRegistry):
    registry.add("digits", stored("tried", "a", changed=NOW), stored("new", "b"))
    assert not clean(registry, [released("tried", 0, Outcome.FAILED), released("new", 1)]).goes


def test_repositories_that_no_release_names_are_left_alone(registry: MemoryRegistry):
    registry.add("base/python", stored("base", "a"))
    assert not clean(registry, [released("new")]).goes
    assert registry.has("base/python", digest("base"))


def test_the_parts_of_an_index_stay_and_go_with_it(registry: MemoryRegistry):
    registry.parts = {digest("kept"): (digest("app"), digest("shared")), digest("old"): (digest("older app"), digest("shared"))}
    registry.add("digits", stored("kept", "a"), stored("old", "b"), stored("app"), stored("shared"), stored("older app"))
    found = clean(registry, [released("old", 0), released("kept", 1)])
    assert set(reasons(found)) == {digest("old"), digest("older app")}
    list(carry_out(found, NOW))
    assert {name for _, name in registry.stored} == {digest("kept"), digest("app"), digest("shared")}
    assert all(registry.stored["digits", digest(name)].locked or not registry.has_locks for name in ("kept", "app", "shared"))
    assert all(registry.stored["digits", digest(name)].tags or registry.has_locks for name in ("kept", "app", "shared"))


def test_the_parts_of_a_young_index_stay_though_they_are_old(registry: MemoryRegistry):
    registry.parts = {digest("under way"): (digest("app"),)}
    registry.add("digits", stored("under way", "a", changed=NOW), stored("app", "b"))
    found = clean(registry, [released("new")])
    assert not found.goes
    assert not found.protected


@pytest.mark.parametrize("by_tag", [True, False])
def test_signatures_stay_and_go_with_what_they_sign(registry: MemoryRegistry, by_tag: bool):
    tags = {name: f"sha256-{sha256(name)}.sig" if by_tag else f"tag-{name}" for name in ("kept", "old")}
    registry.subjects = {} if by_tag else {digest("signature of kept"): digest("kept"), digest("signature of old"): digest("old")}
    registry.add("digits", stored("kept", "a"), stored("old", "b"), *(stored(f"signature of {name}", tag) for name, tag in tags.items()))
    found = clean(registry, [released("old", 0), released("kept", 1)])
    assert set(reasons(found)) == {digest("old"), digest("signature of old")}
    assert f"about {digest('kept')}, which stays" in [item.why for item in found.stays]


def test_what_is_about_an_image_stays_and_goes_with_it_where_nobody_knows_how_old_it_is():
    registry = MemoryRegistry()
    names = {name: (f"sha256-{sha256(name)}.sbom", f"sha256-{sha256(name)}") for name in ("kept", "old")}
    registry.parts = {digest(f"list of {name}"): (digest(f"sbom of {name}"),) for name in names}
    registry.add("digits", stored("kept", "a"), stored("old", "b"))
    for name, (sbom, listed) in names.items():
        registry.add("digits", stored(f"sbom of {name}", sbom, changed=None), stored(f"list of {name}", listed, changed=None))
    found = clean(registry, [released("old", 0), released("kept", 1)])
    assert set(reasons(found)) == {digest("old"), digest("sbom of old"), digest("list of old")}
    assert not found.marked


def test_what_somebody_locked_stays():
    registry = MemoryRegistry(has_locks=True)
    registry.add("digits", stored("theirs", locked=True), stored("theirs, an old release", held=True), stored("new"))
    found = clean(registry, [released("theirs, an old release", 0), released("new", 1)])
    assert not found.goes
    assert [item.why for item in found.stays] == ["locked by somebody", "locked by somebody"]


def test_what_we_locked_is_opened_when_its_time_is_over():
    registry = MemoryRegistry(has_locks=True)
    registry.add("digits", stored("old"))
    list(carry_out(clean(registry, [released("old", 0)]), NOW))
    assert registry.stored["digits", digest("old")].locked
    registry.add("digits", stored("new"))
    registry.done.clear()
    lines = list(carry_out(clean(registry, [released("old", 0), released("new", 1)]), NOW))
    assert registry.done == [f"protect {digest('new')}", f"unprotect {digest('old')}", f"delete {digest('old')}"]
    assert lines == [
        f"locked: {REPOSITORY}@{digest('new')} (release {release(1).id} of dev)",
        f"deleted: {REPOSITORY}@{digest('old')} (release {release(0).id} of dev, older than those that are kept)",
    ]


def test_an_old_release_without_a_tag_is_found_and_a_kept_one_gets_one():
    registry = MemoryRegistry()
    registry.add("digits", stored("old"), stored("new"))
    found = clean(registry, [released("old", 0), released("new", 1)])
    assert next(carry_out(found, NOW)).startswith(f"tagged, since this registry has no locks: {REPOSITORY}@{digest('new')}")
    assert set(reasons(found)) == {digest("old")}


def test_a_second_run_has_nothing_to_do(registry: MemoryRegistry):
    records = [released("old", 0), released("new", 1)]
    registry.add("digits", stored("old", "a"), stored("new", "b"))
    list(carry_out(clean(registry, records), NOW))
    again = clean(registry, records)
    assert (again.goes, again.protected) == ([], [])


def test_what_should_stay_and_is_gone_is_told(registry: MemoryRegistry):
    found = clean(registry, [released("gone", 0)], named={digest("locked"): "locks/prod.json"})
    assert found.missing == [((REPOSITORY, digest("gone")), f"release {release(0).id} of dev"), ((REPOSITORY, digest("locked")), "locks/prod.json")]


def test_a_run_that_is_cut_off_goes_on_with_the_next():
    registry = MemoryRegistry(has_locks=True, fails_at=digest("two"))
    registry.add("digits", stored("one"), stored("two"), stored("new", locked=True))
    records = [released("one", 0), released("two", 1), released("new", 2)]
    steps = carry_out(clean(registry, records), NOW)
    assert digest("one") in next(steps)
    with pytest.raises(RegistryError, match="refuses to delete"):
        next(steps)
    registry.fails_at = ""
    list(carry_out(clean(registry, records), NOW))
    assert [name for _, name in registry.stored] == [digest("new")]


def test_a_registry_of_the_simulation_is_skipped():
    class Simulated(MemoryRegistry):
        def images(self, repository: str) -> list[StoredImage]:
            raise NotKnownError(f"nobody knows {repository}")

    found = clean(Simulated(), [released("new")])
    assert (found.skipped, found.goes, found.missing) == ("nobody knows digits", [], [])


def test_one_registry_alone_can_be_cleaned():
    records = [released("a", 0, repository="one.example/digits"), released("b", 1, repository="two.example/digits")]
    opened: list[str] = []
    found = plan(records, {}, NOW, "two.example", opener=lambda host: opened.append(host) or MemoryRegistry(host))
    assert [one.host for one in found] == opened == ["two.example"]
    assert [one.host for one in plan(records, {}, NOW, opener=MemoryRegistry)] == ["one.example", "two.example"]


NAMES = range(12)


@given(
    deployed=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["dev", "prod"]), st.sampled_from(Outcome)), min_size=1, max_size=25),
    there=st.dictionaries(
        st.sampled_from(NAMES), st.tuples(st.integers(0, 20), st.booleans(), st.sets(st.sampled_from(NAMES), max_size=2), st.booleans()), max_size=12
    ),
    keep=st.integers(1, 5),
    named=st.sets(st.sampled_from(NAMES), max_size=2),
    has_locks=st.booleans(),
)
def test_whatever_was_released_nothing_that_is_needed_goes(
    deployed: list[tuple[int, str, Outcome]], there: dict[int, tuple[int, bool, set[int], bool]], keep: int, named: set[int], has_locks: bool
):
    records = [
        release(number, stack=stack, outcome=outcome, services=[service().model_copy(update={"image": f"{REPOSITORY}@{digest(name)}"})])
        for number, (name, stack, outcome) in enumerate(deployed)
    ][::-1]
    must_stay: dict[Place, str] = kept(records, {"dev": keep, "prod": keep}, {digest(name): "a lock" for name in named})
    registry = MemoryRegistry(has_locks=has_locks)
    # A part has a higher number: no index holds itself.
    registry.parts = {digest(name): tuple(digest(part) for part in sorted(parts) if part > name) for name, (_, _, parts, _) in there.items()}
    for name, (days, tagged, _, locked) in there.items():
        tags = (f"t{name}",) if tagged else ()
        registry.add("digits", stored(name, *tags, changed=NOW - timedelta(days=days), locked=locked and has_locks))
    before = dict(registry.stored)
    found = plan(records, must_stay, NOW, opener=lambda _: registry)[0]
    list(carry_out(found, NOW))

    gone = {image for _, image in before} - {image for _, image in registry.stored}
    assert gone == set(reasons(found))
    needed = {image for _, image in must_stay}
    for image in list(needed):
        needed |= _all_parts(registry, image)
    assert not gone & needed
    succeeded = {service.digest for record in records if record.succeeded for service in record.services.values()}
    young = {image for (_, image), one in before.items() if one.changed and NOW - one.changed < YOUNG}
    for image in gone & young - succeeded:
        assert reasons(found)[image].startswith("part of "), "what is young and of no release goes only as a part of what goes"
    for image in needed & {image for _, image in registry.stored}:
        one = registry.stored["digits", image]
        assert one.locked if has_locks else one.tags
    assert not clean_again(registry, records, must_stay)


def _all_parts(registry: MemoryRegistry, image: str) -> set[str]:
    parts = set(registry.parts.get(image, ())) if registry.has("digits", image) else set()
    return parts.union(*(_all_parts(registry, part) for part in parts)) if parts else set()


def clean_again(registry: MemoryRegistry, records: list[Record], must_stay: dict[Place, str]) -> list[str]:
    found = plan(records, must_stay, NOW, opener=lambda _: registry)[0]
    return [item.image.digest for item in (*found.goes, *found.protected)]
