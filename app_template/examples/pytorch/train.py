"""PyTorch: a small convolutional network that reads digits of 8 x 8 pixels.

    python -m examples.pytorch.train --out examples/out/pytorch

PyTorch is not among the locked packages (README.md says why and how to get it).
"""

import inspect
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch  # pyright: ignore[reportMissingImports] - not among the locked packages
from examples.model_folder import Data, Exported, main, write
from sklearn.datasets import load_digits
from torch import nn  # pyright: ignore[reportMissingImports] - as above

OPSET = 16
EPOCHS = 30
BATCH = 64
BRIGHTEST = 16.0


class Network(nn.Module):
    """Two convolutions; the label is part of the model, so that callers get it, too."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(32 * 4 * 4, 10),
        )

    def scores(self, image: torch.Tensor) -> torch.Tensor:
        """Before softmax, as the loss wants them."""
        return self.layers(image / BRIGHTEST)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From image FP32 [-1, 1, 8, 8] to label INT64 [-1], probabilities FP32 [-1, 10]."""
        scores = self.scores(image)
        return scores.argmax(dim=1), scores.softmax(dim=1)


def load_data() -> Data:
    """1797 pictures, one channel, pixels from 0 to 16."""
    bunch: Any = load_digits()
    return Data("scikit-learn digits", bunch.images.astype("<f4")[:, None], bunch.target.astype("<i8"))


def fit(network: Network, rows: torch.Tensor, labels: torch.Tensor) -> None:
    """The same order of rows and the same start values each time."""
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    network.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(rows)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network.scores(rows[batch]), labels[batch]).backward()
            optimizer.step()
    network.eval()


def export(network: Network) -> bytes:
    """The network as ONNX, with any number of rows."""
    buffer = io.BytesIO()
    free = {name: {0: "rows"} for name in ("image", "label", "probabilities")}
    # From PyTorch 2.5 on there are two exporters; this is the one that also older versions have.
    which = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    names = {"input_names": ["image"], "output_names": ["label", "probabilities"]}
    torch.onnx.export(network, (torch.zeros(1, 1, 8, 8),), buffer, opset_version=OPSET, dynamic_axes=free, **names, **which)
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def train(out: Path) -> dict[str, float]:
    """Trains for 30 rounds; a few seconds on one core."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = load_data()
    rows, labels, held_out, _ = data.split()
    network = Network()
    fit(network, torch.from_numpy(rows), torch.from_numpy(labels))
    with torch.no_grad():
        probabilities = network(torch.from_numpy(held_out))[1].numpy()
    return write(out, Exported(export(network), {"image": np.asarray(held_out)}, probabilities), data, "python -m examples.pytorch.train")


if __name__ == "__main__":
    sys.exit(main("pytorch", train))
