"""The branch `releases` of a repository, read and written without a touch of the checkout, its index and its other branches."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.git import Answer, Git, GitError

NAME = "releases"
_LOCAL = f"refs/heads/{NAME}"
_PLAIN_FILE = "100644"
_ALONE = ("--quiet", "--no-tags", "--no-prune", "--no-recurse-submodules", "--no-write-fetch-head")
_FETCH_SECONDS = 30.0
_PUSH_SECONDS = 60.0
_NOBODY = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in (("NAME", "converge"), ("EMAIL", "converge@localhost"))}
# What git and forges say of a push that only came at the wrong moment. Everything else that is refused will be refused again.
_LOST_A_RACE = ("[rejected]", "cannot lock ref", ".lock': File exists", "failed to update ref", "incorrect old value", "reference already exists")
_NAME_TAKEN = f"cannot create '{_LOCAL}'"
_NOISE = ("hint:", "error: failed to push some refs", "To ")
_ALWAYS_SAID = ("fatal: Could not read from remote repository", "Please make sure you have the correct access rights", "and the repository exists")
# A user's settings that would write beside the temporary index, start work in the background, or change what is in a commit.
_SETTINGS = ("core.splitIndex=false", "core.fsmonitor=false", "gc.auto=0", "maintenance.auto=false", "i18n.commitEncoding=UTF-8")


class AgainError(DeliveryError):
    """Another try may do it.

    Attributes:
        tries: after how many it is enough.
    """

    def __init__(self, reason: str, tries: int) -> None:
        super().__init__(reason)
        self.tries = tries


class MovedError(AgainError):
    """Somebody else's commit came first, or holds a lock."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"others were first each time: {reason}", tries=40)


