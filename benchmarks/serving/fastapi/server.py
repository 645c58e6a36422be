"""Plain FastAPI and uvicorn, as one would write it by hand, and quick: typed bodies, the answer encoded by orjson, inference in the event loop."""
# Runs in the environment of this folder's requirements.txt; pyright looks into the repository's, where what is imported here is missing.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import os
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(Path(os.environ["MODEL_DIR"]) / "model.onnx", options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Tensor(BaseModel):
    """A tensor of a request."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(BaseModel):
    """What a client asks."""

    inputs: list[Tensor]


@app.post("/v2/models/digits/infer")
async def infer(request: Request) -> Response:
    """Answers with label and probabilities."""
    tensor = request.inputs[0]
    image = np.array(tensor.data, dtype=np.float32).reshape(tensor.shape)
    label, probabilities = session.run(["label", "probabilities"], {"image": image})
    outputs = [
        {"name": "label", "datatype": "INT64", "shape": label.shape, "data": label},
        {"name": "probabilities", "datatype": "FP32", "shape": probabilities.shape, "data": probabilities.ravel()},
    ]
    answer = {"model_name": "digits", "outputs": outputs}
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        "server:app", host="127.0.0.1", port=int(os.environ["PORT"]), workers=int(os.environ["WORKERS"]), loop="uvloop", http="httptools", access_log=False
    )
