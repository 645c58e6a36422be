"""Real repositories: a clone in which a lock changes, and the bare one that it came from."""

import subprocess
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.release.prepare import Desk, Message, Prepared, Way
from model_store import Lock, LockedService, read_lock, write_lock
from tests.unit.delivery.release.releases import clone, git, model, origin

_MESSAGE = Message("prod: digits v1 -> v2", ["reason: more accurate", "digits: metric accuracy: 0.97"])
_LOCK = "locks/prod.json"


def locked(**versions: int) -> Lock:
    return Lock(services={name: LockedService(model=model(version, name)) for name, version in versions.items()})


def somebodys(tmp_path: Path, name: str) -> Path:
    """A clone whose commits are somebody's, on machines too where nobody has told git who they are."""
    made = clone(tmp_path / "origin.git", name)
    git(made, "config", "user.name", "Ada")
    git(made, "config", "user.email", "ada@example.com")
    return made


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone with a lock that is committed and pushed."""
    origin(tmp_path)
    made = somebodys(tmp_path, "clone")
    write_lock(made / _LOCK, locked(digits=1))
    git(made, "add", _LOCK)
    git(made, "commit", "--quiet", "--message", "the lock")
    git(made, "push", "--quiet", "origin", "HEAD:main")
    return made


def changed(checkout: Path, way: Way, branch: str = "promote", version: int = 2) -> tuple[Desk, Prepared]:
    """A promotion of digits, committed in a way."""
    desk = Desk(checkout / _LOCK, way)
    write_lock(checkout / _LOCK, locked(digits=version))
    return desk, desk.commit(_MESSAGE, ["digits"], branch)


def refusal(checkout: Path, way: Way) -> str:
    with pytest.raises(DeliveryError) as error:
        Desk(checkout / _LOCK, way)
    return str(error.value)


def test_a_commit_has_the_lock_and_nothing_else(checkout: Path):
    (checkout / "other").write_text("somebody is at work")
    git(checkout, "add", "other")
    _, prepared = changed(checkout, Way(commit=True))
    assert prepared == Prepared(commit=git(checkout, "rev-parse", "HEAD"), branch="main")
    assert git(checkout, "show", "--name-only", "--format=%an: %B", "HEAD").splitlines() == [
        "Ada: prod: digits v1 -> v2",
        "",
        "- reason: more accurate",
        "- digits: metric accuracy: 0.97",
        "",
        "",
        _LOCK,
    ]
    assert git(checkout, "status", "--porcelain") == "A  other", "what was staged is staged still"


def test_the_first_lock_of_a_stack_is_committed_too(checkout: Path):
    desk = Desk(checkout / "locks" / "dev.json", Way(commit=True))
    write_lock(checkout / "locks" / "dev.json", locked(digits=1))
    desk.commit(_MESSAGE, ["digits"], "promote")
    assert git(checkout, "show", "--name-only", "--format=", "HEAD") == "locks/dev.json"


@pytest.mark.parametrize("folder", [True, False])
def test_a_branch_leaves_the_checkout_as_it_was(checkout: Path, folder: bool):
    """Somebody may be at work in it."""
    lock = checkout / ("locks" if folder else "elsewhere") / ("prod.json" if folder else "dev.json")
    (checkout / "other").write_text("somebody is at work")
    git(checkout, "add", "other")
    head, before = git(checkout, "rev-parse", "HEAD"), lock.read_bytes() if lock.exists() else None
    desk = Desk(lock, Way(branch="to-prod"))
    write_lock(lock, locked(digits=2))
    prepared = desk.commit(_MESSAGE, ["digits"], "unused")
    assert prepared.branch == "to-prod"
    assert (lock.read_bytes() if lock.exists() else None) == before
    assert git(checkout, "status", "--porcelain") == "A  other"
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "branch", "--show-current")) == (head, "main")
    assert git(checkout, "rev-parse", "to-prod^") == head
    assert git(checkout, "diff", "--name-only", "main", "to-prod") == lock.relative_to(checkout).as_posix()
    assert git(checkout, "log", "-1", "--format=%s", "to-prod") == "prod: digits v1 -> v2"
    desk.switch(prepared)
    assert read_lock(lock) == locked(digits=2), "what is deployed from here is what was committed"


def test_a_detached_head_is_committed_on(checkout: Path):
    git(checkout, "checkout", "--quiet", "--detach")
    assert changed(checkout, Way(commit=True))[1].branch == ""


def test_without_a_wish_nothing_is_committed():
    assert not Way().wanted
    with pytest.raises(DeliveryError) as error:
        Way(commit=True, pull_request=True)
    assert str(error.value) == "--commit commits on the branch that is checked out; give it, or --branch, or --pull-request"


def test_no_repository(tmp_path: Path):
    assert refusal(tmp_path, Way(commit=True)).startswith(f"{tmp_path} is in no git repository that git reads, so nothing can be committed: fatal: not a git")


def test_no_commit_yet(tmp_path: Path):
    git(tmp_path, "init", "--quiet", "new")
    assert refusal(tmp_path / "new", Way(commit=True)) == f"{tmp_path / 'new'} has no commit yet; make the first one, or leave the lock uncommitted"


def test_a_lock_that_git_does_not_keep(checkout: Path):
    (checkout / ".gitignore").write_text("locks/local.json\n")
    with pytest.raises(DeliveryError) as error:
        Desk(checkout / "locks" / "local.json", Way(commit=True))
    assert str(error.value) == "locks/local.json is not kept in this repository (.gitignore), so it cannot be committed"


def test_a_lock_with_somebody_s_changes(checkout: Path):
    (checkout / _LOCK).write_text("half an edit")
    assert refusal(checkout, Way(branch="x")) == f"{_LOCK} has changes that no commit has; commit them first, or take them back: git restore {_LOCK}"


def test_nobody_knows_who_commits(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    git(checkout, "config", "--unset", "user.name")
    git(checkout, "config", "--unset", "user.email")
    git(checkout, "config", "user.useConfigOnly", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert refusal(checkout, Way(commit=True)).startswith("git does not know who commits; tell it: git config user.name NAME")


def test_names_of_branches(checkout: Path):
    assert refusal(checkout, Way(branch="a..b")) == "--branch was 'a..b', which git does not take for a branch's name"
    assert refusal(checkout, Way(branch="main")) == "there is a branch main already; name another with --branch, or delete it: git branch --delete --force main"


def test_a_pull_request_needs_a_remote(checkout: Path):
    git(checkout, "remote", "remove", "origin")
    assert refusal(checkout, Way(pull_request=True)).startswith("this repository has no remote origin to open a pull request at; use --branch, or add it: ")


def test_a_commit_that_a_hook_refuses(checkout: Path):
    hook = checkout / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no commits on Fridays >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(DeliveryError) as error:
        changed(checkout, Way(commit=True))
    assert str(error.value) == f"{_LOCK} is changed, but not committed: git commit: no commits on Fridays"
    assert read_lock(checkout / _LOCK) == locked(digits=2)


@pytest.mark.parametrize("way", [Way(commit=True), Way(branch="to-prod")])
def test_somebody_else_s_change_is_neither_committed_nor_lost(checkout: Path, way: Way):
    desk = Desk(checkout / _LOCK, way)
    write_lock(checkout / _LOCK, locked(digits=2, theirs=1))
    head = git(checkout, "rev-parse", "HEAD")
    with pytest.raises(DeliveryError) as error:
        desk.commit(_MESSAGE, ["digits"], "promote")
    assert str(error.value) == (
        f"{_LOCK} is changed, but not committed: another command has changed theirs there at the same time; look at `git diff` and commit by hand"
    )
    assert git(checkout, "rev-parse", "HEAD") == head
    assert read_lock(checkout / _LOCK) == locked(digits=2, theirs=1)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """A forge; says which pull requests were opened."""
    asked: list[tuple[str, str, str]] = []

    def open_pull_request(_checkout: Path, branch: str, title: str, body: str) -> str:
        asked.append((branch, title, body))
        return "https://forge.example.com/pull/7"

    monkeypatch.setattr("delivery.forge.proposing.open_pull_request", open_pull_request)
    return asked


def proposed(checkout: Path, version: int = 2) -> Prepared:
    desk, prepared = changed(checkout, Way(pull_request=True), version=version)
    return desk.publish(prepared, _MESSAGE)


def test_a_pull_request_is_opened_from_a_pushed_branch(checkout: Path, opened: list[tuple[str, str, str]]):
    prepared = proposed(checkout)
    assert prepared.url == "https://forge.example.com/pull/7"
    assert prepared.as_json() == {"commit": prepared.commit, "branch": "promote", "pull_request": prepared.url}
    assert opened == [("promote", "prod: digits v1 -> v2", "- reason: more accurate\n- digits: metric accuracy: 0.97")]
    assert git(checkout, "ls-remote", "origin", "refs/heads/promote").split()[0] == prepared.commit
    assert git(checkout, "status", "--porcelain") == ""


def test_a_newer_proposal_takes_the_place_of_the_older_one(checkout: Path, opened: list[tuple[str, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As a pipeline makes it with every merge, each time in a new clone, or in an old one."""
    first = proposed(checkout)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01T00:00:00Z")
    same = proposed(checkout)
    assert git(checkout, "ls-remote", "origin", "refs/heads/promote").split()[0] == first.commit != same.commit, "one that says the same stays"
    other = somebodys(tmp_path, "other")
    newest = proposed(other, version=3)
    assert git(checkout, "ls-remote", "origin", "refs/heads/promote").split()[0] == newest.commit
    assert git(other, "rev-list", "--count", "origin/main..promote") == "1"
    assert len(opened) == 3


