"""One small model of each kind, trained from data that comes with scikit-learn. Nothing here reaches the image."""

import os

# As in training/: before ONNX Runtime is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
