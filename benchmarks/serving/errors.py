"""What stops a measurement."""


class BenchmarkError(Exception):
    """Something is missing or failed; the text says what."""
