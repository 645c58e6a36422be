"""`make story`: plays the whole delivery on one machine and prints what happened and how long it took."""

import sys
import tempfile
import time
from pathlib import Path

from tests.story.scenes import SCENES
from tests.story.stage import stage


def main() -> int:
    """Returns the exit code: 0 when every scene ended as it must."""
    times: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="converge-story-", ignore_cleanup_errors=True) as folder:
        print("building the stage: a bare repository, two clones, Azure on this machine", flush=True)
        with stage(Path(folder).resolve(), loud=True) as where:
            for number, scene in enumerate(SCENES, start=1):
                print(f"\n{number}. {scene.__doc__}", flush=True)
                started = time.monotonic()
                try:
                    scene(where)
                except AssertionError as error:
                    print(f"error: this scene did not end as it must: {error}", file=sys.stderr)
                    return 1
                times.append(((scene.__doc__ or "").splitlines()[0], time.monotonic() - started))
    times.append(("together", sum(seconds for _, seconds in times)))
    width = max(len(title) for title, _ in times)
    print(f"\n{'scene':<{width}}  seconds")
    for title, seconds in times:
        print(f"{title:<{width}}  {seconds:7.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
