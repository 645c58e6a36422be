"""The page about policies is what the code says."""

from tests.unit.policies.document import PATH, text


def test_the_page_is_made_from_the_rules():
    assert PATH.read_text() == text(), "run `.venv/bin/python -m tests.unit.policies.document`"
