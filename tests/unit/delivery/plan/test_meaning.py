"""What a plan says of models, apps, pods and pins, in Markdown and on a terminal, word for word."""

import io

import pytest
from hypothesis import given, settings
from rich.console import Console

from delivery.plan.markdown import LONGEST, render
from delivery.plan.report import Operation, PlanReport, ValueChange
from delivery.plan.sections import Image, ModelChange, PinnedService, Pods, Roll
from delivery.plan.terminal import show
from tests.unit.delivery.plan.meant import APP, DIGEST, MODEL, NEW, OLD, PIN, meant
from tests.unit.delivery.plan.reports import BROKEN, LOST, change, report
from tests.unit.delivery.plan.test_escaping import FOREIGN, MARKDOWN, MENTION, Seen


def shown(plan: PlanReport) -> str:
    output = io.StringIO()
    show(plan, Console(file=output, width=40))
    return output.getvalue()


def test_the_whole_in_markdown():
    assert render(meant(plan_sha256="c" * 64)) == (
        "## Plan of dev against 1a2b3c4 (main)\n\n"
        "**model digits v12 -&#62; v13, pods of digits replaced. nothing changes; 7 unchanged.** "
        "Policies: 90 of 100 (it was 95): 8 rules passed, 0 failed, 1 cannot be told before an update, 2 do not apply.\n\n"
        "- **digits** model digits v12 -&#62; v13, sha256 `222222222222`, 21.0 kB (was 20.9 kB), "
        "published by bob &#60;bob&#64;&#8203;example.com&#62; on 2026-11-20 10:00 UTC\n"
        "  - accuracy: 0.98 -> 0.985 (+0.005), better\n"
        "  - log\\_loss: 0.07 -> 0.09 (+0.02), **worse**\n"
        "  - macro\\_f1: 0.9, unchanged\n"
        "  - recall: 0.5\n"
        "  - **17 of 500 predictions change, 3 labels flip**\n"
        "    - `image [0, 1, ...: label 4 -> 9`\n"
        "    - a prediction is one row of one request; it changes when a number is off by more than 1e-05 + 0.0001 * |old|, "
        "or a label flips: an integer, text or truth value is another one\n"
        "- **digits** app `app_template`: 1 commit since release 20261124T231847Z (1a2b3c4), 1 file not committed; the image is built; "
        "layers that change: model (digits v13), application (app/hooks.py, and 2 more); as they were: runtime, dependencies, service\n"
        "  - `9f8e7d6` Fix \\#&#8203;12, thanks &#64;&#8203;alice, by Bob\n"
        "  - not committed: `app_template/app/hooks.py`\n"
        "- pods: **digits** replaced (image, model); not replaced: letters\n"
        "- **letters** **stays** at `sha256:abcabcabcabc...` (went back to release 20261124T231847Z, by ann on 2026-11-20, because labels \\| flip); "
        "`converge release unpin dev`\n\n"
        f"Plan `{'c' * 64}`\n\n"
    )


def test_the_whole_on_a_terminal():
    assert shown(meant(plan_sha256="c" * 64)) == (
        "Plan of dev against 1a2b3c4 (main)\n"
        "  nothing changes; 7 unchanged\n"
        "\n"
        "  digits model digits v12 -> v13, sha256 222222222222, 21.0 kB (was 20.9 kB), published by bob <bob@example.com> on 2026-11-20 10:00 UTC\n"
        "    accuracy: 0.98 -> 0.985 (+0.005), better\n"
        "    log_loss: 0.07 -> 0.09 (+0.02), worse\n"
        "    macro_f1: 0.9, unchanged\n"
        "    recall: 0.5\n"
        "    17 of 500 predictions change, 3 labels flip\n"
        "      image [0, 1, ...: label 4 -> 9\n"
        "      a prediction is one row of one request; it changes when a number is off by more than 1e-05 + 0.0001 * |old|, "
        "or a label flips: an integer, text or truth value is another one\n"
        "  digits app app_template: 1 commit since release 20261124T231847Z (1a2b3c4), 1 file not committed; the image is built; "
        "layers that change: model (digits v13), application (app/hooks.py, and 2 more); as they were: runtime, dependencies, service\n"
        "    9f8e7d6 Fix #12, thanks @alice, by Bob\n"
        "    not committed: app_template/app/hooks.py\n"
        "  pods: digits replaced (image, model); not replaced: letters\n"
        "  letters stays at sha256:abcabcabcabc... (went back to release 20261124T231847Z, by ann on 2026-11-20, because labels | flip); "
        "converge release unpin dev\n"
        "\nPolicies: 90 of 100 (it was 95): 8 rules passed, 0 failed, 1 cannot be told before an update, 2 do not apply\n"
        f"\nPlan {'c' * 64}\n"
    )


