"""A model's answers to golden requests, given by ONNX Runtime.

In a process of its own, with nothing of the caller's environment: a model is a stranger's program, and one that crashes or never ends takes nothing with it.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from model_store.errors import ModelStoreError
from model_store.golden import Golden
from model_store.tensors import Tensor

_MOST_SECONDS = 900.0
_KEPT = ("PATH", "LD_LIBRARY_PATH")


class Task(BaseModel):
    """What is asked of a model.

    Attributes:
        model: the ONNX file.
        inputs: as the model's manifest declares them; outputs the same.
        golden: sets of requests; the model is loaded once for all of them.
    """

    model: Path
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    golden: tuple[Golden, ...]


class Replay(BaseModel):
    """What came of it.

    Attributes:
        problem: why no request could be sent; empty when they were.
        wrong: per set of requests, one text for each case whose answer is not what it must be.
    """

    problem: str = ""
    wrong: tuple[tuple[str, ...], ...] = ()


def replay(model: Path, inputs: Sequence[Tensor], outputs: Sequence[Tensor], golden: Sequence[Golden], seconds: float = _MOST_SECONDS) -> Replay:
    """Sends sets of golden requests to a model.

    Raises:
        ModelStoreError: this machine cannot run any model. What is wrong with the model itself is told by the answer.
    """
    task = Task(model=model.resolve(), inputs=tuple(inputs), outputs=tuple(outputs), golden=tuple(golden))
    # -P: nothing is imported from the folder that somebody happens to be in.
    command = [sys.executable, "-P", "-m", "model_store.onnx_runtime"]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[1]), "ORT_DISABLE_TELEMETRY": "1"}
    try:
        # In the model's folder, so that a path in it leads nowhere else.
        answer = subprocess.run(
            command, cwd=task.model.parent, env=environment, input=task.model_dump_json(), capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Replay(problem=f"ONNX Runtime was not done with it after {seconds:g} s")
    if answer.returncode < 0:
        return Replay(problem=f"ONNX Runtime crashed on it (signal {-answer.returncode})")
    try:
        return Replay.model_validate_json(answer.stdout)
    except ValidationError as error:
        complaint = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        raise ModelStoreError(f"this machine cannot try a model: {complaint}; `make` installs what that needs") from error
