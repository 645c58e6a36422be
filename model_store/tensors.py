"""Inputs and outputs of a model in the terms of the Open Inference Protocol."""

from typing import Annotated, Literal

from pydantic import Field

from model_store.documents import Document, Text

FREE = -1
"""A dimension of any size."""

Datatype = Literal["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"]


class Tensor(Document):
    """One declared input or output; a dimension is a size or -1 for any."""

    name: Text
    datatype: Datatype
    shape: tuple[Annotated[int, Field(strict=True, ge=FREE)], ...]

    def __str__(self) -> str:
        return f"{self.name} {self.datatype} {list(self.shape)}"


def unique(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Returns the tensors; raises ValueError when two have one name."""
    names = [tensor.name for tensor in tensors]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the name {twice[0]!r} stands twice")
    return tensors
