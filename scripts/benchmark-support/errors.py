"""The one exception of the benchmark."""


class BenchmarkError(Exception):
    """What went wrong, in words for the person who runs the benchmark."""
