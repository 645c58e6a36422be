"""The order of writes and what becomes of surprises. That the conditions hold on the wire is shown in the integration tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, cast

import pytest

from model_store import Manifest, ModelStoreError, layout, publication
from model_store.blobs import Blob, BlobContainer
from model_store.catalog import Catalog
from model_store.documents import parse
from model_store.folder import read_folder
from tests.unit.model_store.samples import DESCRIPTION, write_folder


class Blobs:
    """A container in memory. `before` runs before each write and may do what another publisher would."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.credential = SimpleNamespace(principal=lambda: "alice@example.com")
        self.before: Callable[[str], object] = lambda _: None
        self.lose_answer_to = ""

    def create(self, name: str, data: bytes | IO[bytes], size: int, content_type: str) -> bool:
        assert content_type == ("application/json" if name.endswith(".json") else "application/octet-stream")
        self.before(name)
        if name in self.content:
            return False
        content = data if isinstance(data, bytes) else b"".join(iter(lambda: data.read(4), b""))
        assert len(content) == size
        self.content[name] = content
        return name != self.lose_answer_to

    def chunks(self, name: str) -> Iterator[bytes] | None:
        return iter([self.content[name]]) if name in self.content else None


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def publish(blobs: Blobs, folder: Path, progress: publication.Progress = lambda *_: None) -> Manifest:
    catalog = Catalog.of(Blob(name, len(content)) for name, content in blobs.content.items())
    return publication.publish_new(cast("BlobContainer", blobs), "digits", read_folder(folder), catalog, progress)


def test_the_claim_comes_first_and_the_manifest_last(blobs: Blobs, tmp_path: Path):
    manifest = publish(blobs, write_folder(tmp_path))
    assert list(blobs.content) == ["digits/1/golden.json", "digits/1/model.onnx", "digits/1/manifest.json"]
    assert parse(Manifest, blobs.content["digits/1/manifest.json"], "m") == manifest
    assert manifest.created_by == "alice@example.com"
    assert manifest.model_dump(include=set(DESCRIPTION)) == Manifest.model_validate({**manifest.model_dump(), **DESCRIPTION}).model_dump(
        include=set(DESCRIPTION)
    )


@pytest.mark.parametrize("file", layout.FILES)
def test_a_publication_cut_off_anywhere_is_no_version_and_does_not_block(blobs: Blobs, tmp_path: Path, file: str):
    def cut_off(name: str) -> None:
        if name.endswith(file):
            raise ModelStoreError("the network is gone")

    blobs.before = cut_off
    with pytest.raises(ModelStoreError, match="the network is gone"):
        publish(blobs, write_folder(tmp_path))
    assert not any(name.endswith(layout.MANIFEST) for name in blobs.content)
    blobs.before = lambda _: None
    assert publish(blobs, tmp_path).version == (1 if file == layout.GOLDEN else 2)


@pytest.mark.parametrize("file", layout.FILES)
def test_whoever_is_second_takes_the_next_version(blobs: Blobs, tmp_path: Path, file: str):
    taken = f"digits/1/{file}"
    blobs.before = lambda name: blobs.content.update({taken: b"of somebody else"}) if name == taken else None
    assert publish(blobs, write_folder(tmp_path)).version == 2
    assert blobs.content[taken] == b"of somebody else"


def test_a_manifest_whose_answer_was_lost_is_published_once(blobs: Blobs, tmp_path: Path):
    blobs.lose_answer_to = "digits/1/manifest.json"
    assert publish(blobs, write_folder(tmp_path)).version == 1
    assert len(blobs.content) == 3


def test_a_model_that_changes_while_it_is_sent_is_not_published(blobs: Blobs, tmp_path: Path):
    write_folder(tmp_path, b"model bytes")
    blobs.before = lambda name: (tmp_path / "model.onnx").write_bytes(b"other bytes") if name.endswith(layout.MODEL) else None
    with pytest.raises(ModelStoreError, match=r"^model\.onnx changed while it was being published, so nothing was published; publish again"):
        publish(blobs, tmp_path)
    assert "digits/1/manifest.json" not in blobs.content


def test_a_model_that_gets_shorter_while_it_is_sent_is_not_published(blobs: Blobs, tmp_path: Path):
    write_folder(tmp_path, b"model bytes")
    blobs.before = lambda name: (tmp_path / "model.onnx").write_bytes(b"model") if name.endswith(layout.MODEL) else None
    with pytest.raises(ModelStoreError, match=r"^model\.onnx changed while"):
        publish(blobs, tmp_path)


def test_endless_conflicts_end(blobs: Blobs, tmp_path: Path):
    blobs.before = lambda name: blobs.content.update({name: b"taken"})
    with pytest.raises(ModelStoreError, match=r"^50 versions of digits from 1 on were taken by others meanwhile; publish again$"):
        publish(blobs, write_folder(tmp_path))


def test_progress_ends_at_each_file_s_size(blobs: Blobs, tmp_path: Path):
    seen: dict[str, tuple[int, int]] = {}
    publish(blobs, write_folder(tmp_path), lambda file, done, total: seen.update({file: (done, total)}))
    assert set(seen) == set(layout.CONTENT)
    assert all(done == total for done, total in seen.values())


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"training": {**DESCRIPTION["training"], "commit": "a" * 40}}, True),
        ({"metrics": {"accuracy": 0.8}}, False),
        ({"opset": 18}, False),
        ({"outputs": [{"name": "label", "datatype": "INT64", "shape": [1]}]}, False),
        ({"model": b"other"}, False),
    ],
)
def test_what_counts_as_the_same_content(blobs: Blobs, tmp_path: Path, changes: dict[str, Any], same: bool):
    manifest = publish(blobs, write_folder(tmp_path / "a"))
    assert publication.says_the_same(manifest, read_folder(write_folder(tmp_path / "b", **changes))) is same