def test_a_change_of_nothing_that_runs_has_three_lines():
    nothing = meant(models=(), apps=(), pins=(PinnedService(service="letters", image=DIGEST),), rolls=(Roll(service="digits", pods=Pods.STAY),))
    same = nothing.policies.model_copy(update={"score_before": 90})
    assert render(nothing.model_copy(update={"policies": same})).rstrip("\n") == (
        "## Plan of dev against 1a2b3c4 (main)\n\n**nothing changes; 7 unchanged.** Policies: 90 of 100, as before."
    )


def test_a_pinned_service_says_so_in_every_plan():
    text = render(meant(models=(), apps=(), rolls=(), pins=(PIN,)))
    assert "- **letters** **stays** at `sha256:abcabcabcabc...` (went back to release" in text


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (ModelChange(service="digits", after=NEW), "- **digits** first model digits v13, sha256 `222222222222`, 21.0 kB, published by"),
        (ModelChange(service="digits", before=OLD), "- **digits** model digits v12 is taken away\n"),
        (MODEL.model_copy(update={"service": "other"}), "**other: model digits v12 -&#62; v13, "),
        (MODEL.model_copy(update={"after": NEW.model_copy(update={"name": "letters"})}), "- **digits** model digits v12 -&#62; letters v13, "),
        (MODEL.model_copy(update={"files": ("golden.json",)}), "  - model.onnx is the same\n"),
        (
            MODEL.model_copy(update={"signature": ("inputs: a FP32 [-1] -> a_b FP32 [-1]",)}),
            "  - signature: inputs: a FP32 \\[-1\\] -&#62; a\\_b FP32 \\[-1\\]\n",
        ),
        (MODEL.model_copy(update={"predictions": None, "predictions_unknown": "no *store*"}), "  - predictions could not be compared: no \\*store\\*\n"),
    ],
)
def test_models(one: ModelChange, line: str):
    assert line in render(meant(models=(one,)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"image": Image.UNCHANGED, "layers": ()}, "; nothing of it is in the image, so nothing is built\n"),
        ({"image": Image.BUILT, "layers": ()}, "; the image is built, and its layers are expected to be the same\n"),
        ({"commits": (), "uncommitted": ()}, "`app_template`: the image is built; layers that change: "),
        ({"commits": ()}, "`app_template`: 1 file not committed; the image is built"),
        ({"more_commits": 4}, "`app_template`: 5 commits since release"),
        ({"more_commits": 4}, "  - and 4 more commits\n"),
        ({"uncommitted": tuple(f"f{number}" for number in range(12))}, "`f8`, `f9` and 2 more\n"),
        ({"contract": ("inputs: a -> b",)}, "  - contract, inputs: a -&#62; b\n"),
    ],
)
def test_apps(changes: dict[str, object], text: str):
    assert text in render(meant(apps=(APP.model_copy(update=changes),)))


def test_an_app_that_changes_beside_an_image_that_was_pinned():
    pinned = APP.model_copy(update={"service": "letters", "image": Image.PINNED, "layers": ()})
    text = render(meant(models=(), apps=(pinned,), rolls=()))
    assert "nothing is built, since the lock names the image `sha256:abcabcabcabc...`: **the change has no effect on this stack**\n" in text


@pytest.mark.parametrize(
    ("back", "text"),
    [
        (False, "1 commit since 1a2b3c4; the image `sha256:abcabcabcabc...`, built before, brings them\n"),
        (True, "1 commit taken back, down from 1a2b3c4; the image `sha256:abcabcabcabc...`, built before, is without them\n"),
    ],
)
def test_commits_that_another_image_brings_or_takes_back(back: bool, text: str):
    other = APP.model_copy(update={"service": "letters", "since": "1a2b3c4", "uncommitted": (), "image": Image.BROUGHT, "layers": (), "back": back})
    assert text in render(meant(models=(), apps=(other,), rolls=()))


def test_an_image_that_a_promotion_brought_is_named_without_alarm():
    text = render(meant(pins=(PIN.model_copy(update={"release": "", "reason": "", "by": "", "new": True}),)))
    assert "- **letters** runs the image `sha256:abcabcabcabc...`, built before\n" in text
    assert "unpin" not in text


