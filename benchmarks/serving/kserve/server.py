"""KServe's Python server with a model class for ONNX, without the line that it logs for each request's latency."""
# Runs in the environment of this folder's requirements.txt; pyright looks into the repository's, where what is imported here is missing.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import logging
import os
from pathlib import Path

import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Digits(Model):
    """The digits model."""

    def __init__(self) -> None:
        super().__init__("digits")
        self.load()

    def load(self) -> bool:
        """Opens the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(Path(os.environ["MODEL_DIR"]) / "model.onnx", options, providers=["CPUExecutionProvider"])
        self.ready = True
        return self.ready

    async def predict(self, payload: InferRequest, headers: dict[str, str] | None = None, response_headers: dict[str, str] | None = None) -> InferResponse:  # noqa: ARG002 - KServe's signature
        """Answers with label and probabilities, in binary when that was asked for."""
        label, probabilities = self.session.run(["label", "probabilities"], {"image": payload.inputs[0].as_numpy()})
        # As arrays: KServe then encodes them once, in the form that was asked for.
        outputs = [InferOutput("label", list(label.shape), "INT64", label), InferOutput("probabilities", list(probabilities.shape), "FP32", probabilities)]
        binary = payload.use_binary_outputs
        return InferResponse(response_id=payload.id or "", model_name=self.name, infer_outputs=outputs, use_binary_outputs=binary)

    def __reduce__(self) -> tuple[type["Digits"], tuple[()]]:
        """A session cannot be sent to another worker, which opens the model itself."""
        return Digits, ()


if __name__ == "__main__":
    server = ModelServer(
        http_port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        enable_grpc=False,
        enable_docs_url=False,
        enable_latency_logging=False,
        event_loop="uvloop",
    )
    # What remains writes a line per request at INFO: the middleware that times requests, and uvicorn.
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    server.start([Digits()])
