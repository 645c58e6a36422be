"""The page has the rules that the code has."""

from delivery.drift.table import DOCS, with_table


def test_the_table_in_the_docs_is_the_codes():
    """`python -m delivery.drift.table` writes it anew."""
    document = DOCS.read_text()
    assert with_table(document) == document
    assert "| `containerservice:ManagedCluster` | `agentPoolProfiles * count` |" in document