def test_pods_that_stay_are_told_when_something_else_changes():
    stay = (Roll(service="digits", pods=Pods.STAY),)
    assert "- pods: none is replaced\n" in render(report(change(Operation.UPDATE)).model_copy(update={"rolls": stay}))
    new = (Roll(service="digits", pods=Pods.NEW), Roll(service="old", pods=Pods.GONE))
    assert "- pods: **digits** new; **old** gone\n" in render(meant(rolls=new))


def test_a_terminal_is_not_steered_by_a_subject():
    evil = APP.commits[0].model_copy(update={"subject": "\x1b[31mred\x07 [bold]x[/bold]"})
    text = shown(meant(apps=(APP.model_copy(update={"commits": (evil,)}),)))
    assert " [31mred  [bold]x[/bold], by Bob" in text
    assert "\x1b" not in text


@settings(deadline=None)
@given(FOREIGN)
def test_nothing_that_somebody_else_chose_breaks_out_of_a_report(text: str):
    """Everywhere at once: the report has the same parts as with plain words, and no link or mention."""
    evil, plain = (Seen(MARKDOWN.render(render(everywhere(words)))) for words in (text, "words"))
    assert [tag for tag in evil.tags if tag != "code"] == [tag for tag in plain.tags if tag != "code"]
    assert not MENTION.search(evil.plain)


def everywhere(text: str) -> PlanReport:
    metrics = tuple(metric.model_copy(update={"name": text}) for metric in MODEL.metrics)
    found = MODEL.predictions
    assert found
    outputs = tuple(output.model_copy(update={"name": text, "before": text, "after": text}) for output in found.examples[0].outputs)
    example = found.examples[0].model_copy(update={"input": f"x {text}", "outputs": outputs})
    predictions = found.model_copy(update={"examples": (example,), "notes": (f"x {text}",)})
    published = MODEL.after.model_copy(update={"published_by": text}) if MODEL.after else None
    model = MODEL.model_copy(update={"metrics": metrics, "signature": (text,), "predictions": predictions, "after": published})
    commit = APP.commits[0].model_copy(update={"subject": text, "author": text})
    layer = APP.layers[0].model_copy(update={"why": (text,)})
    app = APP.model_copy(update={"since": text, "commits": (commit,), "uncommitted": (f"x{text}",), "contract": (text,), "layers": (layer,)})
    pin = PIN.model_copy(update={"reason": text, "by": text})
    roll = Roll(service="digits", pods=Pods.REPLACED, why=(text,))
    broken = BROKEN.model_copy(update={"message": text, "fix": text, "resource": text})
    danger = change(Operation.DELETE, f"x{text}", effects=(LOST.model_copy(update={"reason": text}),)).model_copy(update={"component": f"x{text}x"})
    changed = report(danger, base=f"x {text}", violations=(broken,), hints=(f"x {text}",))
    return changed.model_copy(update={"models": (model,), "apps": (app,), "rolls": (roll,), "pins": (pin,)})


def test_reasons_and_subjects_that_are_whole_error_messages_are_shortened():
    long = "4 errors occurred: " + "x" * 1000
    commit = APP.commits[0].model_copy(update={"subject": long})
    text = render(meant(models=(), pins=(PIN.model_copy(update={"reason": long}),), apps=(APP.model_copy(update={"commits": (commit,)}),)))
    shortened = f"4 errors occurred: {'x' * 138}..."
    assert f"because {shortened}); `" in text
    assert f"` {shortened}, by Bob\n" in text


def long_changes(count: int) -> PlanReport:
    values = tuple(ValueChange(path=f"p{number}", before="b" * 100, after="c" * 100) for number in range(30))
    changes = tuple(change(Operation.UPDATE, values=values).model_copy(update={"component": f"component-{number:03}"}) for number in range(count))
    return report(*changes)


def test_long_reports_are_folded_and_cut_with_a_pointer():
    text = render(long_changes(2))
    assert text.count("<details>") == text.count("</details>") == 2
    cut = render(long_changes(40))
    assert len(cut) <= LONGEST
    assert cut.count("<details>") == cut.count("</details>") > 5
    assert cut.count("```") % 2 == 0
    left = 40 - cut.count("<details>")
    assert f"Too long for a comment: {left} components not shown here. All of it: `converge plan dev`" in cut
    assert len(render(long_changes(40), full=True)) > LONGEST


def test_a_table_that_is_too_long_is_cut_too():
    text = render(report(*long_changes(1).infrastructure.changes, violations=(BROKEN.model_copy(update={"message": "x" * 900}),) * 100))
    assert len(text) <= LONGEST
    assert "Too long for a comment: 1 component not shown here." in text
