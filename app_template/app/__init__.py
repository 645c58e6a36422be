"""An AI service: one ONNX model behind the Open Inference Protocol (HTTP). Start it with `python -m app`."""

import os

# ONNX Runtime's official builds report to Microsoft unless this stands before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
