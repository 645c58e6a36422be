"""git as everything here runs it."""

import time
from pathlib import Path

import pytest

from delivery.git import NO_ANSWER, Git, GitError, GitMissingError, without_credentials


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("unable to access 'https://ada:s3cret@example.com/a.git/'", "unable to access 'https://***@example.com/a.git/'"),
        ("https://ghs_token@example.com/a", "https://***@example.com/a"),
        ("https://ada:p@ss@example.com/a", "https://***@example.com/a"),
        ("ssh://git@example.com/a", "ssh://***@example.com/a"),
        ("git@example.com: Permission denied (publickey).", "git@example.com: Permission denied (publickey)."),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("two: http://a:b@c/ https://d:e@f/", "two: http://***@c/ https://***@f/"),
    ],
)
def test_credentials_are_masked(said: str, shown: str):
    assert without_credentials(said) == shown


def test_what_git_says_is_masked(tmp_path: Path):
    with pytest.raises(GitError) as raised:
        Git(tmp_path).tell("ls-remote", "https://ada:s3cret@127.0.0.1:1/a.git")
    assert str(raised.value).startswith("git ls-remote: fatal: unable to access 'https://")
    assert "s3cret" not in str(raised.value)


def test_git_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitMissingError, match=r"^git is not installed; install it$"):
        Git(tmp_path).run("version")


def test_its_language_is_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    assert Git(tmp_path, ("alias.x=!echo $LC_ALL $GIT_TERMINAL_PROMPT",)).tell("x") == "C 0"


def test_settings_go_before_the_repository_s(tmp_path: Path):
    Git(tmp_path).tell("init", "--quiet")
    Git(tmp_path).tell("config", "user.name", "repository")
    assert Git(tmp_path, ("user.name=ours",)).tell("config", "--get", "user.name") == "ours"


def test_no_answer_ends_git_and_what_it_has_started(tmp_path: Path):
    """A helper that went on would hold the pipe, and the answer would come when it ends."""
    began = time.monotonic()
    answer = Git(tmp_path, ("alias.x=!sleep 60; :",)).run("x", seconds=0.2)
    assert (answer.code, answer.errors) == (NO_ANSWER, "fatal: no answer within 0.2 s")
    assert time.monotonic() - began < 30


def test_there_is_no_terminal_to_ask_at(tmp_path: Path):
    assert Git(tmp_path, ("alias.x=!: < /dev/tty",)).run("x").code != 0


def test_an_answer_is_what_git_wrote_byte_by_byte(tmp_path: Path):
    git = Git(tmp_path)
    git.tell("init", "--quiet")
    content = b"\x00\xff\r\n x \n"
    name = git.tell("hash-object", "-w", "--stdin", stdin=content)
    assert git.run("cat-file", "blob", name).output == content
    assert git.ask("rev-parse", "--verify", "--quiet", "nothing") is None
