import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from model_store import Lock, LockedModel, LockedService
from settings import agreement
from settings.parts import Service
from tests.unit.model_store.samples import locked
from tests.unit.settings.stack_files import ROOT

Tensors = list[dict[str, Any]]
_INPUTS: Tensors = [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}]
_OUTPUTS: Tensors = [{"name": "label", "datatype": "INT64", "shape": [-1]}]


def _app(root: Path, inputs: Tensors, outputs: Tensors, name: str = "app_template") -> Path:
    folder = root / name
    (folder / "app").mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "app" / "contract.json").write_text(json.dumps({"inputs": inputs, "outputs": outputs}))
    return folder


def _model(**changes: Any) -> LockedModel:
    return locked(3, **{"inputs": _INPUTS, "outputs": _OUTPUTS, **changes})


def _problems(root: Path, model: LockedModel | None = None, services: tuple[Service, ...] = (Service(name="digits"),)) -> list[str]:
    lock = Lock(services={"digits": LockedService(model=model or _model())})
    return list(agreement.problems(services, lock, "locks/dev.json", root))


def _differences(contract: tuple[Tensors, Tensors], model: tuple[Tensors, Tensors]) -> list[str]:
    made = agreement.Contract.model_validate({"inputs": contract[0], "outputs": contract[1]})
    return list(agreement._differences(made, _model(inputs=model[0], outputs=model[1])))


_DIMENSIONS = st.lists(st.sampled_from([-1, 1, 2, 3]), max_size=3)
_DATATYPES = st.sampled_from(["FP32", "INT64", "BYTES"])
_TENSORS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["a", "b", "c"]), "datatype": _DATATYPES, "shape": _DIMENSIONS}),
    min_size=1,
    max_size=3,
    unique_by=lambda tensor: str(tensor["name"]),
)


def _possible(shape: list[int]) -> set[tuple[int, ...]]:
    """Every size that a shape stands for; 4 stands for all sizes that no shape here names."""
    return set(product(*([1, 2, 3, 4] if dimension == -1 else [dimension] for dimension in shape)))


def _fit(contract: tuple[Tensors, Tensors], model: tuple[Tensors, Tensors]) -> bool:
    """Said the other way: whatever the app sends the model takes, and whatever the model gives the app takes."""
    sent, taken = ({tensor["name"]: tensor for tensor in tensors} for tensors in (contract[0], model[0]))
    needed, given_ = ({tensor["name"]: tensor for tensor in tensors} for tensors in (contract[1], model[1]))
    return (
        set(sent) == set(taken)
        and set(needed) <= set(given_)
        and all(taken[name]["datatype"] == sent[name]["datatype"] and _possible(sent[name]["shape"]) <= _possible(taken[name]["shape"]) for name in sent)
        and all(
            given_[name]["datatype"] == needed[name]["datatype"] and _possible(given_[name]["shape"]) <= _possible(needed[name]["shape"]) for name in needed
        )
    )


@given(_TENSORS, _TENSORS, _TENSORS, _TENSORS)
@hypothesis(deadline=None)
def test_a_model_fits_exactly_if_both_understand_each_other(inputs: Tensors, outputs: Tensors, taken: Tensors, given_: Tensors):
    assert (_differences((inputs, outputs), (taken, given_)) == []) == _fit((inputs, outputs), (taken, given_))


@given(_TENSORS, _TENSORS, st.data())
@hypothesis(deadline=None)
def test_a_model_that_differs_in_shapes_only_fits_exactly_if_it_takes_and_gives_what_is_needed(inputs: Tensors, outputs: Tensors, data: st.DataObject):
    def reshaped(tensors: Tensors) -> Tensors:
        # Of the same rank, or hardly any would ever fit.
        return [{**tensor, "shape": [data.draw(st.sampled_from([-1, dimension, 2])) for dimension in tensor["shape"]]} for tensor in tensors]

    model = reshaped(inputs), reshaped(outputs)
    assert (_differences((inputs, outputs), model) == []) == _fit((inputs, outputs), model)


@given(_TENSORS, _TENSORS)
@hypothesis(deadline=None)
def test_a_model_that_declares_what_the_app_declares_fits(inputs: Tensors, outputs: Tensors):
    assert _differences((inputs, outputs), (inputs, outputs)) == []
    assert _differences((inputs, outputs), (inputs[::-1], [*outputs, {"name": "more", "datatype": "FP32", "shape": [1]}])) == []


def test_the_template_is_an_app():
    services = (Service(name="digits", app="app_template"),)
    assert list(agreement.problems(services, Lock(), "locks/dev.json", ROOT)) == []
    contract = agreement.Contract.model_validate_json((ROOT / "app_template" / "app" / "contract.json").read_bytes())
    assert [str(tensor) for tensor in contract.inputs] == ["image FP32 [-1, 64]"]


def test_an_app_with_its_model_has_no_problem(tmp_path: Path):
    _app(tmp_path, _INPUTS, _OUTPUTS)
    assert _problems(tmp_path) == []


