"""A whole delivery, from a pull request to a roll-back: the scenes of `make story`, told in order on a stage of their own."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.story.scenes import SCENES
from tests.story.stage import Stage, stage


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage, from nothing; nothing runs at the end."""
    with stage(tmp_path_factory.mktemp("story"), loud=False) as made:
        yield made


@pytest.mark.figures
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_story(where: Stage, scene: Callable[[Stage], None]):
    started = time.monotonic()
    scene(where)
    print(f"{scene.__name__}: {time.monotonic() - started:.1f} s")
    if seconds := where.notes.pop("rollback seconds", None):
        print(f"  the old pair serves {seconds:.1f} s after the command began")
