"""Your own code around the model. Both functions run for every request, outside the event loop, so they may compute.

`Tensors` maps a name to a NumPy array. What comes in has been checked against the model's signature. To refuse a
request raise InvalidRequestError: the caller gets a 400 with your text.
"""

import numpy as np

from .protocol import InvalidRequestError, Parameters, Tensors

APP_NAME = "digits-app"
# Change it and see it in every answer (`parameters.app_release`) and in GET /v2 (`version`).
APP_RELEASE = "1"

BRIGHTEST_PIXEL = 16.0  # the data set's pixels go from 0 to 16; a model fed with 0 to 255 answers nonsense without an error


def preprocess(inputs: Tensors) -> Tensors:
    """From what the caller sent to what the model takes. image: FP32 [rows, 64], an 8 x 8 picture row by row."""
    image = inputs["image"]
    if image.min() < 0 or image.max() > BRIGHTEST_PIXEL:
        raise InvalidRequestError(f"input 'image': pixels must lie between 0 and 16, got {image.min():g} to {image.max():g}")
    return inputs


def postprocess(outputs: Tensors) -> tuple[Tensors, Parameters]:
    """From what the model gave to what the caller gets: the tensors, and `parameters` of the answer."""
    confidence = np.max(outputs["probabilities"], axis=1)  # of each row's label
    return outputs, {"app_release": APP_RELEASE, "lowest_confidence": round(float(confidence.min()), 4)}
