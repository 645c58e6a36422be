"""What an environment weighs."""

import gzip
import random
from pathlib import Path

from benchmarks.serving.environments import packed_size_of, size_of


def test_what_an_environment_weighs_with_and_without_packing(tmp_path: Path):
    noise, text = random.Random(0).randbytes(100_000), b"a" * 100_000
    for name, content in (("noise", noise), ("text", text)):
        file = tmp_path / "lib" / "python3.11" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert size_of(tmp_path) == 200_000
    packed = packed_size_of(tmp_path)
    least = len(gzip.compress(noise))
    assert least < packed < least + 2_000
    # It is packed once: an environment never changes.
    (tmp_path / "lib" / "more").write_bytes(noise)
    assert packed_size_of(tmp_path) == packed
