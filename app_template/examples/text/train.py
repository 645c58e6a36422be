"""Text: which data set a sentence tells of. scikit-learn: words weighted by how rare they are, and logistic regression.

    python -m examples.text.train --out examples/out/text

The caller sends text (a BYTES tensor), and the label that it gets is text, too: nothing has to be prepared outside the model.
"""

import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from examples.model_folder import Data, Exported, main, write
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

TOPICS = ("breast_cancer", "kddcup99", "lfw", "rcv1", "twenty_newsgroups", "wine_data")
_BETWEEN_SENTENCES = re.compile(r"\n\s*\n|(?<=[.!?])\s+")
_FEWEST_WORDS = 6
# What a word is, in terms that ONNX Runtime's tokenizer knows, too; scikit-learn's own pattern it does not.
_WORD = "[a-zA-Z]{2,}"


def load_data() -> Data:
    """The sentences of the descriptions that come with scikit-learn's data sets."""
    texts: list[str] = []
    topics: list[str] = []
    for topic in TOPICS:
        description = files("sklearn.datasets.descr").joinpath(f"{topic}.rst").read_text(encoding="utf-8")
        sentences = sorted({" ".join(part.split()) for part in _BETWEEN_SENTENCES.split(description)})
        # Lines of tables and headings are left out.
        sentences = [sentence for sentence in sentences if len(re.findall(r"[A-Za-z]{3,}", sentence)) >= _FEWEST_WORDS]
        texts += sentences
        topics += [topic] * len(sentences)
    return Data("scikit-learn descriptions of data sets", np.array(texts, np.object_), np.array(topics, np.object_))


def train(out: Path) -> dict[str, float]:
    """Trains on three quarters of the sentences."""
    data = load_data()
    rows, labels, held_out, _ = data.split()
    words = TfidfVectorizer(token_pattern=_WORD)
    pipeline = Pipeline([("words", words), ("classify", LogisticRegression(C=20, max_iter=500, class_weight="balanced"))]).fit(rows, labels)
    model: Any = convert_sklearn(
        pipeline,
        name="topic",
        initial_types=[("text", StringTensorType([None]))],
        # Without a locale ONNX Runtime wants en_US.UTF-8, which no slim image has, and does not load the model.
        options={id(pipeline): {"zipmap": False}, id(words): {"locale": "C"}},
        target_opset={"": 17, "ai.onnx.ml": 1},
    )
    exported = Exported(model.SerializeToString(deterministic=True), {"text": held_out}, pipeline.predict_proba(held_out))
    return write(out, exported, data, "python -m examples.text.train")


if __name__ == "__main__":
    sys.exit(main("text", train))