def test_a_branch_with_other_people_s_work_is_left_alone(checkout: Path, opened: list[tuple[str, str, str]], tmp_path: Path):
    proposed(checkout)
    other = somebodys(tmp_path, "other")
    git(other, "switch", "--quiet", "promote")
    (other / "more").write_text("a review's answer")
    git(other, "add", "more")
    git(other, "commit", "--quiet", "--message", "more")
    git(other, "push", "--quiet", "origin", "promote")
    theirs = git(other, "rev-parse", "HEAD")
    with pytest.raises(DeliveryError) as error:
        proposed(checkout, version=3)
    assert str(error.value) == (
        f"the branch promote has the commit here, but it is not on origin: that branch has more there than a changed {_LOCK}; "
        "merge or delete it, or name another with --branch"
    )
    assert git(checkout, "ls-remote", "origin", "refs/heads/promote").split()[0] == theirs
    assert len(opened) == 1
    taken = "there is a branch promote already; name another with --branch, or delete it: git branch --delete --force promote"
    assert refusal(other, Way(pull_request=True, branch="promote")) == taken, "it is checked out"
    git(other, "switch", "--quiet", "main")
    assert refusal(other, Way(pull_request=True, branch="promote")) == taken, "it has more than a lock"


def test_the_remote_is_gone(checkout: Path, opened: list[tuple[str, str, str]], tmp_path: Path):
    (tmp_path / "origin.git").rename(tmp_path / "away")
    with pytest.raises(DeliveryError, match=r"^the branch promote has the commit here, but it is not on origin: .*origin\.git.* does not appear to be a git"):
        proposed(checkout)
    assert opened == []
    assert git(checkout, "show", "--name-only", "--format=", "promote") == _LOCK


