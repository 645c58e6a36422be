"""Which forge, repository and token."""

import json
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.forge.pipeline import AzurePlace, GitHubPlace, place, token
from tests.unit.delivery.plan.test_revisions import Repository


def of_remote(folder: Path, url: str) -> GitHubPlace | AzurePlace:
    repository = Repository(folder / "checkout")
    repository.git("remote", "add", "origin", url)
    return place(repository.folder, {})


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/converge.git",
        "https://x:ghs_secret@github.com/acme/converge",
        "git@github.com:acme/converge.git",
        "ssh://git@github.com/acme/converge",
    ],
)
def test_a_laptops_remote_on_github(tmp_path: Path, url: str):
    assert of_remote(tmp_path, url) == GitHubPlace(api="https://api.github.com", repository="acme/converge", run=0, event={})


@pytest.mark.parametrize(
    "url",
    [
        "https://dev.azure.com/acme/My%20Project/_git/converge",
        "https://acme@dev.azure.com/acme/My%20Project/_git/converge",
        "git@ssh.dev.azure.com:v3/acme/My%20Project/converge",
    ],
)
def test_a_laptops_remote_on_azure(tmp_path: Path, url: str):
    assert of_remote(tmp_path, url) == AzurePlace(collection="https://dev.azure.com/acme/", project="My Project", repository="converge", run=0)


@pytest.mark.parametrize("url", ["https://git.example.com/acme/converge", "/srv/converge.git", "https://github.com/acme"])
def test_a_remote_elsewhere(tmp_path: Path, url: str):
    with pytest.raises(DeliveryError) as raised:
        of_remote(tmp_path, url)
    assert str(raised.value).startswith("there is no pipeline of GitHub or Azure DevOps here, and the remote `origin` ")
    assert "set GITHUB_REPOSITORY (owner/name) and GITHUB_TOKEN, or SYSTEM_COLLECTIONURI" in str(raised.value)


def test_a_pipeline_of_azure_that_builds_another_forges_repository(tmp_path: Path):
    with pytest.raises(DeliveryError, match=r"^the pipeline's repository is at GitHub, not in Azure Repos; set GITHUB_REPOSITORY"):
        place(tmp_path, {"SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/", "BUILD_REPOSITORY_PROVIDER": "GitHub"})


def test_an_event_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "event.json").write_text("{")
    with pytest.raises(DeliveryError, match=r"GITHUB_EVENT_PATH names .*event\.json, which cannot be read"):
        place(tmp_path, {"GITHUB_REPOSITORY": "a/b", "GITHUB_EVENT_PATH": str(tmp_path / "event.json")})


def test_a_workflow_after_another_counts_by_the_first_ones_run(tmp_path: Path):
    (tmp_path / "event.json").write_text(json.dumps({"workflow_run": {"id": 41}}))
    found = place(tmp_path, {"GITHUB_REPOSITORY": "a/b", "GITHUB_EVENT_PATH": str(tmp_path / "event.json"), "GITHUB_RUN_ID": "99"})
    assert found.run == 41


def test_tokens_are_asked_for_by_name():
    github = GitHubPlace(api="https://api.github.com", repository="a/b", run=0, event={})
    azure = AzurePlace(collection="https://dev.azure.com/a/", project="p", repository="r", run=0)
    assert token(github, {"GH_TOKEN": "x"}) == "x"
    assert token(azure, {"SYSTEM_ACCESSTOKEN": "y"}) == "y"
    with pytest.raises(DeliveryError, match=r"^there is no GITHUB_TOKEN in the environment; in a workflow: `env: GITHUB_TOKEN"):
        token(github, {"SYSTEM_ACCESSTOKEN": "y"})
    with pytest.raises(DeliveryError, match=r"^there is no SYSTEM_ACCESSTOKEN in the environment; in a pipeline: `env: SYSTEM_ACCESSTOKEN"):
        token(azure, {"GITHUB_TOKEN": "x"})
