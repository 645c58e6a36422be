"""The ledger: one record per deployment, on a branch of the repository that nothing is ever taken from."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
    wait_random,
    wait_random_exponential,
)

from delivery.errors import DeliveryError
from delivery.release.branch import NAME, AgainError, Branch, MovedError, RefusedError
from delivery.release.files import after, is_record, newest_first, path_of, read
from delivery.release.kept import Kept
from delivery.release.readme import PATH as README
from delivery.release.readme import render
from delivery.release.record import Record, one_line
from model_store.documents import to_json

_MOST_NAMED = 10


@dataclass(frozen=True)
class Written:
    """What became of a record.

    Attributes:
        record: as it was written; its id has got a suffix when another record had it.
        problem: why it is kept in this clone instead, in one line; empty when it was pushed.
    """

    record: Record
    pushed: bool
    problem: str = ""


@dataclass(frozen=True)
class Patience:
    """How long to try, in seconds.

    Attributes:
        at_most: with everything; a push that has begun is not ended by it.
        pause: before the second try when the remote does not answer.
        longest_pause: between tries when others were first; each pause is random, or the same ones would meet again.
    """

    at_most: float = 180.0
    pause: float = 2.0
    longest_pause: float = 6.0


@dataclass
class Ledger:
    """The records of a repository. Every question asks the remote first, and is answered from what is here when that cannot be reached.

    Attributes:
        stale: why the newest records may be missing; empty when none is.
        unreadable: per file of the last answer that holds no record for us, why.
        waiting: the records of the last answer that nobody else sees yet.
    """

    branch: Branch
    patience: Patience = Patience()
    stale: str = ""
    unreadable: dict[str, str] = field(default_factory=dict)
    waiting: tuple[Record, ...] = ()
    _read: dict[tuple[str, str], Record | str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, checkout: Path, remote: str = "origin") -> "Ledger":
        """The ledger of the repository that a folder is in. Without such a remote its own branch is the ledger.

        Raises:
            DeliveryError: there is no git, or no repository that it reads.
        """
        return cls(Branch.of(checkout, remote))

    @property
    def kept(self) -> Kept:
        """Where records wait that could not be pushed."""
        return Kept(self.branch.own_folder / "releases")

    def records(self, stack: str | None = None) -> list[Record]:
        """The releases, newest first, also those that wait to be pushed. Sets `stale`, `unreadable` and `waiting`."""
        self.stale = ""
        try:
            Retrying(retry=retry_if_exception_type(MovedError), stop=stop_after_attempt(5), wait=wait_random(0, 0.5), reraise=True)(self.branch.fetch)
        except DeliveryError as error:
            self.stale = one_line(str(error))
        known, self.unreadable = self._known(self.branch.tip())
        kept, unreadable_too = self.kept.records()
        placed = _place(kept, known)
        self.unreadable.update(unreadable_too)
        self.waiting = tuple(record for record in placed if path_of(record) not in known)
        return newest_first(record for record in (*known.values(), *self.waiting) if isinstance(record, Record) and stack in (None, record.stack))

    def find(self, stack: str, text: str) -> Record:
        """The release of an id, or of a beginning that only one has; raises DeliveryError with what there is."""
        records = self.records(stack)
        if not records:
            raise DeliveryError(f"no release of stack {stack} is recorded{_others(self.records(), stack)}")
        found = [record for record in records if record.id == text] or [record for record in records if text and record.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise DeliveryError(f"{len(found)} releases of {stack} begin with {text}: {_ids(found)}; give more of the id")
        raise DeliveryError(f"{stack} has no release {text!r}; it has {_ids(records)}")

    def latest(self, stack: str) -> Record | None:
        """The newest release that succeeded: what the stack runs. None before the first."""
        return running(self.records(stack))

    def at(self, stack: str, moment: datetime) -> Record | None:
        """The release that ran at a time; None when there was none yet."""
        return running(record for record in self.records(stack) if record.finished_at <= moment)

    def write(self, record: Record) -> Written:
        """Adds a record, after those that wait. It is on disk before git is asked, so whatever happens then, a later call pushes it.

        Never fails for git, network or disk: then `problem` says why. The same record again changes nothing.
        """
        try:
            kept, trouble = self.kept.keep(record), ""
        except (OSError, DeliveryError) as error:
            kept, trouble = record, f"; nor can it be kept in this clone: {error}"
        written = self._publish(kept)[0]
        return Written(written.record, pushed=written.pushed, problem=one_line(written.problem + trouble) if written.problem else "")

    def push_kept(self) -> list[Written]:
        """Pushes what waits. Never fails; each problem says why."""
        return self._publish()

    def _publish(self, *own: Record) -> list[Written]:
        """What became of these records, and after them of those that wait besides."""
        try:
            with self.kept.one_at_a_time(self.patience.at_most):
                return self._retrying()(self._attempt, own)
        except (OSError, DeliveryError) as error:
            return [Written(record, pushed=False, problem=one_line(str(error))) for record in self._pending(own)]

    def _retrying(self) -> Retrying:
        unanswered, moved = (
            wait_exponential_jitter(multiplier=self.patience.pause, jitter=self.patience.pause),
            wait_random_exponential(0.2, self.patience.longest_pause),
        )

        def wait(state: RetryCallState) -> float:
            return (moved if isinstance(_failure(state), MovedError) else unanswered)(state)

        return Retrying(retry=_worth_another_try, stop=stop_after_delay(self.patience.at_most), wait=wait, reraise=True)

    def _attempt(self, own: tuple[Record, ...]) -> list[Written]:
        self.branch.fetch()
        tip = self.branch.tip()
        known, _ = self._known(tip)
        if tip and not known and (others := [path for path in self.branch.blobs(tip) if path != README]):
            raise RefusedError(f"the branch {NAME} holds no release but {others[0]}; releases are recorded on a branch of their own, so rename that one")
        pending = self._pending(own)
        placed = _place(pending, known)
        new = {path_of(record): record for record in placed if path_of(record) not in known}
        if new:
            files = {path: to_json(record) for path, record in new.items()}
            readme = render(newest_first(record for record in (known | new).values() if isinstance(record, Record)))
            commit = self.branch.commit(tip, {**files, README: readme.encode()}, _message(list(new.values())))
            self.branch.advance(tip, commit)
        for record in pending:
            self.kept.forget(record)
        return [Written(record, pushed=True) for record in placed]

    def _pending(self, own: tuple[Record, ...]) -> list[Record]:
        waiting, _ = self.kept.records()
        return [*own, *waiting]

    def _known(self, commit: str | None) -> tuple[dict[str, Record | str], dict[str, str]]:
        """By path, what a commit has: a record, or why it is none; and the latter once more, for people."""
        blobs = [(path, name) for path, name in self.branch.blobs(commit).items() if is_record(path)]
        new = [blob for blob in blobs if blob not in self._read]
        for blob, content in zip(new, self.branch.contents([name for _, name in new]), strict=True):
            self._read[blob] = _record_or_reason(content, blob[0])
        known = {path: self._read[path, name] for path, name in blobs}
        return known, {path: reason for path, reason in known.items() if isinstance(reason, str)}


def running(records: Iterable[Record]) -> Record | None:
    """Of the releases of one stack, newest first, the one that it runs."""
    return next((record for record in records if record.succeeded), None)


def _place(records: Iterable[Record], known: dict[str, Record | str]) -> list[Record]:
    """The records with ids under which they can lie beside the known ones and each other; one that lies there already stays what it is."""
    taken, placed = dict(known), list[Record]()
    for record in records:
        place = record
        while taken.get(path_of(place), place) != place:
            place = after(place)
        taken[path_of(place)] = place
        placed.append(place)
    return placed


def _record_or_reason(content: bytes | None, path: str) -> Record | str:
    if content is None:
        return "git does not have its content"
    try:
        return read(content, path)
    except DeliveryError as error:
        return str(error)


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _worth_another_try(state: RetryCallState) -> bool:
    failure = _failure(state)
    return isinstance(failure, AgainError) and state.attempt_number < failure.tries


def _message(new: list[Record]) -> str:
    lines = [f"{record.stack} {record.id}: {record.outcome}" for record in new]
    return f"{lines[0]}\n" if len(lines) == 1 else "\n".join([f"{len(lines)} releases", "", *lines, ""])


def _ids(records: list[Record]) -> str:
    named = ", ".join(record.id for record in records[:_MOST_NAMED])
    more = len(records) - _MOST_NAMED
    return f"{named} and {more} older ones" if more > 0 else named


def _others(records: list[Record], stack: str) -> str:
    stacks = sorted({record.stack for record in records} - {stack})
    return f"; there are releases of {', '.join(stacks)}" if stacks else ", nor of any other"
