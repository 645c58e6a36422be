"""How a changed lock gets into the repository: as a commit, on a branch of its own, or as a pull request."""

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError
from delivery.git import Git, GitError
from model_store import Lock, ModelStoreError, read_lock
from model_store.documents import parse
from model_store.lock import exclusive

_REMOTE = "origin"
_PUSH_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Way:
    """What a user asked for; nothing of it leaves the changed lock in the working tree.

    Attributes:
        commit: on the branch that is checked out.
        branch: name of a new branch; the checkout stays where it is.
        pull_request: from that branch, or from one that is named after what it brings.
    """

    commit: bool = False
    branch: str = ""
    pull_request: bool = False

    def __post_init__(self) -> None:
        if self.commit and (self.branch or self.pull_request):
            raise DeliveryError("--commit commits on the branch that is checked out; give it, or --branch, or --pull-request")

    @property
    def wanted(self) -> bool:
        """Whether anything is to be committed."""
        return self.commit or self.aside

    @property
    def aside(self) -> bool:
        """Whether the commit goes to another branch than the one that is checked out."""
        return bool(self.branch) or self.pull_request


@dataclass(frozen=True)
class Message:
    """What a commit and a pull request say.

    Attributes:
        title: one line.
        lines: everything else.
    """

    title: str
    lines: Sequence[str] = ()

    @property
    def body(self) -> str:
        """The lines as a list."""
        return "\n".join(f"- {line}" for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What was made.

    Attributes:
        branch: that has the commit; empty when HEAD is on none.
        url: of the pull request; empty when there is none.
    """

    commit: str
    branch: str
    url: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"commit": self.commit, "branch": self.branch or None, "pull_request": self.url or None}


class Desk:
    """A repository in which a lock is about to change."""

    def __init__(self, lock: Path, way: Way) -> None:
        """Looks whether it will be possible, before anything is changed.

        Raises:
            DeliveryError: it will not; says why, and what to do.
        """
        self._way = way
        self._lock = lock.absolute()
        existing = next(folder for folder in self._lock.parents if folder.is_dir())
        top = Git(existing).run("rev-parse", "--show-toplevel")
        if top.code:
            raise DeliveryError(f"{existing} is in no git repository that git reads, so nothing can be committed: {' '.join(top.errors.split())}")
        self._git = Git(Path(top.text))
        self._path = (existing.resolve() / self._lock.relative_to(existing)).relative_to(Path(top.text).resolve()).as_posix()
        self._before = self._lock.read_bytes() if self._lock.exists() else None
        self._check()

    def commit(self, message: Message, services: Collection[str], branch: str) -> Prepared:
        """Commits the changed lock and nothing else.

        Args:
            services: whose entries in the lock are ours.
            branch: name of the branch when the user gave none.

        Raises:
            DeliveryError: git refused, or somebody else has changed the lock, too; it stays changed, and the text says so.
        """
        try:
            with exclusive(self._lock):
                self._check_ours(services)
                return self._aside(message, self._way.branch or branch) if self._way.aside else self._here(message)
        except (GitError, ModelStoreError) as error:
            raise DeliveryError(f"{self._path} is changed, but not committed: {error}") from error

    def switch(self, prepared: Prepared) -> None:
        """Checks out the branch, so that what is deployed from here is what was committed; raises DeliveryError."""
        if self._way.aside:
            self._git.tell("switch", "--quiet", prepared.branch)

    def publish(self, prepared: Prepared, message: Message) -> Prepared:
        """Opens the pull request, if one is wanted.

        Raises:
            DeliveryError: it could not be opened; the commit is there, and the text says how to go on.
        """
        if not self._way.pull_request:
            return prepared
        branch = prepared.branch
        try:
            self._push(prepared)
        except GitError as error:
            raise DeliveryError(f"the branch {branch} has the commit here, but it is not on {_REMOTE}: {error}") from error
        from delivery.forge import open_pull_request  # noqa: PLC0415 - brings HTTP

        try:
            url = open_pull_request(self._git.folder, branch, message.title, message.body)
        except DeliveryError as error:
            raise DeliveryError(f"{_REMOTE} has the branch {branch}, but there is no pull request yet: {error}") from error
        return Prepared(commit=prepared.commit, branch=branch, url=url)

    def _check(self) -> None:
        if self._git.ask("rev-parse", "--verify", "--quiet", "HEAD") is None:
            raise DeliveryError(f"{self._git.folder} has no commit yet; make the first one, or leave the lock uncommitted")
        if self._git.run("check-ignore", "--quiet", "--", self._path).code == 0:
            raise DeliveryError(f"{self._path} is not kept in this repository (.gitignore), so it cannot be committed")
        if self._git.tell("status", "--porcelain", "--", self._path):
            raise DeliveryError(f"{self._path} has changes that no commit has; commit them first, or take them back: git restore {self._path}")
        if self._git.ask("var", "GIT_COMMITTER_IDENT") is None:
            raise DeliveryError("git does not know who commits; tell it: git config user.name NAME && git config user.email ADDRESS")
        if self._way.branch:
            self._check_branch(self._way.branch)
        if self._way.pull_request and self._git.ask("remote", "get-url", _REMOTE) is None:
            raise DeliveryError(f"this repository has no remote {_REMOTE} to open a pull request at; use --branch, or add it: git remote add {_REMOTE} URL")

    def _check_branch(self, name: str) -> None:
        if self._git.ask("check-ref-format", "--branch", name) is None:
            raise DeliveryError(f"--branch was {name!r}, which git does not take for a branch's name")
        there = self._git.ask("rev-parse", "--verify", "--quiet", f"refs/heads/{name}")
        # That of a pull request is a proposal, which a newer one takes the place of.
        replaceable = self._way.pull_request and name != self._git.ask("branch", "--show-current")
        if there and not (replaceable and self._is_proposal(there)):
            raise DeliveryError(f"there is a branch {name} already; name another with --branch, or delete it: git branch --delete --force {name}")

    def _is_proposal(self, commit: str) -> bool:
        """Whether all that a branch brings is a changed lock."""
        base = self._git.ask("merge-base", "HEAD", commit)
        return base is not None and set(self._git.tell("diff", "--name-only", base, commit).splitlines()) <= {self._path}

    def _push(self, prepared: Prepared) -> None:
        """Pushes the branch in place of an earlier proposal of that name; one that says the same stays, with what was said about it."""
        ref = f"refs/heads/{prepared.branch}"
        answer = self._git.run("ls-remote", _REMOTE, ref, seconds=_PUSH_SECONDS)
        if answer.code:
            raise GitError(" ".join(answer.errors.split()))
        there = answer.text.partition("\t")[0]
        if there:
            self._git.tell("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", _REMOTE, ref)
            if not self._is_proposal(there):
                raise GitError(f"that branch has more there than a changed {self._path}; merge or delete it, or name another with --branch")
            if self._git.ask("rev-parse", f"{there}:{self._path}") == self._git.tell("rev-parse", f"{prepared.commit}:{self._path}"):
                return
        pushed = self._git.run("push", "--quiet", f"--force-with-lease={ref}:{there}", _REMOTE, f"{prepared.commit}:{ref}", seconds=_PUSH_SECONDS)
        if pushed.code:
            raise GitError(" ".join(pushed.errors.split()))

    def _check_ours(self, services: Collection[str]) -> None:
        before = parse(Lock, self._before, self._path).services if self._before else {}
        now = read_lock(self._lock).services
        theirs = sorted(name for name in before.keys() | now.keys() if name not in services and before.get(name) != now.get(name))
        if theirs:
            raise GitError(f"another command has changed {', '.join(theirs)} there at the same time; look at `git diff` and commit by hand")

    def _here(self, message: Message) -> Prepared:
        self._git.tell("add", "--", self._path)
        # Whatever else is staged stays staged.
        self._git.tell("commit", "--quiet", "--only", *_words(message), "--", self._path)
        return Prepared(commit=self._git.tell("rev-parse", "HEAD"), branch=self._git.tell("branch", "--show-current"))

    def _aside(self, message: Message, branch: str) -> Prepared:
        """A commit on top of HEAD without touching index or checkout, in which somebody may be at work; the lock there is again what it was."""
        self._check_branch(branch)
        blob = self._git.tell("hash-object", "-w", "--path", self._path, "--", str(self._lock))
        with tempfile.TemporaryDirectory(prefix="converge-index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git.tell("read-tree", "HEAD", environment=index)
            self._git.tell("update-index", "--add", "--cacheinfo", f"100644,{blob},{self._path}", environment=index)
            tree = self._git.tell("write-tree", environment=index)
        signed = ["-S"] if self._git.ask("config", "--type=bool", "commit.gpgSign") == "true" else []
        commit = self._git.tell("commit-tree", *signed, *_words(message), "-p", "HEAD", tree)
        # Git refuses it where somebody has the branch checked out.
        self._git.tell("branch", "--no-track", *(["--force"] if self._way.pull_request else []), branch, commit)
        if self._before is None:
            self._lock.unlink()
        else:
            self._lock.write_bytes(self._before)
        return Prepared(commit=commit, branch=branch)


def _words(message: Message) -> list[str]:
    return [part for text in (message.title, message.body) if text for part in ("-m", text)]
