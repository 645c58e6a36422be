"""Your own code around the model. Everything else in this folder serves it and need not be read.

`Tensors` maps a name to a NumPy array. What comes in has been checked against the model's signature and `ranges`. To
refuse a request for another reason raise `InvalidRequestError` of `.developer`: the caller gets a 400 with your text.
"""

from .developer import App, Parameters, Request, Tensors, numbers

APP_NAME = "digits-app"
# Change it and see it in every answer (`parameters.app_release`) and in GET /v2 (`version`).
APP_RELEASE = "1"

BRIGHTEST_PIXEL = 16.0  # the data set's pixels go from 0 to 16; a model fed with 0 to 255 answers nonsense without an error

app = App(APP_NAME, release=APP_RELEASE)


@app.preprocess(ranges={"image": (0, BRIGHTEST_PIXEL)})
def preprocess(inputs: Tensors) -> Tensors:
    """From what the caller sent to what the model takes. image: FP32 [rows, 64], an 8 x 8 picture row by row."""
    return inputs  # as it is: this model learned from the same pixels


@app.postprocess
def postprocess(outputs: Tensors) -> tuple[Tensors, Parameters]:
    """From what the model gave to what the caller gets: the tensors, and `parameters` of the answer."""
    confidence = outputs["probabilities"].max(axis=1).tolist()  # of each row's label
    return outputs, {"app_release": APP_RELEASE, "lowest_confidence": round(min(confidence), 4)}


# What the route below takes, as JSON Schema: it stands in /openapi.json, and so in the callers' tools.
ROW = {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 16}, "minItems": 8, "maxItems": 8}
PICTURE = {"type": "array", "items": ROW, "minItems": 8, "maxItems": 8}


@app.post("/digits", body=PICTURE)
async def digits(request: Request) -> dict[str, int | float]:
    """Which digit a picture shows: 8 rows of 8 numbers, from 0 (white) to 16 (black)."""
    picture = numbers(await request.json(), 8, 8)
    outputs, parameters = await app.predict({"image": picture.reshape(1, 64)})
    return {"digit": int(outputs["label"][0]), "confidence": float(parameters["lowest_confidence"])}
