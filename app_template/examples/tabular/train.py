"""A table: which of three growers a wine is from, by 13 measurements. scikit-learn.

python -m examples.tabular.train --out examples/out/tabular
"""

import sys
from pathlib import Path
from typing import Any

from examples.model_folder import Data, Exported, main, write
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def load_data() -> Data:
    """178 wines."""
    bunch: Any = load_wine()
    return Data("scikit-learn wine", bunch.data.astype("<f4"), bunch.target.astype("<i8"))


def train(out: Path) -> dict[str, float]:
    """Trains logistic regression on scaled columns."""
    data = load_data()
    rows, labels, held_out, _ = data.split()
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression(max_iter=500))]).fit(rows, labels)
    model: Any = convert_sklearn(
        pipeline,
        name="wine",  # without it the graph is named with a random id
        initial_types=[("features", FloatTensorType([None, rows.shape[1]]))],
        options={id(pipeline): {"zipmap": False}},  # a tensor of probabilities; a map per row cannot be served
        target_opset={"": 17, "ai.onnx.ml": 1},
    )
    exported = Exported(model.SerializeToString(deterministic=True), {"features": held_out}, pipeline.predict_proba(held_out))
    return write(out, exported, data, "python -m examples.tabular.train")


if __name__ == "__main__":
    sys.exit(main("tabular", train))
