"""Your own code, tested by itself: plain functions with arrays, and the service for what takes a route. Change it with hooks.py."""

from typing import Any

import httpx
import numpy as np
import pytest
from app import hooks


def test_pictures_pass_as_they_are() -> None:
    inputs = {"image": np.full((2, 64), hooks.BRIGHTEST_PIXEL, np.float32)}
    assert hooks.preprocess(inputs) is inputs


@pytest.mark.parametrize("pixel", [-1, 255])
def test_other_pixels_are_refused(client: httpx.Client, infer_path: str, golden_input: dict[str, Any], pixel: float) -> None:
    response = client.post(infer_path, json={"inputs": [{**golden_input, "data": [pixel, *golden_input["data"][1:]]}]})
    assert response.status_code == 400
    assert "input 'image': values must lie between 0 and 16, got " in response.json()["error"]


def test_every_answer_tells_the_release_and_the_lowest_confidence() -> None:
    outputs = {"label": np.array([1, 0]), "probabilities": np.array([[0.1, 0.9], [0.61238, 0.38762]], np.float32)}
    answered, parameters = hooks.postprocess(outputs)
    assert answered is outputs
    assert parameters == {"app_release": hooks.APP_RELEASE, "lowest_confidence": 0.6124}


def test_a_picture_as_eight_rows(client: httpx.Client, golden: dict[str, Any]) -> None:
    for case in golden["cases"]:
        pixels = case["inputs"][0]["data"][:64]
        answer = client.post("/digits", json=[pixels[row : row + 8] for row in range(0, 64, 8)]).raise_for_status().json()
        assert answer["digit"] == case["outputs"][0]["data"][0]
        assert 0 < answer["confidence"] <= 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("nonsense", "the body is not valid JSON"),
        ("[[NaN]]", "the body is not valid JSON"),
        ("[1, 2]", "8 x 8 numbers are needed, in lists within a list"),
        (str([[0] * 8] * 7), "8 x 8 numbers are needed, in lists within a list"),
        (str([["a"] * 8] * 8).replace("'", '"'), "8 x 8 numbers are needed; something in there is no number"),
        (str([[99] * 8] * 8), "input 'image': values must lie between 0 and 16, got 99 to 99"),
        (str([[10**400] * 8] * 8), "a number is too large"),
    ],
)
def test_what_is_no_picture(client: httpx.Client, body: str, message: str) -> None:
    response = client.post("/digits", content=body)
    assert (response.status_code, response.json()) == (400, {"error": message})
