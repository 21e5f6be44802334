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
