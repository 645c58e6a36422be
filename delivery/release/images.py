"""The images of releases: which are still there, and which must stay."""

import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

from delivery.checkout import settings_of
from delivery.errors import DeliveryError
from delivery.git import Git
from delivery.registry import Registry, open_registry, split_host
from delivery.release.files import newest_first
from delivery.release.ledger import running
from delivery.release.record import Record, one_line
from model_store import ModelStoreError, read_lock

Opener = Callable[[str], Registry]
Place = tuple[str, str]
"""<registry>/<repository>, and digest."""

_SECONDS = 10.0
_PARALLEL = 8
_IMAGE_OF_A_LOCK = r'"image": "sha256:[0-9a-f]{64}"'
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BRANCHES_AT_ONCE = 200


def present(records: Iterable[Record], *, seconds: float = _SECONDS, opener: Opener = open_registry) -> dict[str, bool | None]:
    """Whether the registries still have the images of releases, by digest; None where that could not be asked, in the time there is."""
    places = {(service.repository, service.digest) for record in records for service in record.services.values()}
    waiting, answers = SimpleQueue[Place](), dict[Place, bool | None]()
    for place in sorted(places):
        waiting.put(place)
    registries = {host: opener(host) for host in {split_host(repository)[0] for repository, _ in places}}
    # Of a pool's threads the interpreter waits for the last; whoever lists releases does not wait for a registry that says nothing.
    workers = [threading.Thread(target=_ask, args=(waiting, registries, answers), daemon=True) for _ in range(min(_PARALLEL, len(places)))]
    until = time.monotonic() + seconds
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, until - time.monotonic()))
    found = dict(answers)
    return {digest: _together([found.get(place) for place in places if place[1] == digest]) for digest in {digest for _, digest in places}}


def _ask(waiting: "SimpleQueue[Place]", registries: Mapping[str, Registry], answers: dict[Place, bool | None]) -> None:
    while True:
        try:
            place = waiting.get_nowait()
        except Empty:
            return
        host, repository = split_host(place[0])
        try:
            answers[place] = registries[host].has(repository, place[1])
        except DeliveryError:
            answers[place] = None


def _together(answers: Collection[bool | None]) -> bool | None:
    """One digest in several repositories is there if one of them has it."""
    return True if True in answers else None if None in answers else False


def kept(records: Iterable[Record], keep_releases: Mapping[str, int], named: Mapping[str, str]) -> dict[Place, str]:
    """The images that must stay, each with why. Stacks that share a registry are looked at together.

    Args:
        keep_releases: how many of the newest releases that succeeded keep their images, by stack; a stack that is not there keeps the usual number.
        named: digests that must stay wherever they are, each with why.
    """
    # Settings bring Pulumi along, which takes a while to import.
    from settings.delivery import Delivery  # noqa: PLC0415

    usually = Delivery().keep_releases
    found: dict[Place, str] = {}
    by_stack: dict[str, list[Record]] = {}
    for record in newest_first(records):
        by_stack.setdefault(record.stack, []).append(record)
    for stack, releases in by_stack.items():
        # The newest says what runs also when it failed: a part of it may have been rolled out.
        now = [record for record in (releases[0], running(releases)) if record]
        newest = [record for record in releases if record.succeeded][: keep_releases.get(stack, usually)]
        for record in (*now, *newest):
            for service in record.services.values():
                found.setdefault((service.repository, service.digest), f"release {record.id} of {stack}")
    repositories = {service.repository for releases in by_stack.values() for record in releases for service in record.services.values()}
    for digest, why in named.items():
        for repository in repositories:
            found.setdefault((repository, digest), why)
    return found


def keep_releases(checkout: Path) -> dict[str, int]:
    """How many releases keep their images, by stack of this checkout.

    Raises:
        DeliveryError: a stack's file is wrong, so nobody knows.
    """
    try:
        return {stack: settings_of(checkout, stack).delivery.keep_releases for stack in stacks(checkout)}
    except DeliveryError as error:
        raise DeliveryError(f"what must stay is not known while a stack's settings are wrong: {error}") from error


def deployed(checkout: Path) -> tuple[dict[str, str], list[str]]:
    """The digests that stacks of this checkout run by the engine's state, each with why it stays; and for every stack that cannot be asked, why not.

    An update by hand may not be recorded yet.
    """
    from delivery.deploy.engine import Engine  # noqa: PLC0415 - a clean-up alone needs it

    found, problems = dict[str, str](), list[str]()
    for stack in stacks(checkout):
        try:
            services = Engine(checkout, stack).outputs().get("services") or {}
        except DeliveryError as error:
            problems.append(f"{stack}: {one_line(str(error))}")
            continue
        images = [str(service.get("image", "")) for service in services.values() if isinstance(service, Mapping)]
        found.update({image.rpartition("@")[2]: f"{stack} runs it" for image in images if _DIGEST.fullmatch(image.rpartition("@")[2])})
    return found, problems


def stacks(checkout: Path) -> list[str]:
    """The stacks that have a file here."""
    return sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in checkout.glob("Pulumi.*.yaml"))


def locked(checkout: Path) -> dict[str, str]:
    """The digests that locks name, in this working tree and on every branch that this clone knows: a promotion may wait in a pull request.

    Raises:
        DeliveryError: a lock cannot be read, so nobody knows.
    """
    on_branches = dict.fromkeys(_on_branches(Git(checkout)), "a lock on another branch")
    here: dict[str, str] = {}
    for path in sorted((checkout / "locks").glob("*.json")):
        try:
            services = read_lock(path).services.values()
        except ModelStoreError as error:
            raise DeliveryError(f"what must stay is not known while a lock cannot be read: {error}") from error
        here.update({service.image: f"locks/{path.name}" for service in services if service.image})
    return on_branches | here


def _on_branches(git: Git) -> set[str]:
    # Several branches can be at one commit, and a commit is looked through once.
    commits = sorted({line for line in git.tell("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes").splitlines() if line})
    found: set[str] = set()
    for start in range(0, len(commits), _BRANCHES_AT_ONCE):
        answer = git.run("grep", "-h", "-o", "-E", "-e", _IMAGE_OF_A_LOCK, *commits[start : start + _BRANCHES_AT_ONCE], "--", ":(top,glob)locks/*.json")
        if answer.code > 1:
            raise DeliveryError(f"what the locks on other branches name cannot be read: {answer.errors.strip()}")
        found.update(_DIGEST.findall(answer.text))
    return found
