"""Pipelines on both forges."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from delivery.forge import client
from delivery.forge.commenting import comment
from delivery.forge.proposing import open_pull_request
from tests.unit.delivery.forge.azure_api import COLLECTION, Azure
from tests.unit.delivery.forge.github_api import API, REPOSITORY, GitHub


@dataclass
class Pipeline:
    """A run of a pipeline."""

    forge: GitHub | Azure
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def comment(self, text: str = "# Plan", key: str = "plan-dev", pull_request: int | None = None, **environment: str) -> str:
        file = self.folder / "plan.md"
        file.write_text(text)
        return comment(self.folder, file, key, pull_request, environment={**self.environment, **environment}, transport=self.forge.transport)

    def propose(self, title: str = "Promote", body: str = "text", branch: str = "promote/prod") -> str:
        return open_pull_request(self.folder, branch, title, body, environment=self.environment, transport=self.forge.transport)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, without the wait."""
    waited: list[float] = []
    monkeypatch.setattr(client, "sleep", waited.append)
    return waited


@pytest.fixture
def on_github(tmp_path: Path) -> tuple[Pipeline, GitHub]:
    forge = GitHub()
    environment = {
        "GITHUB_API_URL": API,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": "secret-token",
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_RUN_ID": "50",
    }
    return Pipeline(forge, tmp_path, environment), forge


@pytest.fixture
def on_azure(tmp_path: Path) -> tuple[Pipeline, Azure]:
    forge = Azure()
    environment = {
        "SYSTEM_COLLECTIONURI": COLLECTION,
        "SYSTEM_TEAMPROJECT": "My Project",
        "BUILD_REPOSITORY_ID": "repo-id",
        "BUILD_REPOSITORY_PROVIDER": "TfsGit",
        "BUILD_BUILDID": "50",
        "SYSTEM_ACCESSTOKEN": "secret-token",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
    }
    return Pipeline(forge, tmp_path, environment), forge
