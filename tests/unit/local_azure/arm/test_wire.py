from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local_azure.arm.wire import UNKNOWN, Secret, from_struct, has_unknown, plain, to_struct

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_leaf = st.one_of(
    _text, st.booleans(), st.integers(-(2**50), 2**50), st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer()), st.just(UNKNOWN)
)
_value: st.SearchStrategy[Any] = st.recursive(
    _leaf, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_text, inner, max_size=4), inner.map(Secret)), max_leaves=12
)


@given(st.dictionaries(_text, _value, max_size=5))
def test_what_goes_out_comes_back(properties: dict[str, Any]):
    assert from_struct(to_struct(properties)) == properties


@given(st.dictionaries(_text, _value, max_size=5))
def test_plain_values_have_no_secret_mark(properties: dict[str, Any]):
    def marks(value: object) -> int:
        if isinstance(value, Secret):
            return 1
        if isinstance(value, dict):
            return sum(map(marks, value.values()))
        return sum(map(marks, value)) if isinstance(value, list) else 0

    assert marks(plain(properties)) == 0


def test_a_secret_never_shows_itself():
    assert "abc" not in repr({"key": Secret("abc")})


def test_an_unknown_is_found_however_deep():
    assert has_unknown({"a": [{"b": Secret({"c": UNKNOWN})}]})
    assert not has_unknown({"a": [{"b": Secret({"c": 1})}]})


def test_what_is_not_set_is_left_out():
    assert from_struct(to_struct({"a": None, "b": 0, "c": False, "d": ""})) == {"b": 0, "c": False, "d": ""}
