"""`converge predictions`: what it prints."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from delivery.predictions import cli, of_images
from delivery.predictions.result import Example, OutputChange, Predictions
from delivery.predictions.sides import Side

FOUND = Predictions(
    total=500,
    changed=17,
    flipped=3,
    rtol=1e-4,
    atol=1e-5,
    examples=(Example(input="x [0, 1]", outputs=(OutputChange(name="label", before="4", after="[bold]9", flips=True),)),),
    notes=("only the new side has the output p",),
)
OLD, NEW = f"r/digits@sha256:{'a' * 64}", f"r/digits@sha256:{'b' * 64}"
app = typer.Typer()
app.command()(cli.predictions)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[object, ...]]:
    given: list[tuple[object, ...]] = []

    def compare(sides: tuple[Side, Side], samples: object, memory: str, _progress: object) -> Predictions:
        given.append((sides[0].image, sides[1].image, samples, memory))
        return FOUND

    monkeypatch.setattr(of_images, "compare_images", compare)
    monkeypatch.chdir(tmp_path)
    return given


def test_for_people(asked: list[tuple[object, ...]]):
    answer = CliRunner().invoke(app, [OLD, NEW, "--memory", "2Gi"])
    assert answer.exit_code == 0
    assert answer.stdout == (
        "digits@sha256:aaaaaaaaaaaa... -> digits@sha256:bbbbbbbbbbbb...\n"
        "  17 of 500 predictions change, 3 labels flip\n"
        "    x [0, 1]: label 4 -> [bold]9\n"
        "  only the new side has the output p\n"
        "  (a prediction is one row of one request; it changes when a number is off by more than 1e-05 + 0.0001 * |old|, or a label flips: "
        "an integer, text or truth value is another one)\n"
    )
    assert asked == [(OLD, NEW, None, "2Gi")]


def test_for_programs():
    answer = CliRunner().invoke(app, [OLD, NEW, "--json"])
    document = json.loads(answer.stdout)
    assert (document.pop("old"), document.pop("new"), document.pop("definition")) == (OLD, NEW, FOUND.definition)
    assert Predictions.model_validate_json(json.dumps(document)) == FOUND


def test_samples_are_read_before_anything_runs(asked: list[tuple[object, ...]]):
    answer = CliRunner().invoke(app, [OLD, NEW, "--samples", "no.json"])
    assert str(answer.exception) == "the samples no.json cannot be read: No such file or directory"
    assert asked == []
