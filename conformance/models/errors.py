"""What can go wrong before anything is judged, and instead of it."""

from __future__ import annotations


class ModelError(Exception):
    """A source, candidate or input that cannot be used; the message names it and what is wrong."""


class CandidateError(ModelError):
    """A candidate that was run and gave no answer.

    Args:
        ending: ``crashed``, ``timed out`` or ``raised``.
        message: which candidate, when, and what it said.
    """

    def __init__(self, ending: str, message: str) -> None:
        super().__init__(message)
        self.ending = ending


def quantized(path: object, count: int, of: int, kind: str) -> str:
    """Why a file that computes in integers is not judged."""
    return (
        f"{path} is quantized: {count} of the {of} tensors that it makes are {kind} steps of a "
        "scale. A step is many times what rounding can explain, so that no layer could be told "
        "right from wrong; expected a conversion in floating point: judge that one first (weights "
        "alone may be quantized: what they lose is told)"
    )
