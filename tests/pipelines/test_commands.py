"""Every command that a pipeline, a script or a page names exists, with its arguments and options."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
import typer.core
import typer.main

# Typer brings a click of its own.
from typer._click import exceptions

import cli
from tests.pipelines.files import ROOT, SCRIPTS, azure_jobs, github_jobs

_CONVERGE = re.compile(r"(?:\.venv/bin/|^|[`(]|: |&& )converge (?P<words>(?![`.,)])[^\n|;&><`#)]+)", re.MULTILINE)
_PAGES = (ROOT / "README.md", ROOT / "app_template" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_TEXTS = {
    **{
        f"{forge} {job.where}": "\n".join(step.script for step in job.steps)
        for forge, jobs in (("github", github_jobs()), ("azure", azure_jobs()))
        for job in jobs
    },
    **{path.name: path.read_text() for path in SCRIPTS},
    **{str(path.relative_to(ROOT)): path.read_text() for path in _PAGES},
}
"""What is looked through, by where it is."""


def commands_in(text: str) -> Iterator[list[str]]:
    """The words after `converge` of each command; placeholders and variables stay."""
    for found in _CONVERGE.finditer(text.replace("\\\n", " ")):
        # Brackets stand around what may be left out.
        words = re.sub(r"\[(--[^\]]*)\]", r"\1", found["words"]).replace("\\", "").strip()
        yield shlex.split(words.replace("'", "") if words.count("'") % 2 else words)


def wrong_with(words: list[str], *, complete: bool = True) -> str:
    """Why the command line would not take these words; empty when it would. Text for people may name a command without its arguments."""
    command, rest = typer.main.get_command(cli.app), list(words)
    while isinstance(command, typer.core.TyperGroup):
        if not rest and not complete:
            return ""
        name = rest.pop(0) if rest else ""
        if name not in command.commands:
            return f"converge has no {name!r} in {' '.join(words)!r}"
        command = command.commands[name]
    try:
        command.make_context(command.name, rest)
    except exceptions.MissingParameter as error:
        return f"{' '.join(words)!r}: {error.format_message()}" if complete else ""
    except (exceptions.BadParameter, typer.Exit):
        # A placeholder or a file that is not here: the value, not the option; or --help.
        return ""
    except exceptions.UsageError as error:
        return f"{' '.join(words)!r}: {error.format_message()}"
    return ""


@pytest.mark.parametrize("where", _TEXTS)
def test_every_command_exists(where: str):
    found = list(commands_in(_TEXTS[where]))
    # A command that this test does not see would be one that it does not check.
    assert len(found) >= _TEXTS[where].count(".venv/bin/converge")
    assert [problem for words in found if (problem := wrong_with(words, complete=not where.endswith(".md")))] == []


def test_commands_are_found():
    assert sum(len(list(commands_in(text))) for text in _TEXTS.values()) > 40


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".venv/bin/converge plan dev --markdwon > x.md", "No such option"),
        (".venv/bin/converge pln dev", "converge has no 'pln'"),
        (".venv/bin/converge model promote digits latest", "--stack"),
        (".venv/bin/converge doctor", "Missing argument"),
        ('.venv/bin/converge doctor "$STACK" extra', "unexpected extra argument"),
    ],
)
def test_a_wrong_command_is_noticed(line: str, message: str):
    (words,) = commands_in(line)
    assert message in wrong_with(words)