def test_a_service_without_a_model_has_no_problem(tmp_path: Path):
    _app(tmp_path, _INPUTS, _OUTPUTS)
    _app(tmp_path, _INPUTS, _OUTPUTS, "other")
    assert _problems(tmp_path, services=(Service(name="digits"), Service(name="waiting", app="other"))) == []


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (["Dockerfile"], "Dockerfile"),
        (["app/contract.json"], "app/contract.json"),
        (["Dockerfile", "app/contract.json"], "Dockerfile and no app/contract.json"),
    ],
)
def test_a_folder_that_is_no_app_is_told(tmp_path: Path, missing: list[str], text: str):
    folder = _app(tmp_path, _INPUTS, _OUTPUTS, "other")
    for name in missing:
        (folder / name).unlink()
    _app(tmp_path, _INPUTS, _OUTPUTS)
    services = (Service(name="digits"), Service(name="other", app="other"))
    assert _problems(tmp_path, services=services) == [f"converge:services[1].app: was 'other', which has no {text}; name a folder made from app_template"]


def test_a_folder_that_is_no_app_is_not_compared_with_its_model(tmp_path: Path):
    assert _problems(tmp_path) == [
        "converge:services[0].app: was 'app_template', which has no Dockerfile and no app/contract.json; name a folder made from app_template"
    ]


def test_a_lock_for_a_service_that_is_not_there_is_told(tmp_path: Path):
    _app(tmp_path, _INPUTS, _OUTPUTS)
    assert _problems(tmp_path, services=(Service(name="other"),)) == [
        "locks/dev.json: has a model for the service 'digits', which converge:services does not have; add the service there, or remove it from the lock"
    ]


def test_a_lock_with_another_model_is_told_with_the_command_that_changes_it(tmp_path: Path):
    _app(tmp_path, _INPUTS, _OUTPUTS)
    (problem,) = _problems(tmp_path, services=(Service(name="digits", model="letters"),))
    assert problem == (
        "converge:services[0].model: is 'letters', but locks/dev.json has the model 'digits'; "
        "run `converge model promote letters latest --stack dev --service digits`"
    )


@pytest.mark.parametrize(
    ("model", "difference"),
    [
        (
            {"inputs": [{"name": "image", "datatype": "FP64", "shape": [-1, 64]}]},
            "the app needs input image FP32 [-1, 64], the model has image FP64 [-1, 64]",
        ),
        (
            {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 64]}]},
            "the app needs input image FP32 [-1, 64], the model has image FP32 [1, 64]",
        ),
        (
            {"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1]}]},
            "the app needs input image FP32 [-1, 64], the model has image FP32 [-1]",
        ),
        (
            {"inputs": [*_INPUTS, {"name": "mask", "datatype": "BOOL", "shape": []}]},
            "the model needs input mask BOOL [], the app does not send it",
        ),
        (
            {"outputs": [{"name": "score", "datatype": "FP32", "shape": [-1]}, {"name": "label", "datatype": "FP32", "shape": [-1]}]},
            "the app needs output label INT64 [-1], the model has label FP32 [-1]",
        ),
        (
            {"outputs": [{"name": "score", "datatype": "FP32", "shape": [-1]}, {"name": "rank", "datatype": "INT64", "shape": [2]}]},
            "the app needs output label INT64 [-1], the model has score FP32 [-1], rank INT64 [2]",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_told_with_both_sides(tmp_path: Path, model: dict[str, Any], difference: str):
    folder = _app(tmp_path, _INPUTS, _OUTPUTS)
    assert _problems(tmp_path, _model(**model)) == [
        f"digits: model digits version 3 does not fit the app: {difference} (app: {folder.as_posix()}/app/contract.json; model: locks/dev.json)"
    ]


def test_a_renamed_input_is_told_from_both_sides(tmp_path: Path):
    _app(tmp_path, _INPUTS, _OUTPUTS)
    found = _problems(tmp_path, _model(inputs=[{"name": "picture", "datatype": "FP32", "shape": [-1, 64]}]))
    assert [problem.partition("does not fit the app: ")[2].partition(" (app:")[0] for problem in found] == [
        "the app needs input image FP32 [-1, 64], the model has picture FP32 [-1, 64]",
        "the model needs input picture FP32 [-1, 64], the app does not send it",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"inputs": []}', '{"inputs": [{"name": "a"}], "outputs": []}'])
def test_a_contract_that_cannot_be_read_is_told(tmp_path: Path, text: str):
    contract = _app(tmp_path, _INPUTS, _OUTPUTS) / "app" / "contract.json"
    contract.write_text(text)
    (problem,) = _problems(tmp_path)
    assert problem.startswith(f"{contract}: cannot be read as inputs and outputs: ")
    assert "\n" not in problem


def test_an_image_that_was_built_before_is_not_held_against_what_the_app_has_become(tmp_path: Path):
    """The lock goes back to an app with a contract of its own; which model the service runs is still the settings' business."""
    _app(tmp_path, _INPUTS, [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}])
    assert _problems(tmp_path), "built from this commit it would not fit"
    lock = Lock(services={"digits": LockedService(model=_model(), image=f"sha256:{'e' * 64}")})
    assert list(agreement.problems((Service(name="digits"),), lock, "locks/dev.json", tmp_path)) == []
    (problem,) = agreement.problems((Service(name="digits", model="letters"),), lock, "locks/dev.json", tmp_path)
    assert problem.startswith("converge:services[0].model: is 'letters', but locks/dev.json has the model 'digits'; ")