def test_a_forge_that_refuses(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> str:
        raise DeliveryError("GitHub refuses it: the token needs pull-requests: write")

    monkeypatch.setattr("delivery.forge.proposing.open_pull_request", refuse)
    with pytest.raises(DeliveryError) as error:
        proposed(checkout)
    assert str(error.value) == "origin has the branch promote, but there is no pull request yet: GitHub refuses it: the token needs pull-requests: write"


def test_a_signed_repository_gets_signed_commits(checkout: Path):
    """A forge may refuse others."""
    signer = checkout / "signer"
    signer.write_text(
        '#!/bin/sh\ncat > /dev/null\necho "[GNUPG:] SIG_CREATED " >&2\necho "-----BEGIN PGP SIGNATURE-----"\necho "-----END PGP SIGNATURE-----"\n'
    )
    signer.chmod(0o755)
    git(checkout, "config", "gpg.program", str(signer))
    git(checkout, "config", "commit.gpgSign", "true")
    _, prepared = changed(checkout, Way(branch="to-prod"))
    assert "gpgsig -----BEGIN PGP SIGNATURE-----" in git(checkout, "cat-file", "commit", prepared.commit)


def test_nothing_of_git_stays_behind(checkout: Path, tmp_path: Path):
    changed(checkout, Way(branch="to-prod"))
    assert subprocess.run(["git", "fsck", "--strict"], cwd=checkout, capture_output=True, check=False).returncode == 0
    assert sorted(path.name for path in (checkout / "locks").iterdir()) == ["prod.json"]
    assert git(checkout, "worktree", "list").count("\n") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clone", "origin.git"]
