"""Gradient boosting: whether a tumour is benign, by 30 measurements of its cells. LightGBM, exported by onnxmltools.

python -m examples.boosting.train --out examples/out/boosting
"""

import sys
from pathlib import Path
from typing import Any

import lightgbm
from examples.model_folder import Data, Exported, main, write
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer


def load_data() -> Data:
    """569 tumours; label 1: benign."""
    bunch: Any = load_breast_cancer()
    return Data("scikit-learn breast cancer", bunch.data.astype("<f4"), bunch.target.astype("<i8"))


def train(out: Path) -> dict[str, float]:
    """Trains 60 small trees."""
    data = load_data()
    rows, labels, held_out, _ = data.split()
    # One thread and one way of building histograms: the same bytes each time.
    trees = lightgbm.LGBMClassifier(n_estimators=60, num_leaves=8, random_state=0, n_jobs=1, deterministic=True, force_row_wise=True, verbose=-1)
    trees.fit(rows, labels)
    initial_types = [("features", FloatTensorType([None, rows.shape[1]]))]
    model: Any = convert_lightgbm(trees, name="tumour", initial_types=initial_types, zipmap=False, target_opset=15)
    # The converter declares one label whatever the number of rows; callers, and the service, believe what is declared.
    label = next(output for output in model.graph.output if output.name == "label")
    label.type.tensor_type.shape.dim[0].dim_param = "rows"
    probabilities: Any = trees.predict_proba(held_out)
    exported = Exported(model.SerializeToString(deterministic=True), {"features": held_out}, probabilities)
    return write(out, exported, data, "python -m examples.boosting.train")


if __name__ == "__main__":
    sys.exit(main("boosting", train))
