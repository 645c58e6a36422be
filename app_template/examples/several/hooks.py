"""One app around several models: what belongs to one of them is registered with its name. It takes the place of app/hooks.py."""

import numpy as np
from app.developer import App, InvalidRequestError, Parameters, Request, Tensors

LONGEST_TEXT = 2000

app = App("several-models", release="1")


@app.preprocess("text")
def check_text(inputs: Tensors) -> Tensors:
    """text: BYTES [rows]. Callers may send anything; a whole book is no sentence."""
    longest = max(len(text) for text in inputs["text"])
    if longest > LONGEST_TEXT:
        raise InvalidRequestError(f"input 'text': at most {LONGEST_TEXT} characters, got {longest}")
    return inputs


@app.postprocess
def tell_confidence(outputs: Tensors) -> tuple[Tensors, Parameters]:
    """Without a name: for every model. All five give probabilities."""
    return outputs, {"lowest_confidence": round(float(outputs["probabilities"].max(axis=1).min()), 4)}


@app.post("/topic")
async def topic(request: Request) -> dict[str, str]:
    """A route of one's own, which asks one of the models: {"text": "..."} -> {"topic": "..."}."""
    body = await request.json()
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        raise InvalidRequestError("the body must be an object with 'text' (text)")
    outputs, _ = await app.predict({"text": np.array([body["text"]], np.object_)}, model="text")
    return {"topic": str(outputs["label"][0])}