class UnansweredError(AgainError):
    """The remote was not reached, or did not answer as git expects."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, tries=3)


class RefusedError(DeliveryError):
    """The remote was reached, and does not take it."""


@dataclass(frozen=True)
class Branch:
    """The branch.

    Attributes:
        remote: where it is shared; without one the repository's own branch is all there is.
        own_folder: a folder of ours in the repository, the same one for all its worktrees.
        partial: this clone leaves files out until somebody reads them.
        shallow: this clone has the newest commits only, as pipelines do.
    """

    git: Git
    remote: str | None
    own_folder: Path
    partial: bool
    shallow: bool

    @classmethod
    def of(cls, checkout: Path, remote: str) -> "Branch":
        """The branch of the repository of a folder; raises DeliveryError when it is in none."""
        git = Git(checkout, _SETTINGS)
        asked = git.run("rev-parse", "--git-common-dir")
        if asked.code and "not a git repository" in asked.errors:
            raise DeliveryError(f"{checkout} is in no git repository, and releases are recorded in one; run it in a clone of the project")
        if asked.code:
            raise DeliveryError(f"git does not read {checkout}; do as it says:\n{asked.errors.strip()}")
        shared = git.ask("config", "--get", f"remote.{remote}.url") is not None
        partial = git.ask("config", "--type=bool", "--get", f"remote.{remote}.promisor") == "true"
        shallow = git.ask("rev-parse", "--is-shallow-repository") == "true"
        return cls(git, remote if shared else None, (checkout / asked.text).resolve() / "converge", partial, shallow)

    @property
    def _tracking(self) -> str:
        return f"refs/remotes/{self.remote}/{NAME}" if self.remote else _LOCAL

    def fetch(self) -> None:
        """Brings what the remote has. A remote without the branch is one that nobody has released from yet.

        Raises:
            AgainError: another process of this clone does the same, or the remote did not answer.
        """
        if self.remote is None:
            return
        depth = ("--depth", "1") if self.shallow else ()
        answer = self.git.run("fetch", *_ALONE, *depth, self.remote, f"+{_LOCAL}:{self._tracking}", seconds=_FETCH_SECONDS)
        if answer.code and "couldn't find remote ref" not in answer.errors.casefold():
            raise _failure(answer, answer.errors)
        if self.partial:
            self._fetch_left_out(self.remote)

    def _fetch_left_out(self, remote: str) -> None:
        """In a clone that has left files out git would fetch each record by itself when it is read."""
        if (tip := self.tip()) is None:
            return
        listed = self.git.tell("rev-list", "--objects", "--no-walk", "--missing=print", tip).splitlines()
        if wanted := [line.removeprefix("?") for line in listed if line.startswith("?")]:
            answer = self.git.run("fetch", *_ALONE, "--no-filter", "--stdin", remote, stdin="\n".join([*wanted, ""]).encode(), seconds=_FETCH_SECONDS)
            if answer.code:
                raise _failure(answer, answer.errors)

    def tip(self) -> str | None:
        """The newest commit that is known; None before the first."""
        # A laptop's own branch goes along when the repository gets a remote.
        names = dict.fromkeys((self._tracking, _LOCAL))
        return next((commit for name in names if (commit := self.git.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"))), None)

    def blobs(self, commit: str | None) -> dict[str, str]:
        """Path and object of every file of a commit."""
        if commit is None:
            return {}
        lines = self.git.tell("ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
        entries = (line.split("\t", 1) for line in lines if line)
        return {path: words.split()[2] for words, path in entries}

    def contents(self, objects: Sequence[str]) -> Iterator[bytes | None]:
        """What each object holds; None for one that git does not have."""
        output = self.git.run("cat-file", "--batch", stdin="\n".join([*objects, ""]).encode()).output if objects else b""
        start = 0
        for _ in objects:
            end = output.find(b"\n", start)
            words = output[start:end].split()
            if end < 0 or words[-1:] == [b"missing"]:
                yield None
                start = end + 1 if end >= 0 else len(output)
                continue
            size = int(words[2])
            yield output[end + 1 : end + 1 + size]
            start = end + 1 + size + 1

    def commit(self, parent: str | None, files: Mapping[str, bytes], message: str) -> str:
        """Makes a commit that nothing points at yet: the parent's files, and these; raises GitError."""
        lines = [f"{_PLAIN_FILE} {self._store(content)}\t{path}\n" for path, content in files.items()]
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.git.tell("read-tree", parent or "--empty", environment=index)
            self.git.tell("update-index", "--index-info", stdin="".join(lines).encode(), environment=index)
            tree = self.git.tell("write-tree", environment=index)
        arguments = ("commit-tree", tree, *(("-p", parent) if parent else ()))
        try:
            # Without this setting git makes up a person from the machine's name, or does not, as it likes.
            return Git(self.git.folder, (*self.git.settings, "user.useConfigOnly=true")).tell(*arguments, stdin=message.encode())
        except GitError:
            return self.git.tell(*arguments, stdin=message.encode(), environment=_NOBODY)

    def _store(self, content: bytes) -> str:
        return self.git.tell("hash-object", "-w", "--stdin", stdin=content)

    def advance(self, parent: str | None, commit: str) -> None:
        """Makes a commit the branch's newest, if the parent still is.

        Raises:
            AgainError: somebody else was first, or the remote did not answer.
            RefusedError: the remote does not take it.
        """
        if self.remote is None:
            answer = self.git.run("update-ref", "-m", "converge: release", _LOCAL, commit, parent or "0" * len(commit))
            if answer.code:
                raise _failure(answer, _LOST_A_RACE[0] + answer.errors)
            return
        alone = ("--no-verify", "--no-signed", "--no-follow-tags", "--no-recurse-submodules")
        answer = self.git.run("push", "--porcelain", *alone, self.remote, f"{commit}:{_LOCAL}", seconds=_PUSH_SECONDS)
        if answer.code == 0:
            # git does it only for branches that the clone fetches anyway; a pipeline's often fetches one.
            self.git.tell("update-ref", self._tracking, commit)
            return
        raise _failure(answer, f"{answer.text}\n{answer.errors}")


def _failure(answer: Answer, said: str) -> DeliveryError:
    """Whether another try may help, by what git and the remote said."""
    if _NAME_TAKEN in said:
        return RefusedError(f"there are branches named {NAME}/..., beside which git can have none named {NAME}; rename them")
    reason = _reason(answer)
    if any(words in said for words in _LOST_A_RACE):
        return MovedError(reason)
    return RefusedError(reason) if "[remote rejected]" in said else UnansweredError(reason)


def _reason(answer: Answer) -> str:
    """Why it was not done, in one line: first what the remote's own checks say, since only they know."""
    lines = [line.strip() for line in answer.errors.splitlines() if line.strip()]
    told = [text for line in lines if line.startswith("remote:") and (text := line.removeprefix("remote:").strip())]
    verdict = [line.rpartition("\t")[2] for line in answer.text.splitlines() if line.startswith("!")]
    rest = [line for line in lines if not line.startswith(("remote:", *_NOISE))]
    found = told + (verdict or [line for line in rest if not line.startswith(_ALWAYS_SAID)] or rest)
    return "; ".join(dict.fromkeys(line.removeprefix("fatal: ").removeprefix("error: ") for line in found)) or f"git ended with exit code {answer.code}"
