"""What was found when the same inputs went through an old and a new model, as data and in words."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

MOST_EXAMPLES = 5
_LONGEST = 100


class OutputChange(BaseModel):
    """One output of one prediction, shortened for people.

    Attributes:
        flips: it is no floating-point number, and differs.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    before: str
    after: str
    flips: bool = False


class Example(BaseModel):
    """A prediction that changes, with the input that it is of."""

    model_config = ConfigDict(frozen=True)

    input: str
    outputs: tuple[OutputChange, ...]


class Predictions(BaseModel):
    """How many predictions change.

    Attributes:
        total: predictions that were asked for on both sides.
        changed: those that differ, the flipped ones included.
        flipped: those of which an output that is no floating-point number differs.
        rtol: two floating-point numbers are the same when |new - old| <= atol + rtol * |old|.
        examples: at most five that change, the flipped ones first.
        notes: what else a reader should know, such as inputs that only one side takes.
    """

    model_config = ConfigDict(frozen=True)

    total: int
    changed: int
    flipped: int
    rtol: float
    atol: float
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """As `17 of 500 predictions change, 3 labels flip`."""
        change = "prediction changes" if self.total == 1 else "predictions change" if self.changed != 1 else "predictions changes"
        flips = "no label flips" if not self.flipped else "1 label flips" if self.flipped == 1 else f"{self.flipped} labels flip"
        return f"{self.changed} of {self.total} {change}" + (f", {flips}" if self.changed else "")

    @property
    def definition(self) -> str:
        """What the title's words mean."""
        return (
            "a prediction is one row of one request; it changes when a number is off by more than "
            f"{self.atol:g} + {self.rtol:g} * |old|, or a label flips: an integer, text or truth value is another one"
        )

    def example_lines(self) -> Iterator[str]:
        """A line per example."""
        for example in self.examples:
            outputs = "; ".join(f"{output.name} {output.before} -> {output.after}" for output in example.outputs)
            yield f"{example.input}: {outputs}"


def shortened(text: str, longest: int = _LONGEST) -> str:
    """At most so much of a value as fits beside others on a line."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."
