"""Kubernetes' quantities as numbers."""

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "m": 10**-3}


def cores(quantity: object) -> float:
    """Processor time in cores."""
    return _number(str(quantity))


def mebibytes(quantity: object) -> float:
    """Memory in MiB."""
    return _number(str(quantity)) / 2**20


def share(value: object, of: int) -> int:
    """A number of pods, or a percentage of so many, rounded up as Kubernetes does it."""
    text = str(value)
    return -(-int(text[:-1]) * of // 100) if text.endswith("%") else int(float(text))


def _number(text: str) -> float:
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)
