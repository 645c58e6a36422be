import pulumi
import pytest

from components.resource_group import group_name
from tests.unit.components.recording import GROUP, SUBSCRIPTION, UNKNOWN, Recording, consume, record


def _recorded(*, existing: str = "", preview: bool = False, protect: bool = False) -> Recording:
    def program() -> None:
        parent = pulumi.ComponentResource("test:index:Parent", "parent", None, pulumi.ResourceOptions(protect=protect))
        consume(group=group_name("group", existing=existing, tags={"application": "converge"}, parent=parent))

    return record(program, preview=preview)


def test_a_group_is_made():
    recording = _recorded()
    made = recording.only(GROUP)
    # No name: Azure's gets a random end, so that two stacks never share one.
    assert made.inputs == {"tags": {"application": "converge"}}
    assert made.parent == "parent"
    assert recording.named("consumer").inputs == {"group": "group"}
    assert recording.named("consumer").dependencies == {"group"}
    assert _recorded(preview=True).named("consumer").inputs == {"group": UNKNOWN}


@pytest.mark.parametrize("preview", [True, False])
def test_or_one_that_exists_is_named(preview: bool):
    recording = _recorded(existing=f"{SUBSCRIPTION}/resourceGroups/ours", preview=preview)
    assert recording.of(GROUP) == []
    assert recording.named("consumer").inputs == {"group": "ours"}


@pytest.mark.parametrize("protect", [True, False])
def test_a_group_is_protected_with_what_lies_in_it(protect: bool):
    # Deleting the group would delete all of it.
    assert _recorded(protect=protect).only(GROUP).protected is protect
