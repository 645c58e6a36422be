import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store import ModelStoreError, layout

NAMES = st.from_regex(layout.NAME_PATTERN, fullmatch=True)
VERSIONS = st.integers(1, layout.HIGHEST_VERSION)


@given(NAMES, VERSIONS, st.sampled_from(layout.FILES))
def test_a_blob_name_comes_apart_into_what_it_was_made_of(name: str, version: int, file: str):
    blob = layout.blob_name(name, version, file)
    assert blob == f"{name}/{version}/{file}"
    assert layout.parse_blob_name(blob) == layout.BlobPath(name, version, file)


@given(st.text(max_size=70))
def test_a_name_is_allowed_exactly_when_it_follows_the_written_rule(name: str):
    allowed = bool(re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name)) and not name.endswith("-")
    if allowed:
        assert layout.check_name(name) == name
    else:
        with pytest.raises(ModelStoreError):
            layout.check_name(name)


@pytest.mark.parametrize("name", ["a", "digits", "a-1", "a--b", "x" * 63])
def test_good_names(name: str):
    assert layout.check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "1a", "Digits", "a_b", "a/b", "..", "a.b", "x" * 64, "digits\n", "dïgits"])
def test_bad_names_are_named_in_the_message(name: str):
    with pytest.raises(ModelStoreError) as error:
        layout.check_name(name)
    assert str(error.value) == (
        f"model name {name!r} is not allowed: lower-case letters, digits and '-', from a letter to a letter or digit, at most 63 characters"
    )


@pytest.mark.parametrize(
    "blob", ["", "digits", "digits/", "digits/1", "digits/1/", "digits/0/x", "digits/01/x", "digits/-1/x", "digits/1a/x", "D/1/x", "/1/x", "a/9999999999/x"]
)
def test_blobs_outside_of_the_layout(blob: str):
    assert layout.parse_blob_name(blob) is None


def test_any_file_below_a_version_makes_it_known():
    assert layout.parse_blob_name("digits/3/sub/notes.txt") == layout.BlobPath("digits", 3, "sub/notes.txt")


@given(VERSIONS)
def test_versions_are_read_with_and_without_v(version: int):
    assert layout.parse_version(str(version)) == version
    assert layout.parse_version(f"v{version}") == version


def test_latest_is_no_number():
    assert layout.parse_version("latest") is None


@pytest.mark.parametrize("text", ["", "0", "-1", "01", "1.0", "v", "vv1", "Latest", "1 ", "1000000000", "²"])
def test_bad_versions(text: str):
    with pytest.raises(ModelStoreError) as error:
        layout.parse_version(text)
    assert str(error.value) == f"version {text!r} is not allowed: an integer from 1 to 999999999, or latest"


@pytest.mark.parametrize("version", [0, -1, True, layout.HIGHEST_VERSION + 1])
def test_no_blob_name_for_a_version_that_is_none(version: int):
    with pytest.raises(ModelStoreError, match="an integer from 1 to"):
        layout.blob_name("digits", version, layout.MODEL)


@pytest.mark.parametrize("stack", ["dev", "prod-eu", "a.b_c", "X"])
def test_stacks(stack: str):
    assert layout.check_stack(stack) == stack


@pytest.mark.parametrize("stack", ["", ".", "..", "org/proj/dev", "a b", "x" * 101, "dev\n"])
def test_a_stack_cannot_lead_out_of_the_folder(stack: str):
    with pytest.raises(ModelStoreError, match=r"^stack name .* is not allowed: letters, digits"):
        layout.check_stack(stack)
