"""A plan on a terminal and in a log."""

import io

from rich.console import Console

from delivery.plan.report import Operation, ValueChange
from delivery.plan.terminal import show
from tests.unit.delivery.plan.reports import BROKEN, LOST, change, report


def shown(*arguments: object, **more: object) -> str:
    output = io.StringIO()
    show(report(*arguments, **more), Console(file=output, width=40))  # pyright: ignore[reportArgumentType] - passed on as they are
    return output.getvalue()


def test_the_whole():
    values = (ValueChange(path="sku.name", before="Standard_LRS", after="Standard_ZRS"),)
    text = shown(change(Operation.REPLACE, values=values, effects=(LOST,)), violations=(BROKEN,), hints=("service digits is not deployed",))
    assert text == (
        "Plan of dev against 1a2b3c4 (main)\n"
        "  1 replaced; 7 unchanged\n"
        "\nconverge-models\n"
        "  -+ storage.StorageAccount account\n"
        "       # data loss: deletes every blob of the account\n"
        "       sku.name: Standard_LRS => Standard_ZRS\n"
        "\nDanger\n"
        "  data loss: storage.StorageAccount account (replace): deletes every blob of the account\n"
        "\nPolicies: 90 of 100 (it was 95): 8 rules passed, 1 failed, 1 cannot be told before an update, 2 do not apply\n"
        "  CVG107 (high): account: publicNetworkAccess is Enabled\n"
        "    fix: set it to Disabled\n"
        "\nservice digits is not deployed\n"
    )


def test_values_of_new_resources_are_left_out():
    assert "sku" not in shown(change(Operation.CREATE, values=(ValueChange(path="sku.name", after="Standard_LRS"),)))


def test_markup_of_the_console_in_a_value_is_text():
    assert "a: [red]x[/red] => y" in shown(change(Operation.UPDATE, values=(ValueChange(path="a", before="[red]x[/red]", after="y"),)))


def test_violations_of_the_base_are_counted():
    text = shown(violations=(BROKEN.model_copy(update={"new": False}),))
    assert "1 violation is as in the base; `--base none` lists them" in text
    assert "CVG107" not in text


def test_a_stack_that_refuses_says_so():
    words = "; the stack refuses an update that breaks one"
    assert words in shown(violations=(BROKEN,), enforced=True)
    assert words not in shown(violations=(BROKEN,))
    assert words not in shown(enforced=True)
