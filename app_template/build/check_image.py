"""Runs tests inside the image that ships, which has no pytest and no shell: check_image.py PACKAGES TESTS

PACKAGES is the folder with pytest and what the tests import. It comes after the image's own packages, so that these are
what is tested, and the service that the tests start does not see it at all.
"""

import os
import sys
import time


def main(packages: str, tests: str) -> int:
    """Returns the exit code."""
    sys.path.append(packages)
    # BuildKit's own traces; the service under test would take them for its.
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    import pytest  # noqa: PLC0415 - can be found only now

    code = int(pytest.main(["-q", "-p", "no:cacheprovider", tests]))
    if code:
        # As in the Dockerfile: Pulumi's image plugin loses what a step prints just before it fails.
        sys.stdout.flush()
        time.sleep(1)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
