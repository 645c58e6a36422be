from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def outputs_are_no_text() -> Iterator[None]:
    """An output in an f-string fails; without this it would become a warning's text inside a name, and nobody would see it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")
        yield
