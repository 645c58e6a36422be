import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store import layout
from model_store.blobs import Blob
from model_store.catalog import Catalog, ranges


def catalog(*names: str) -> Catalog:
    return Catalog.of(Blob(name, len(name)) for name in names)


def test_a_version_exists_when_its_manifest_does():
    found = catalog(
        "digits/2/manifest.json",
        "digits/2/model.onnx",
        "digits/10/manifest.json",
        "digits/11/golden.json",
        "faces/1/model.onnx",
        "stray",
        "digits/x/manifest.json",
    )
    assert found.published("digits") == [2, 10]
    assert found.published("faces") == found.published("none") == []
    assert found.with_a_version() == ["digits"]


def test_a_number_that_was_begun_is_never_used_again():
    assert catalog("digits/2/manifest.json", "digits/7/golden.json").next_version("digits") == 8
    assert catalog().next_version("digits") == 1


@given(st.sets(st.tuples(st.integers(1, 50), st.sampled_from(layout.FILES))))
def test_the_next_version_is_above_all_and_published_ones_have_a_manifest(files: set[tuple[int, str]]):
    found = catalog(*(layout.blob_name("digits", version, file) for version, file in files))
    assert all(version < found.next_version("digits") for version, _ in files)
    assert found.published("digits") == sorted(version for version, file in files if file == layout.MANIFEST)


def test_only_versions_of_the_same_sizes_can_be_the_same_latest_first():
    blobs = [Blob(layout.blob_name("digits", version, file), size) for version, size in ((1, 5), (2, 6), (3, 5)) for file in layout.FILES]
    blobs += [Blob(layout.blob_name("digits", 4, file), 5) for file in layout.CONTENT]
    assert Catalog.of(blobs).with_sizes("digits", {layout.MODEL: 5, layout.GOLDEN: 5}) == [3, 1]


@pytest.mark.parametrize(("versions", "text"), [([], ""), ([1], "1"), ([1, 2, 3], "1-3"), ([1, 3, 4, 9], "1, 3-4, 9")])
def test_ranges(versions: list[int], text: str):
    assert ranges(versions) == text
