from settings.messages import DOCS
from settings.table import rows, table, with_table
from tests.unit.settings.stack_files import ROOT


def test_the_documentation_has_the_table_of_today():
    document = (ROOT / DOCS).read_text()
    assert with_table(document) == document, "run `.venv/bin/python -m settings.table`"


def test_every_key_stands_there_once_with_its_meaning():
    keys = [key for key, _, _ in rows()]
    assert len(keys) == len(set(keys))
    assert {"baseImage", "services", "services[].exposure", "cluster.userPools[].nodeSize", "cluster.maintenance.day", "network.private", "tags"} <= set(keys)
    assert all(meaning for _, _, meaning in rows())


def test_defaults_are_shown_as_they_are_typed():
    shown = {key: default for key, default, _ in rows()}
    assert shown["baseImage"] == "required"
    assert shown["cluster.tier"] == '`"Free"`'
    assert shown["cluster.zones"] == "`[]`"
    assert shown["services"] == '`[{"name": "digits"}]`'
    assert shown["services[].replicas"] == '`{"min": 2, "max": 2}`'
    assert shown["registry.registryId"] == ""
    assert "| `protectData` | `false` |" in table()
