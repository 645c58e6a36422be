"""How the model is made. Runs on a data scientist's machine or in a training job, never in the image."""

import os

# ONNX Runtime's official builds report to Microsoft unless this stands before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
