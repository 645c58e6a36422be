"""What a plan compares with, in every state that a repository can be in."""

import subprocess
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.plan.revisions import Base, extract, find_base


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        return subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name: str, content: str = "x") -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", name)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def message(folder: Path, revision: str | None = None) -> str:
    with pytest.raises(DeliveryError) as raised:
        find_base(folder, revision)
    return str(raised.value)


def test_where_a_branch_left_main(repository: Repository):
    start = repository.commit("a")
    repository.git("switch", "--quiet", "--create", "change")
    repository.commit("b")
    repository.git("switch", "--quiet", "main")
    repository.commit("c")
    repository.git("switch", "--quiet", "change")
    assert find_base(repository.folder, None) == Base(start, f"{start[:7]} (merge base with main)")


def test_the_remote_s_main_goes_before_one_s_own(repository: Repository):
    start = repository.commit("a")
    repository.git("update-ref", "refs/remotes/origin/main", start)
    repository.commit("b")
    assert find_base(repository.folder, None) == Base(start, f"{start[:7]} (merge base with origin/main)")


@pytest.mark.parametrize("name", ["main", "v1", "HEAD~1", "full"])
def test_any_revision_can_be_named(repository: Repository, name: str):
    first = repository.commit("a")
    repository.git("tag", "--annotate", "--message", "one", "v1")
    second = repository.commit("b")
    expected = second if name == "main" else first
    assert find_base(repository.folder, first if name == "full" else name) == Base(expected, f"{expected[:7]} ({first if name == 'full' else name})")


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    expected = f"{tmp_path} is in no git repository, so there is nothing to compare with; make it one, or plan from nothing with `--base none`"
    assert message(tmp_path) == expected
    assert message(tmp_path, "main") == expected


def test_a_repository_of_another_owner_is_told_in_git_s_words(repository: Repository, monkeypatch: pytest.MonkeyPatch):
    """As in containers, where the checkout belongs to somebody else."""
    repository.commit("a")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true")
    told = message(repository.folder)
    assert told.startswith(f"git does not read {repository.folder}; do as it says, or plan from nothing with `--base none`:\nfatal: detected dubious ownership")
    assert "git config --global --add safe.directory" in told


def test_git_is_not_there(repository: Repository, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert message(repository.folder) == "git is not installed; install it, or plan from nothing with `--base none`"


@pytest.mark.parametrize("name", ["nowhere", "--help", "HEAD:a", ""])
def test_unknown_revision(repository: Repository, name: str):
    repository.commit("a")
    assert message(repository.folder, name) == (
        f"this repository has no revision {name!r}; name a branch, tag or commit that it has, fetch it first, or plan from nothing with `--base none`"
    )


def test_no_main(repository: Repository):
    repository.commit("a")
    repository.git("branch", "--move", "main", "trunk")
    assert message(repository.folder) == (
        "this repository has neither origin/main nor main to compare with; fetch it with `git fetch origin main:refs/remotes/origin/main`, "
        "name another revision with --base, or plan from nothing with `--base none`"
    )


def test_no_commit_yet(repository: Repository):
    assert message(repository.folder).startswith("this repository has neither origin/main nor main to compare with; ")


def test_nothing_in_common(repository: Repository):
    repository.commit("a")
    repository.git("switch", "--quiet", "--orphan", "other")
    repository.commit("b")
    assert message(repository.folder) == ("HEAD and main have no commit in common here; name a revision with --base, or plan from nothing with `--base none`")


def test_a_shallow_clone_is_told_how_to_become_whole(repository: Repository, tmp_path: Path):
    repository.commit("a")
    repository.git("switch", "--quiet", "--create", "change")
    repository.commit("b")
    repository.git("switch", "--quiet", "main")
    repository.commit("c")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", "--no-single-branch", "--branch", "change", repository.folder.as_uri(), str(clone)], check=True)
    assert message(clone) == (
        "HEAD and origin/main have no commit in common here; this clone is shallow; fetch the rest with `git fetch --unshallow origin` "
        "(GitHub Actions: `fetch-depth: 0`), or plan from nothing with `--base none`"
    )


def test_the_base_s_files_come_without_a_touch_of_the_checkout(repository: Repository, tmp_path: Path):
    commit = repository.commit("sub/a", "old")
    (repository.folder / "sub" / "a").write_text("staged")
    repository.git("add", ".")
    (repository.folder / "sub" / "a").write_text("neither")
    (repository.folder / "untracked").write_text("new")
    before = repository.git("status", "--porcelain=v2", "--branch")
    extract(repository.folder, Base(commit, "x"), tmp_path / "tree")
    assert (tmp_path / "tree" / "sub" / "a").read_text() == "old"
    assert not (tmp_path / "tree" / "untracked").exists()
    assert repository.git("status", "--porcelain=v2", "--branch") == before
    assert (repository.folder / "sub" / "a").read_text() == "neither"


def test_a_project_in_a_folder_of_its_repository(repository: Repository, tmp_path: Path):
    commit = repository.commit("project/Pulumi.yaml")
    repository.commit("beside")
    extract(repository.folder / "project", Base(commit, "x"), tmp_path / "tree")
    assert [path.name for path in (tmp_path / "tree").iterdir()] == ["Pulumi.yaml"]


def test_a_commit_that_git_cannot_read(repository: Repository, tmp_path: Path):
    repository.commit("a")
    with pytest.raises(DeliveryError, match=r"^git cannot read the base: .*not a tree object"):
        extract(repository.folder, Base("0" * 40, "the base"), tmp_path / "tree")


def test_a_folder_that_the_base_did_not_have(repository: Repository, tmp_path: Path):
    commit = repository.commit("a")
    (repository.folder / "project").mkdir()
    with pytest.raises(DeliveryError, match=r"^git cannot read the base: "):
        extract(repository.folder / "project", Base(commit, "the base"), tmp_path / "tree")
