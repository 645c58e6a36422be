"""Who may import whom (docs/contributor.md): a room that reaches into another one couples teams that work apart."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ALLOWED: dict[str, set[str]] = {
    "__main__.py": {"components", "settings"},
    "cli.py": {"delivery", "local_azure", "model_store"},
    "settings": {"settings", "model_store"},
    "components": {"components", "model_store"},
    "model_store": {"model_store"},
    "policies": {"policies"},
    "local_azure": {"local_azure"},
    "delivery": {"delivery", "local_azure", "model_store", "policies", "settings"},
    "benchmarks": {"benchmarks", "delivery", "local_azure"},
    "app_template/app": {"app"},
    "app_template/build": set(),
    "app_template/training": {"app", "training"},
    "app_template/examples": {"app", "training", "examples"},
}
ROOMS = {
    "benchmarks",
    "cli",
    "delivery",
    "settings",
    "components",
    "model_store",
    "local_azure",
    "policies",
    "app",
    "training",
    "examples",
    "app_template",
    "tests",
}


def files_of(room: str) -> list[Path]:
    path = ROOT / room
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    """The first names of every import, late ones included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A service that is copied as a whole names its own modules relatively; two dots could leave the room.
            assert node.level <= 1, "imports are absolute, or of a module beside"
            if node.level == 0:
                yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "import_module":
            yield str(ast.literal_eval(node.args[0])).split(".")[0]


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_it_may(room: str):
    files = files_of(room)
    assert files, f"{room} has no code; has it moved?"
    for path in files:
        ours = set(imported(path.read_text())) & ROOMS
        assert ours <= ALLOWED[room], f"{path.relative_to(ROOT)} imports {sorted(ours - ALLOWED[room])}"


def test_every_room_is_known():
    """A new folder with code needs a rule of its own."""
    found = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("*/**/*.py") if not path.relative_to(ROOT).parts[0].startswith(".")}
    known = {room.split("/")[0] for room in ALLOWED} | {"tests"}
    assert found - known == set()


def test_the_program_reads_like_the_story():
    """No literals of a stack, no branch on it, under 120 lines."""
    source = (ROOT / "__main__.py").read_text()
    assert len(source.splitlines()) < 120
    assert "get_stack" not in source
    for path in files_of("components"):
        for forbidden in ("get_stack", "get_project", "pulumi.export", "pulumi.Config(", "StackReference"):
            assert forbidden not in path.read_text(), f"{path.name} has {forbidden}: a component knows its arguments and nothing else"
