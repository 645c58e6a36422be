"""One running service for all suites; afterwards nothing must have failed in it."""

from collections.abc import Iterator

import pytest

from tests.clients.service import RunningService


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    service = RunningService(tmp_path_factory.mktemp("service"))
    yield service
    service.kill()
    assert service.errors() == []
