"""Pictures as bytes: which digit 8 x 8 pixels show. A convolution whose filters are k-means of small patches, without a deep-learning library.

    python -m examples.image.train --out examples/out/image

The graph is put together by hand: from bytes to numbers, the filters, the strongest answer in each quarter of the picture,
and scikit-learn's logistic regression. The caller sends the pixels as they are (UINT8), a quarter of FP32's size.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from examples.model_folder import Data, Exported, main, write
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

FILTERS = 24
SIDE = 3  # pixels of a filter
BRIGHTEST = 16.0
Floats = NDArray[np.float32]


def load_data() -> Data:
    """1797 pictures, pixels from 0 to 16."""
    bunch: Any = load_digits()
    return Data("scikit-learn digits", bunch.images.astype(np.uint8), bunch.target.astype("<i8"))


def patches(pictures: NDArray[np.uint8]) -> Floats:
    """Every window of a filter's size: [pictures, 6, 6, 9]."""
    windows = sliding_window_view(pictures.astype(np.float32) / np.float32(BRIGHTEST), (SIDE, SIDE), axis=(1, 2))
    return windows.reshape(*windows.shape[:3], SIDE * SIDE)


def filters(pictures: NDArray[np.uint8]) -> Floats:
    """[FILTERS, 9]: what small parts of the pictures look like, each without its mean so that a flat part answers nothing."""
    some = patches(pictures).reshape(-1, SIDE * SIDE)[::7]
    some = some[some.std(axis=1) > 0.1]
    centers = KMeans(FILTERS, n_init="auto", random_state=0).fit(some - some.mean(axis=1, keepdims=True)).cluster_centers_
    return (centers / np.linalg.norm(centers, axis=1, keepdims=True)).astype(np.float32)


def features(pictures: NDArray[np.uint8], kernels: Floats) -> Floats:
    """What the graph computes before the last step: [pictures, FILTERS * 4]."""
    answers = np.maximum(patches(pictures) @ kernels.T, 0).transpose(0, 3, 1, 2)
    return answers.reshape(len(pictures), FILTERS, 2, 3, 2, 3).max(axis=(3, 5)).reshape(len(pictures), -1)


def export(kernels: Floats, classifier: LogisticRegression) -> bytes:
    """From image UINT8 [-1, 8, 8] to label INT64 [-1], probabilities FP32 [-1, 10]."""
    constants = {
        "brightest": np.array(BRIGHTEST, np.float32),
        "channel": np.array([1], np.int64),
        "kernels": kernels.reshape(FILTERS, 1, SIDE, SIDE),
        "weights": np.asarray(classifier.coef_, np.float32).T,
        "bias": np.asarray(classifier.intercept_, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "brightest"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "channel"], ["pictures"]),
        helper.make_node("Conv", ["pictures", "kernels"], ["filtered"]),
        helper.make_node("Relu", ["filtered"], ["positive"]),
        helper.make_node("MaxPool", ["positive"], ["strongest"], kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("Flatten", ["strongest"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "pictures",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["rows", 8, 8])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 10]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def train(out: Path) -> dict[str, float]:
    """Learns the filters, then the digits."""
    data = load_data()
    rows, labels, held_out, _ = data.split()
    with threadpool_limits(limits=1):  # sums are added in one order
        kernels = filters(rows)
        classifier = LogisticRegression(C=10, max_iter=500).fit(features(rows, kernels), labels)
        probabilities = classifier.predict_proba(features(held_out, kernels))
    return write(out, Exported(export(kernels, classifier), {"image": held_out}, probabilities), data, "python -m examples.image.train")


if __name__ == "__main__":
    sys.exit(main("image", train))
