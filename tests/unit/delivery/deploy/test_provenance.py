"""Where a deployment comes from, on real repositories."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from delivery.deploy.provenance import Provenance, last_commit, provenance
from delivery.errors import DeliveryError

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "org/converge",
    "GITHUB_RUN_ID": "42",
    "GITHUB_API_URL": "https://api.github.example",
    "GITHUB_TOKEN": "ghs_secret",
    "GITHUB_ACTOR": "ada",
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Grace", "-c", "user.email=g@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, path: str, message: str = "A change") -> str:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(message)
    git(folder, "add", path)
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "Grace Hopper")
    commit(folder, ".gitignore", "locks/local.json")
    return folder


def found(checkout: Path, environment: Mapping[str, str] | None = None) -> Provenance:
    return provenance(checkout, "dev", environment or {})


def test_a_laptop(checkout: Path):
    lock = commit(checkout, "locks/dev.json")
    head = commit(checkout, "app_template/app/x.py")
    assert found(checkout) == Provenance(by="Grace Hopper", approved_by=None, commit=head, dirty=False, lock_commit=lock, pull_request=None, run=None)
    assert last_commit(checkout, "app_template") == head
    assert last_commit(checkout, "nothing") is None


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[tuple[str, str]]:
    asked: list[tuple[str, str]] = []

    def get(url: str, *, headers: Mapping[str, str], timeout: float) -> httpx.Response:
        asked.append((url, headers["Authorization"]))
        assert timeout <= 5
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200 if isinstance(answer, list) else 403, json=answer, request=httpx.Request("GET", url))

    monkeypatch.setattr("httpx.get", get)
    return asked


def review(login: str, state: str = "approved") -> dict[str, Any]:
    return {"state": state, "user": {"login": login}, "environments": [{"name": "prod"}]}


def test_github(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    asked = answering(monkeypatch, [review("linus", "rejected"), review("barbara"), review("barbara"), review("edsger")])
    origin = found(checkout, GITHUB)
    assert (origin.by, origin.run) == ("ada", "https://github.example/org/converge/actions/runs/42")
    assert origin.approved_by == "barbara, edsger"
    assert asked == [("https://api.github.example/repos/org/converge/actions/runs/42/approvals", "Bearer ghs_secret")]


@pytest.mark.parametrize("answer", [[], {"message": "Resource not accessible"}, [{"state": "approved"}], ["x"], httpx.ConnectTimeout("slow"), ValueError("x")])
def test_who_approved_never_fails_a_deployment(checkout: Path, monkeypatch: pytest.MonkeyPatch, answer: Any):
    answering(monkeypatch, answer)
    assert found(checkout, GITHUB).approved_by is None
    assert found(checkout, {**GITHUB, "CONVERGE_APPROVED_BY": "the change board\n"}).approved_by == "the change board"


def test_nobody_is_asked_without_a_token(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    asked = answering(monkeypatch, [review("x")])
    assert found(checkout, {**GITHUB, "GITHUB_TOKEN": ""}).approved_by is None
    assert asked == []


def test_azure_pipelines(checkout: Path):
    environment = {
        "BUILD_REQUESTEDFOR": "Ada Lovelace",
        "SYSTEM_COLLECTIONURI": "https://dev.azure.com/org/",
        "SYSTEM_TEAMPROJECT": "My Project",
        "BUILD_BUILDID": "7",
    }
    origin = found(checkout, environment)
    assert (origin.by, origin.run) == ("Ada Lovelace", "https://dev.azure.com/org/My%20Project/_build/results?buildId=7")


@pytest.mark.parametrize(
    ("subject", "number"),
    [
        ("Merge pull request #12 from org/branch", "12"),
        ("Faster start (#345)", "345"),
        ("Merged PR 67: Faster start", "67"),
        ("Faster start", None),
        ("See (#3) for more", None),
        ("Revert Merge pull request #12 from x", None),
    ],
)
def test_the_pull_request(checkout: Path, subject: str, number: str | None):
    commit(checkout, "x", subject)
    assert found(checkout).pull_request == number


def test_what_no_commit_holds(checkout: Path):
    commit(checkout, "components/x.py")
    (checkout / "plan.json").write_text("a pipeline's own")
    (checkout / "locks").mkdir()
    (checkout / "locks" / "local.json").write_text("ignored")
    assert not found(checkout).dirty
    (checkout / "components" / "new one.py").write_text("x")
    assert found(checkout).dirty
    (checkout / "components" / "new one.py").unlink()
    (checkout / "Pulumi.dev.yaml").write_text("x")
    assert found(checkout).dirty
    (checkout / "Pulumi.dev.yaml").unlink()
    (checkout / "components" / "x.py").write_text("changed")
    assert found(checkout).dirty


def test_a_project_in_a_folder_of_its_repository(checkout: Path):
    project = checkout / "deploy"
    lock = commit(checkout, "deploy/locks/dev.json")
    commit(checkout, "other/x")
    (checkout / "other" / "x").write_text("changed")
    (project / "plan.json").write_text("x")
    origin = found(project)
    assert (origin.lock_commit, origin.dirty) == (lock, False)


def test_a_shallow_clone_does_not_know_the_last_commit(checkout: Path, tmp_path: Path):
    """There the oldest commit looks as if it had made every file."""
    commit(checkout, "locks/dev.json")
    second = commit(checkout, "app/x")
    third = commit(checkout, "app/y")
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{checkout}", "shallow")
    shallow = tmp_path / "shallow"
    assert found(shallow).lock_commit is None
    assert last_commit(shallow, "app/x") is None
    assert last_commit(shallow, "app/y") == third
    assert last_commit(checkout, "app/x") == second


def test_a_folder_in_no_repository(tmp_path: Path):
    with pytest.raises(DeliveryError) as raised:
        found(tmp_path)
    assert str(raised.value) == f"{tmp_path} is in no git repository, so nobody could say later what was deployed; deploy from a clone"


def test_a_repository_without_a_commit(tmp_path: Path):
    git(tmp_path, "init", "-q")
    with pytest.raises(DeliveryError) as raised:
        found(tmp_path)
    assert str(raised.value) == f"the repository of {tmp_path} has no commit yet; commit what is to be deployed"


def test_who_when_nobody_has_a_name(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    git(checkout, "config", "--unset", "user.name")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setattr("getpass.getuser", lambda: "grace")
    assert found(checkout).by == "grace"

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert found(checkout).by == "unknown"
