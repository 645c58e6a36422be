"""The program with something changed: a setting, an argument, or what an SDK resource is given. Never the plan itself."""

import re
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest

from policies import PlannedResource
from tests.unit.components import test_program
from tests.unit.components.recording import Recording
from tests.unit.policies.recorded import planned
from tests.unit.settings.stack_files import stack_values

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_./-]*)|\[(\d+)\]")


@dataclass(frozen=True)
class Input:
    """An input of every SDK resource of a type, by its Python path, and what a stack's transformation makes of it."""

    kind: str
    path: str
    value: Any


def plan(
    folder: Path,
    *,
    stack: str = "prod",
    settings: Mapping[str, Any] | None = None,
    inputs: Sequence[Input] = (),
    beside: Sequence[Callable[[], object]] = (),
    known: bool = False,
) -> list[PlannedResource]:
    """The plan of a committed stack, from nothing.

    Args:
        folder: where the checkout is laid out.
        stack: whose settings.
        settings: keys that replace the committed ones, nested ones one by one.
        inputs: what is changed on its way from the components to the SDK.
        beside: what else is declared in the same program.
        known: as an update sees it, with the ids and outputs of what was made before; otherwise as a preview does.
    """
    changes = {key.replace(":", "__"): _merged(stack_values(stack).get(key), value) for key, value in (settings or {}).items()}
    recording = Recording()
    try:
        with _changed(inputs, beside):
            test_program._run(folder, stack, preview=not known, into=recording, **changes)
    except SystemExit as error:
        raise AssertionError("\n".join(recording.logs)) from error
    return planned(recording)


def _merged(old: Any, new: Any) -> Any:
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}} if isinstance(old, dict) and isinstance(new, dict) else new


@contextmanager
def _changed(inputs: Sequence[Input], beside: Sequence[Callable[[], object]]) -> Iterator[None]:
    run_path = runpy.run_path

    def run(path: str) -> dict[str, Any]:
        if Path(path).name == "__main__.py":
            pulumi.runtime.register_stack_transformation(lambda args: _transformed(args, inputs))
            for declare in beside:
                declare()
        return run_path(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runpy, "run_path", run)
        yield


def _transformed(args: pulumi.ResourceTransformationArgs, inputs: Sequence[Input]) -> pulumi.ResourceTransformationResult | None:
    wanted = [change for change in inputs if change.kind == args.type_ and not args.name.startswith("wrong")]
    for change in wanted:
        _set(args.props, change.path, change.value)
    return pulumi.ResourceTransformationResult(args.props, args.opts) if wanted else None


def _set(props: Any, path: str, value: Any) -> None:
    """Nothing where there is nothing on the way: one of several resources of a type."""
    *steps, last = [name or int(index) for part in path.split(".") for name, index in _STEP.findall(part)]
    holder = props
    for step in steps:
        if holder is None:
            return
        holder = holder[step] if isinstance(holder, dict | list) else getattr(holder, str(step))
    if isinstance(holder, dict | list):
        holder[last] = value
    elif holder is not None:
        setattr(holder, str(last), value)
