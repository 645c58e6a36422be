"""The ledger on real repositories, in every state that a clone and its remote can be in."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.release.branch import Branch
from delivery.release.files import path_of
from delivery.release.ledger import Ledger, Patience, Written
from delivery.release.readme import render
from delivery.release.record import Outcome, Record
from model_store.documents import to_json
from tests.unit.delivery.release.releases import BEGAN, clone, files, git, is_linear, ledger, origin, release, service

BeforePush = Callable[[Callable[[], object]], list[int]]
ID = "20261124T231847Z"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return origin(tmp_path)


@pytest.fixture
def checkout(bare: Path) -> Path:
    return clone(bare, "clone")


@pytest.fixture
def opened(checkout: Path) -> Ledger:
    return ledger(checkout)


def content(bare: Path, record: Record) -> str:
    return git(bare, "show", f"releases:{path_of(record)}") + "\n"


def everything(checkout: Path) -> tuple[object, ...]:
    """What a write must not touch."""
    status = git(checkout, "status", "--porcelain=v2", "--branch", "--untracked-files=all")
    branches = git(checkout, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags", "refs/remotes/origin/main", "refs/stash")
    fetched = checkout / ".git" / "FETCH_HEAD"
    return status, branches, (checkout / ".git" / "HEAD").read_text(), git(checkout, "ls-files", "--stage", "--debug"), fetched.exists()


def break_file(bare: Path, path: str, text: str) -> None:
    """As somebody with an editor does it on the branch."""
    folder = clone(bare, "editor", "--branch", "releases")
    (folder / path).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "by hand")
    git(folder, "push", "--quiet", "origin", "releases")


def protect(bare: Path, words: str) -> Path:
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho '{words}'\nexit 1\n")
    hook.chmod(0o755)
    return hook


class TestWriting:
    def test_the_first_record_makes_the_branch(self, bare: Path, opened: Ledger):
        assert opened.write(release()) == Written(release(), pushed=True)
        assert files(bare) == ["README.md", f"dev/{ID}.json"]
        assert content(bare, release()).encode() == to_json(release())
        assert git(bare, "show", "releases:README.md") + "\n" == render([release()])
        assert is_linear(bare)
        assert git(bare, "log", "--format=%B", "releases").strip() == f"dev {ID}: succeeded"
        assert opened.kept.records() == ([], {})

    def test_what_was_written_stays_as_it_is(self, bare: Path, opened: Ledger):
        opened.write(release())
        opened.write(release(5, stack="prod", outcome=Outcome.FAILED, reason="no"))
        assert files(bare) == ["README.md", f"dev/{ID}.json", "prod/20261124T232347Z.json"]
        assert content(bare, release()).encode() == to_json(release())
        assert is_linear(bare)

    def test_checkout_index_and_branches_stay_as_they_are(self, checkout: Path, opened: Ledger):
        (checkout / "file").write_text("changed")
        (checkout / "new").write_text("staged")
        git(checkout, "add", "new")
        (checkout / "untracked").write_text("x")
        git(checkout, "tag", "v1")
        before = everything(checkout)
        opened.write(release())
        opened.records()
        assert everything(checkout) == before
        assert git(checkout, "branch", "--list").split() == ["*", "main"]

    def test_the_same_again_changes_nothing(self, bare: Path, opened: Ledger):
        opened.write(release())
        before = git(bare, "rev-parse", "releases")
        assert opened.write(release()) == Written(release(), pushed=True)
        assert git(bare, "rev-parse", "releases") == before

    def test_another_of_the_same_id_gets_a_suffix(self, bare: Path, opened: Ledger):
        opened.write(release())
        written = opened.write(release(by="Grace"))
        assert (written.record.id, written.pushed) == (f"{ID}-2", True)
        assert opened.write(release(by="Grace")).record.id == f"{ID}-2"
        assert [record.by for record in opened.records()] == ["Grace", "Ada Lovelace"]
        assert content(bare, release()).encode() == to_json(release())

    def test_other_files_of_the_branch_stay(self, bare: Path, opened: Ledger):
        opened.write(release())
        break_file(bare, "page.html", "<p>")
        opened.write(release(5))
        assert files(bare) == ["README.md", f"dev/{ID}.json", "dev/20261124T232347Z.json", "page.html"]

    def test_a_branch_that_was_deleted_comes_back_with_the_next_record(self, bare: Path, opened: Ledger):
        opened.write(release())
        git(bare, "branch", "--delete", "--force", "releases")
        opened.write(release(5))
        assert files(bare) == ["README.md", f"dev/{ID}.json", "dev/20261124T232347Z.json"]

    def test_a_branch_that_was_written_anew_is_followed(self, bare: Path, opened: Ledger):
        opened.write(release(by="a secret"))
        git(bare, "branch", "--delete", "--force", "releases")
        ledger(clone(bare, "other")).write(release(by="***"))
        assert [record.by for record in opened.records()] == ["***"]


class TestWho:
    @pytest.fixture(autouse=True)
    def _nobody(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
        monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
            monkeypatch.delenv(name, raising=False)

    def author(self, bare: Path) -> str:
        return git(bare, "log", "-1", "--format=%an <%ae>, %cn <%ce>", "releases")

    def test_nobody_is_configured(self, bare: Path, opened: Ledger):
        assert opened.write(release()).pushed
        assert self.author(bare) == "converge <converge@localhost>, converge <converge@localhost>"

    def test_the_repository_s(self, bare: Path, checkout: Path, opened: Ledger):
        git(checkout, "config", "user.name", "Ada")
        git(checkout, "config", "user.email", "ada@example.com")
        assert opened.write(release()).pushed
        assert self.author(bare) == "Ada <ada@example.com>, Ada <ada@example.com>"

    def test_a_name_without_an_address_is_nobody(self, bare: Path, checkout: Path, opened: Ledger):
        git(checkout, "config", "user.name", "Ada")
        assert opened.write(release()).pushed
        assert self.author(bare).startswith("converge <")

    def test_a_user_s_settings_and_hooks_do_not_interfere(self, bare: Path, checkout: Path, opened: Ledger, tmp_path: Path):
        hooks = tmp_path / "hooks"
        hooks.mkdir()
        for name in ("pre-push", "pre-commit", "commit-msg", "post-commit"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\nexit 1\n")
            (hooks / name).chmod(0o755)
        (tmp_path / "global").write_text(
            f"[core]\nhooksPath = {hooks}\nsplitIndex = true\nautocrlf = true\n[commit]\ngpgSign = true\n[push]\ngpgSign = true\nfollowTags = true\n"
            "[gpg]\nprogram = /nowhere\n[fetch]\nprune = true\n[status]\nbranch = true\n[color]\nui = always\n[i18n]\ncommitEncoding = latin1\n"
        )
        assert opened.write(release(by="Zoë")) == Written(release(by="Zoë"), pushed=True)
        assert opened.records() == [release(by="Zoë")]
        assert "encoding" not in git(bare, "cat-file", "commit", "releases")
        assert not list(tmp_path.glob("ran-*"))
        assert not list((checkout / ".git").glob("sharedindex*"))


class TestClones:
    @pytest.mark.parametrize(
        "arguments", [("--depth", "1"), ("--depth", "1", "--no-single-branch"), ("--single-branch",), ("--filter=blob:none",), ("--no-checkout",)]
    )
    def test_a_pipeline_s(self, bare: Path, opened: Ledger, arguments: tuple[str, ...]):
        """As pipelines clone: one branch, one commit, HEAD at a commit."""
        git(bare, "config", "uploadpack.allowFilter", "true")
        opened.write(release())
        folder = clone(bare, "pipeline", *arguments)
        if "--no-checkout" not in arguments:
            git(folder, "switch", "--quiet", "--detach", "HEAD")
        pipeline = ledger(folder)
        assert pipeline.write(release(5)).pushed
        assert pipeline.records() == opened.records() == [release(5), release()]
        assert is_linear(bare)

    def test_one_of_one_commit_stays_small(self, bare: Path, opened: Ledger):
        for minute in range(3):
            opened.write(release(minute))
        folder = clone(bare, "pipeline", "--depth", "1")
        pipeline = ledger(folder)
        assert len(pipeline.records()) == 3
        assert git(folder, "rev-list", "--count", "refs/remotes/origin/releases") == "1"
        pipeline.write(release(5))
        assert git(bare, "rev-list", "--count", "releases") == "4"
        assert is_linear(bare)

    def test_one_without_files_asks_for_all_records_at_once(self, bare: Path, opened: Ledger, monkeypatch: pytest.MonkeyPatch):
        """Each of a thousand records would be fetched by itself."""
        git(bare, "config", "uploadpack.allowFilter", "true")
        opened.write(release())
        pipeline = ledger(clone(bare, "pipeline", "--filter=blob:none"))
        pipeline.branch.fetch()
        monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "none")
        assert pipeline.records() == [release()]
        assert pipeline.stale

    def test_a_worktree_shares_what_waits(self, bare: Path, checkout: Path):
        git(checkout, "worktree", "add", "--quiet", "--detach", "../worktree")
        bare.rename(bare.with_name("away"))
        ledger(bare.with_name("worktree")).write(release())
        assert ledger(checkout).kept.records() == ([release()], {})
        assert (checkout / ".git" / "converge" / "releases" / "dev" / f"{ID}.json").exists()

    def test_a_folder_below_the_checkout(self, bare: Path, checkout: Path):
        (checkout / "below").mkdir()
        assert ledger(checkout / "below").write(release()).pushed
        assert files(bare) == ["README.md", f"dev/{ID}.json"]

    def test_no_remote_means_the_branch_here(self, tmp_path: Path):
        git(tmp_path, "init", "--quiet", "--initial-branch", "main")
        opened = ledger(tmp_path)
        assert opened.write(release()) == Written(release(), pushed=True)
        assert opened.write(release(5)).pushed
        assert opened.records() == [release(5), release()]
        assert opened.stale == ""
        assert git(tmp_path, "branch", "--list", "--format=%(refname)") == "refs/heads/releases"
        assert is_linear(tmp_path)

    def test_a_remote_that_comes_later_gets_it_all(self, tmp_path: Path):
        laptop = tmp_path / "laptop"
        laptop.mkdir()
        git(laptop, "init", "--quiet")
        ledger(laptop).write(release())
        git(tmp_path, "init", "--quiet", "--bare", "origin.git")
        git(laptop, "remote", "add", "origin", str(tmp_path / "origin.git"))
        opened = ledger(laptop)
        assert opened.records() == [release()]
        assert opened.write(release(5)).pushed
        assert files(tmp_path / "origin.git") == ["README.md", f"dev/{ID}.json", "dev/20261124T232347Z.json"]

    def test_no_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        with pytest.raises(DeliveryError) as raised:
            Ledger.of(tmp_path)
        assert str(raised.value) == f"{tmp_path} is in no git repository, and releases are recorded in one; run it in a clone of the project"

    def test_a_repository_of_another_owner_is_told_in_git_s_words(self, checkout: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "true")
        with pytest.raises(DeliveryError, match=r"(?s)^git does not read .*/clone; do as it says:\nfatal: detected dubious ownership"):
            Ledger.of(checkout)

    def test_git_is_not_there(self, checkout: Path, opened: Ledger, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(DeliveryError, match=r"^git is not installed; install it$"):
            Ledger.of(checkout)
        assert opened.write(release()) == Written(release(), pushed=False, problem="git is not installed; install it")
        assert opened.kept.records() == ([release()], {})


@pytest.fixture
def before_push(monkeypatch: pytest.MonkeyPatch) -> BeforePush:
    """Lets something happen between the commit and its push; returns a list that grows with each try."""
    advance = Branch.advance

    def install(happen: Callable[[], object]) -> list[int]:
        tries: list[int] = []

        def patched(branch: Branch, parent: str | None, commit: str) -> None:
            tries.append(len(tries))
            monkeypatch.setattr(Branch, "advance", advance)
            happen()
            monkeypatch.setattr(Branch, "advance", patched)
            advance(branch, parent, commit)

        monkeypatch.setattr(Branch, "advance", patched)
        return tries

    return install


class TestOthersFirst:
    def test_a_rejected_push_is_made_anew_on_what_the_other_wrote(self, bare: Path, opened: Ledger, before_push: BeforePush):
        other = ledger(clone(bare, "other"))
        coming = [release(5, stack="prod"), release(6, stack="prod")]
        tries = before_push(lambda: coming and other.write(coming.pop(0)))
        assert opened.write(release()) == Written(release(), pushed=True)
        assert len(tries) == 3
        assert files(bare) == ["README.md", f"dev/{ID}.json", "prod/20261124T232347Z.json", "prod/20261124T232447Z.json"]
        assert git(bare, "show", "releases:README.md") + "\n" == render([release(6, stack="prod"), release(5, stack="prod"), release()])
        assert is_linear(bare)

    def test_the_other_had_the_same_id(self, bare: Path, opened: Ledger, before_push: BeforePush):
        other = ledger(clone(bare, "other"))
        coming = [release(by="Grace")]
        before_push(lambda: coming and other.write(coming.pop(0)))
        assert opened.write(release()).record.id == f"{ID}-2"
        assert content(bare, release()).encode() == to_json(release(by="Grace"))

    def test_tries_end(self, bare: Path, opened: Ledger, before_push: BeforePush):
        other = ledger(clone(bare, "other"))
        opened.patience = Patience(at_most=1, pause=0.01, longest_pause=0.02)
        numbers = iter(range(1, 1000))
        before_push(lambda: other.write(release(next(numbers), stack="prod")))
        written = opened.write(release())
        assert (written.pushed, written.problem) == (False, "others were first each time: [rejected] (fetch first)")
        assert opened.kept.records() == ([release()], {})

    def test_the_same_without_a_remote(self, tmp_path: Path, before_push: BeforePush):
        git(tmp_path, "init", "--quiet")
        coming = [release(5, stack="prod")]
        branch = Branch.of(tmp_path, "origin")

        def other() -> None:
            if coming:
                record = coming.pop()
                branch.advance(None, branch.commit(None, {path_of(record): to_json(record)}, "x"))

        before_push(other)
        assert ledger(tmp_path).write(release()).pushed
        assert files(tmp_path) == ["README.md", f"dev/{ID}.json", "prod/20261124T232347Z.json"]
        assert is_linear(tmp_path)

    def test_two_processes_in_one_clone(self, bare: Path, checkout: Path):
        with ThreadPoolExecutor(4) as pool:
            written = list(pool.map(lambda number: ledger(checkout).write(release(number % 2, by=f"person {number}")), range(4)))
        assert all(one.pushed for one in written)
        assert sorted(record.id for record in ledger(checkout).records()) == sorted(one.record.id for one in written)
        assert len({one.record.id for one in written}) == 4
        assert is_linear(bare)


class TestTrouble:
    def test_no_network_and_then_there_is(self, bare: Path, opened: Ledger):
        opened.write(release())
        bare.rename(bare.with_name("away"))
        written = [opened.write(release(5)), opened.write(release(6, stack="prod"))]
        assert [(one.pushed, one.problem) for one in written] == [(False, f"'{bare}' does not appear to be a git repository")] * 2
        assert opened.records() == [release(6, stack="prod"), release(5), release()]
        assert opened.stale == f"'{bare}' does not appear to be a git repository"
        assert set(map(path_of, opened.waiting)) == {"dev/20261124T232347Z.json", "prod/20261124T232447Z.json"}
        bare.with_name("away").rename(bare)
        assert opened.write(release(7)) == Written(release(7), pushed=True)
        assert opened.records() == [release(7), release(6, stack="prod"), release(5), release()]
        assert (opened.stale, opened.waiting, opened.kept.records()) == ("", (), ([], {}))
        assert len(files(bare)) == 5
        assert is_linear(bare)
        assert git(bare, "log", "-1", "--format=%B", "releases").splitlines() == [
            "3 releases",
            "",
            "dev 20261124T232547Z: succeeded",
            "dev 20261124T232347Z: succeeded",
            "prod 20261124T232447Z: succeeded",
        ]

    def test_what_waits_can_be_pushed_alone(self, bare: Path, opened: Ledger):
        assert opened.push_kept() == []
        bare.rename(bare.with_name("away"))
        opened.write(release())
        assert opened.push_kept() == [Written(release(), pushed=False, problem=f"'{bare}' does not appear to be a git repository")]
        bare.with_name("away").rename(bare)
        assert opened.push_kept() == [Written(release(), pushed=True)]
        assert opened.push_kept() == []
        assert files(bare) == ["README.md", f"dev/{ID}.json"]

    def test_one_that_waits_gets_its_suffix_when_its_id_was_taken_meanwhile(self, bare: Path, opened: Ledger):
        bare.rename(bare.with_name("away"))
        opened.write(release(by="Grace"))
        bare.with_name("away").rename(bare)
        ledger(clone(bare, "other")).write(release())
        assert [(record.id, record.by) for record in opened.records()] == [(f"{ID}-2", "Grace"), (ID, "Ada Lovelace")]
        assert [one.record.id for one in opened.push_kept()] == [f"{ID}-2"]
        assert opened.kept.records() == ([], {})

    def test_two_that_wait_never_get_one_id(self, bare: Path, opened: Ledger):
        bare.rename(bare.with_name("away"))
        opened.write(release(by="Grace"))
        opened.write(release(by="Barbara"))
        bare.with_name("away").rename(bare)
        ledger(clone(bare, "other")).write(release())
        assert {one.record.by: one.record.id for one in opened.push_kept()} == {"Barbara": f"{ID}-2", "Grace": f"{ID}-3"}
        assert [record.by for record in opened.records()] == ["Grace", "Barbara", "Ada Lovelace"]

    def test_what_was_pushed_is_known_without_network_in_a_clone_of_one_branch(self, bare: Path):
        pipeline = ledger(clone(bare, "pipeline", "--single-branch"))
        pipeline.write(release())
        bare.rename(bare.with_name("away"))
        assert pipeline.records() == [release()]
        assert (pipeline.waiting, bool(pipeline.stale)) == ((), True)

    def test_a_remote_that_does_not_answer_is_asked_three_times(self, bare: Path, opened: Ledger, monkeypatch: pytest.MonkeyPatch):
        fetch, tries = Branch.fetch, list[int]()
        monkeypatch.setattr(Branch, "fetch", lambda branch: (tries.append(1), fetch(branch)))
        bare.rename(bare.with_name("away"))
        opened.write(release())
        assert len(tries) == 3

    def test_no_token_is_told(self, checkout: Path, opened: Ledger):
        git(checkout, "remote", "set-url", "origin", "https://ada:s3cret@127.0.0.1:1/a.git")
        problem = opened.write(release()).problem
        opened.records()
        for text in (problem, opened.stale):
            assert text.startswith("unable to access 'https://")
            assert "s3cret" not in text

    def test_nor_one_that_the_remote_tells(self, bare: Path, opened: Ledger):
        protect(bare, "use https://ada:s3cret@example.com/ instead")
        assert opened.write(release()).problem == "use https://***@example.com/ instead; [remote rejected] (pre-receive hook declined)"

    def test_a_protected_branch_keeps_the_record_and_tells_what_the_remote_said(self, bare: Path, opened: Ledger, before_push: BeforePush):
        hook = protect(bare, "releases are frozen until Monday")
        tries = before_push(lambda: None)
        written = opened.write(release())
        assert written == Written(release(), pushed=False, problem="releases are frozen until Monday; [remote rejected] (pre-receive hook declined)")
        assert len(tries) == 1
        assert opened.kept.records() == ([release()], {})
        hook.unlink()
        assert opened.push_kept() == [Written(release(), pushed=True)]

    @pytest.mark.parametrize("shared", [True, False])
    def test_branches_named_like_folders(self, bare: Path, checkout: Path, before_push: BeforePush, shared: bool):
        git(bare if shared else checkout, "update-ref", "refs/heads/releases/1.0", "main")
        if not shared:
            git(checkout, "remote", "remove", "origin")
        tries = before_push(lambda: None)
        problem = "there are branches named releases/..., beside which git can have none named releases; rename them"
        assert ledger(checkout).write(release()) == Written(release(), pushed=False, problem=problem)
        assert len(tries) == 1

    def test_a_branch_of_somebody_else(self, bare: Path, opened: Ledger):
        git(bare, "branch", "releases", "main")
        problem = "the branch releases holds no release but file; releases are recorded on a branch of their own, so rename that one"
        assert opened.write(release()) == Written(release(), pushed=False, problem=problem)
        assert files(bare) == ["file"]
        assert opened.records() == [release()]

    @pytest.mark.parametrize("after_push", [False, True])
    def test_killed(self, bare: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, after_push: bool):
        """Between commit and push; between push and the end."""
        advance = Branch.advance

        def killed(branch: Branch, parent: str | None, commit: str) -> None:
            if after_push:
                advance(branch, parent, commit)
            os.kill(os.getpid(), signal.SIGKILL)

        def write() -> None:
            monkeypatch.setattr(Branch, "advance", killed)
            ledger(checkout).write(release())

        process = multiprocessing.get_context("fork").Process(target=write)
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        opened = ledger(checkout)
        assert opened.kept.records() == ([release()], {})
        assert opened.records() == [release()]
        assert opened.waiting == (() if after_push else (release(),))
        assert opened.write(release(5)).pushed
        assert files(bare) == ["README.md", f"dev/{ID}.json", "dev/20261124T232347Z.json"]
        assert opened.kept.records() == ([], {})

    def test_ctrl_c_goes_through_and_loses_nothing(self, opened: Ledger, before_push: BeforePush):
        def interrupt() -> None:
            raise KeyboardInterrupt

        before_push(interrupt)
        with pytest.raises(KeyboardInterrupt):
            opened.write(release())
        assert opened.push_kept() == [Written(release(), pushed=True)]

    def test_a_clone_that_keeps_nothing_says_so(self, checkout: Path, opened: Ledger):
        place = checkout / ".git" / "converge"
        place.write_text("a file")
        written = opened.write(release())
        assert not written.pushed
        assert written.record == release()
        assert written.problem.endswith(f"; nor can it be kept in this clone: [Errno 20] Not a directory: '{place}/releases/dev'")

    def test_a_disk_that_is_full_only_for_what_is_kept(self, bare: Path, opened: Ledger, monkeypatch: pytest.MonkeyPatch):
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        assert opened.write(release()) == Written(release(), pushed=True)
        assert files(bare) == ["README.md", f"dev/{ID}.json"]


class TestReading:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{", "no record: not valid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            ('{"schema_version": 3, "mood": 1}', "a newer Converge has written it (schema_version 3; this one knows 1); update this checkout to read it"),
        ],
    )
    def test_one_that_cannot_be_read_hides_no_other(self, bare: Path, opened: Ledger, text: str, reason: str):
        opened.write(release())
        opened.write(release(5))
        break_file(bare, "dev/20261124T232347Z.json", text)
        assert opened.records() == [release()]
        assert opened.unreadable == {"dev/20261124T232347Z.json": reason}
        written = opened.write(release(5))
        assert written.record.id == "20261124T232347Z-2"
        assert git(bare, "show", "releases:dev/20261124T232347Z.json") == text
        assert opened.records() == [written.record, release()]

    def test_a_copy_under_another_name(self, bare: Path, opened: Ledger):
        opened.write(release())
        break_file(bare, "dev/20261124T231848Z.json", to_json(release()).decode())
        assert opened.records() == [release()]
        assert list(opened.unreadable) == ["dev/20261124T231848Z.json"]

    def test_one_that_git_has_lost(self, checkout: Path, opened: Ledger):
        opened.write(release())
        opened.write(release(5))
        name = git(checkout, "rev-parse", f"refs/remotes/origin/releases:dev/{ID}.json")
        (checkout / ".git" / "objects" / name[:2] / name[2:]).unlink()
        again = ledger(checkout)
        assert again.records() == [release(5)]
        assert again.unreadable == {f"dev/{ID}.json": "git does not have its content"}

    def test_of_one_stack(self, opened: Ledger):
        for record in (release(), release(5, stack="prod"), release(6)):
            opened.write(record)
        assert opened.records("dev") == [release(6), release()]
        assert opened.records() == [release(6), release(5, stack="prod"), release()]
        assert opened.records("nope") == []

    def test_nothing_yet(self, opened: Ledger):
        assert (opened.records(), opened.latest("dev"), opened.at("dev", BEGAN), opened.stale) == ([], None, None, "")

    def test_what_runs_and_what_ran(self, opened: Ledger):
        for record in (
            release(),
            release(10, outcome=Outcome.FAILED, reason="x"),
            release(20, services=[service(14)]),
            release(30, outcome=Outcome.ROLLED_BACK),
        ):
            opened.write(record)
        assert opened.latest("dev") == release(20, services=[service(14)])
        assert opened.latest("prod") is None
        minutes = {-1: None, 0: None, 1: 0, 15: 0, 20: 0, 21: 20, 99: 20}
        for minute, expected in minutes.items():
            found = opened.at("dev", BEGAN + timedelta(minutes=minute))
            assert (found and found.id) == (None if expected is None else release(expected).id)

    def test_by_id_or_its_beginning(self, opened: Ledger):
        for record in (release(), release(by="Grace"), release(5)):
            opened.write(record)
        assert opened.find("dev", ID).by == "Ada Lovelace"
        assert opened.find("dev", f"{ID}-2").by == "Grace"
        assert opened.find("dev", "20261124T2323") == release(5)

    @pytest.mark.parametrize(
        ("stack", "text", "message"),
        [
            ("dev", "2026", "3 releases of dev begin with 2026: 20261124T232347Z, 20261124T231847Z-2, 20261124T231847Z; give more of the id"),
            ("dev", "x", "dev has no release 'x'; it has 20261124T232347Z, 20261124T231847Z-2, 20261124T231847Z"),
            ("dev", "", "dev has no release ''; it has 20261124T232347Z, 20261124T231847Z-2, 20261124T231847Z"),
            ("prod", "x", "no release of stack prod is recorded; there are releases of dev"),
        ],
    )
    def test_what_is_not_found_is_told_with_what_there_is(self, opened: Ledger, stack: str, text: str, message: str):
        for record in (release(), release(by="Grace"), release(5)):
            opened.write(record)
        with pytest.raises(DeliveryError) as raised:
            opened.find(stack, text)
        assert str(raised.value) == message

    def test_only_the_newest_are_named(self, opened: Ledger):
        for minute in range(12):
            opened.kept.keep(release(minute))
        with pytest.raises(DeliveryError, match=r"^dev has no release 'x'; it has 20261124T232947Z, .*, 20261124T232047Z and 2 older ones$"):
            opened.find("dev", "x")

    def test_of_nothing_at_all(self, opened: Ledger):
        with pytest.raises(DeliveryError, match=r"^no release of stack dev is recorded, nor of any other$"):
            opened.find("dev", "x")
