"""MLServer with a runtime of its own for ONNX, without the pool of inference processes, whose queues cost more than a small model's inference."""
# Runs in the environment of this folder's requirements.txt; pyright looks into the repository's, where what is imported here is missing.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import os
from pathlib import Path

import onnxruntime
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Digits(MLModel):
    """The digits model."""

    async def load(self) -> bool:
        """Opens the model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(Path(os.environ["MODEL_DIR"]) / "model.onnx", options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answers with label and probabilities."""
        image = NumpyCodec.decode_input(payload.inputs[0])
        label, probabilities = self.session.run(["label", "probabilities"], {"image": image})
        outputs = [NumpyCodec.encode_output("label", label), NumpyCodec.encode_output("probabilities", probabilities)]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def main() -> None:
    """Serves until it is told to end."""
    port, workers = int(os.environ["PORT"]), int(os.environ["WORKERS"])
    settings = Settings(
        debug=False,  # also: no access log
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,
        metrics_port=port + 2,
        # One worker: in the server's own process. More: its pool, which is how it uses more cores.
        parallel_workers=workers if workers > 1 else 0,
        metrics_dir=os.environ["WORK_DIR"],
        metrics_endpoint="/metrics" if os.environ.get("METRICS", "on") == "on" else None,
        gzip_enabled=False,
    )
    server = MLServer(settings)
    await server.start([ModelSettings(name="digits", implementation=Digits)])


if __name__ == "__main__":
    # `mlserver start` does the same.
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
