"""The golden requests that were published with the model: the service must answer them as training did."""

from typing import Any

import httpx
import numpy as np


def test_golden_requests(client: httpx.Client, golden: dict[str, Any], infer_path: str) -> None:
    assert golden["cases"], "a model without golden requests is not proven to work"
    tolerance = golden["tolerance"]
    for number, case in enumerate(golden["cases"]):
        response = client.post(infer_path, json={"inputs": case["inputs"]})
        assert response.status_code == 200, f"golden request {number}: {response.text}"
        answered = {output["name"]: output for output in response.json()["outputs"]}
        for expected in case["outputs"]:
            actual = answered[expected["name"]]
            assert (actual["datatype"], actual["shape"]) == (expected["datatype"], expected["shape"])
            np.testing.assert_allclose(actual["data"], expected["data"], **tolerance, err_msg=f"golden request {number}: {expected['name']}")


def test_a_batch_answers_each_row_like_the_row_alone(client: httpx.Client, golden: dict[str, Any], infer_path: str) -> None:
    rows = [case["inputs"][0]["data"] for case in golden["cases"] if case["inputs"][0]["shape"] == [1, 64]]
    batch = {"name": "image", "shape": [len(rows), 64], "datatype": "FP32", "data": rows}
    together = client.post(infer_path, json={"inputs": [batch], "outputs": [{"name": "label"}]}).json()
    alone = [client.post(infer_path, json={"inputs": [{**batch, "shape": [1, 64], "data": row}]}).json() for row in rows]
    assert together["outputs"][0]["data"] == [answer["outputs"][0]["data"][0] for answer in alone]
