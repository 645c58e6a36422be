"""A comment on a pull request: nothing in it is taken for markup, and nothing is cut that matters."""

from hypothesis import given
from hypothesis import strategies as st

from delivery.plan.escaping import fenced
from delivery.plan.markdown import render
from delivery.plan.report import Operation, ValueChange
from tests.unit.delivery.plan.reports import BROKEN, LOST, change, report


def test_the_whole():
    values = (ValueChange(path="sku.name", before="Standard_LRS", after="Standard_ZRS"), ValueChange(path="kind", before="a", after="b", replaces=True))
    text = render(report(change(Operation.REPLACE, values=values, effects=(LOST,)), violations=(BROKEN,), hints=("service digits is not deployed",)))
    assert text == (
        "## Plan of dev against 1a2b3c4 (main)\n\n"
        "**1 replaced; 7 unchanged.** Policies: 90 of 100 (it was 95): 8 rules passed, 1 failed, 1 cannot be told before an update, 2 do not apply.\n\n"
        "> **Danger**\n>\n"
        "> - **data loss**: storage.StorageAccount `account` (replace): deletes every blob of the account\n\n"
        "| rule | severity | resource | what is wrong | fix |\n|---|---|---|---|---|\n"
        "| CVG107 | high | account | publicNetworkAccess is Enabled | set it to Disabled |\n\n"
        "**converge-models: 1 resource**\n\n"
        "```diff\n"
        "-+ storage.StorageAccount account\n"
        "   # data loss: deletes every blob of the account\n"
        "     sku.name: Standard_LRS => Standard_ZRS\n"
        "     kind: a => b   (cannot be changed in place)\n"
        "```\n\n"
        "service digits is not deployed\n\n"
    )


def test_nothing_changes():
    text = render(report())
    assert "**nothing changes; 7 unchanged.**" in text
    assert "Danger" not in text
    assert "<details" not in text


def test_known_violations_are_counted_only():
    known = BROKEN.model_copy(update={"new": False})
    text = render(report(change(Operation.UPDATE), violations=(known,)))
    assert "CVG107" not in text
    assert "1 violation is as in the base." in text
    assert "2 violations are as in the base." in render(report(change(Operation.UPDATE), violations=(known, known)))
    assert "violation" not in render(report(violations=(known,)))


def test_values_of_new_resources_are_shown_beside_old_ones_and_in_full_plans():
    created = change(Operation.CREATE, values=(ValueChange(path="sku.name", after="Standard_LRS"),))
    assert "sku.name: Standard_LRS" in render(report(created))
    assert "sku.name" not in render(report(created, base=None))
    assert "sku.name: Standard_LRS" in render(report(created, base=None), full=True)


def test_a_long_value_is_cut_unless_all_is_wanted():
    long = change(Operation.UPDATE, values=(ValueChange(path="a", before="b", after="c" * 500),))
    assert "c" * 500 not in render(report(long))
    assert "ccc..." in render(report(long))
    assert "c" * 500 in render(report(long), full=True)


def test_many_values_are_counted_unless_all_are_wanted():
    many = change(Operation.UPDATE, values=tuple(ValueChange(path=f"p{number}", after="x") for number in range(50)))
    assert "and 20 more" in render(report(many))
    assert "p49" in render(report(many), full=True)


@given(st.text())
def test_no_text_can_end_a_block_of_code(text: str):
    lines = list(fenced([f"x {text}"], "diff"))
    fence = lines[-1]
    assert set(fence) == {"`"}
    assert lines[0] == f"{fence}diff"
    assert fence not in text


@given(st.text())
def test_a_value_stays_on_its_line(text: str):
    def lines(after: str) -> int:
        return len(render(report(change(Operation.UPDATE, values=(ValueChange(path="a", before="b", after=after),)))).splitlines())

    assert lines(text) == lines("c")


def test_a_hash_is_told_by_its_start_unless_all_is_wanted():
    digest = "d4f7c1a2e93b" + "0" * 52
    built = change(Operation.UPDATE, values=(ValueChange(path="image", before=f"r/a@sha256:{'1' * 64}", after=f"r/a@sha256:{digest}"),))
    assert "image: r/a@sha256:111111111111... => r/a@sha256:d4f7c1a2e93b..." in render(report(built))
    assert f"=> r/a@sha256:{digest}" in render(report(built), full=True)
