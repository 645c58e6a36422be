from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from local_azure.toolchain import go_tools
from local_azure.toolchain.go_tools import GoTool

TOOLS = {tool.name: tool for tool in vars(go_tools).values() if isinstance(tool, GoTool)}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_every_tool_is_pinned(tool: GoTool):
    requirements = (tool.module / "go.mod").read_text().count("\tgithub.com/") + (tool.module / "go.mod").read_text().count("\tk8s.io/")
    assert (tool.module / "go.sum").exists() or requirements == 0


def test_what_a_tool_comes_after_exists_and_no_two_wait_for_each_other():
    assert {tool.after for tool in TOOLS.values()} - {""} <= TOOLS.keys()
    assert list(TopologicalSorter({tool.name: [tool.after] if tool.after else [] for tool in TOOLS.values()}).static_order())


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoTool:
    """A tool whose module is a copy that may be changed."""
    monkeypatch.setattr(go_tools, "_MODULES", tmp_path)
    made = GoTool(name="tool", packages=(".",), programs=("tool",), cold_seconds=10)
    made.module.mkdir()
    (made.module / "go.mod").write_text("module tool\n")
    (made.module / "go.sum").write_text("")
    return made


def test_the_cache_knows_what_is_built_by_everything_that_could_change_it(tool: GoTool):
    key = tool.key()
    assert key == tool.key()
    assert replace(tool, tags="other").key() != key
    assert replace(tool, variables={"version": "2"}).key() != key
    (tool.module / "go.sum").write_text("other")
    assert tool.key() != key


def test_an_estimate_builds_nothing_anew(tool: GoTool):
    assert replace(tool, cold_seconds=20, after="engine").key() == tool.key()
