"""What is wrong where no fault explains it: the stages of judge and evaluation, in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

REFUSAL: Final = "refusal"
"""The stage of results that are refusals of a whole kind of cases (`refusals`)."""

IN_STAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "padding": "only outputs whose window reaches into the padding are wrong",
        "number": "there are more or fewer outputs than there should be",
        "window": "the outputs are those of windows in other places",
        "contraction": "the number of outputs is right, but their values are those of no place of "
        "the window",
        "bias": "all outputs of a filter are off by the same number, as with a wrong bias",
        "activation": "the sums are right, what the activation makes of them is not",
        "layout": "the right elements stand in the wrong places",
        "nan": "only outputs that are NaN, or should be, are wrong",
        "infinity": "only outputs that are infinite, or should be, are wrong",
        "channels": "the outputs of some channels are those of other channels",
        "samples": "the outputs of some samples are those of other samples",
        "choice": "what is taken from a window is one of its elements, but not the largest",
        "selection": "what is taken from a window is none of the inputs of its channel",
        "elements": "elements are changed, not moved alone",
        "shape": "the output has the wrong shape, or is no array",
        "dtype": "the output has the wrong dtype",
        "inputs": "the call changes its operands",
        "overwritten": "an answer lies in memory that a later call overwrites",
        "state": "weights or inputs of an earlier call are used again, though they were replaced "
        "in their arrays since",
        "threads": "calls of two threads at the same time disturb each other",
        "repeat": "the same call gives another answer the second time",
        "precision": "sums are near the right ones, but not near enough",
        "refused": "valid arguments are refused",
        "broken": "what must be refused ends in an error that refuses nothing",
        "accepted": "what must be refused is accepted",
        "literal": "what is observed besides output values is not as documented",
        "process": "the process ended or did not answer",
        "exact": "wrong values",
        "bound": "values farther off than correct arithmetic can be",
        "statistics": "rounding errors larger than correct arithmetic makes on such operands",
        "locality": "outputs feel an input that their window does not hold",
    }
)
"""By the stage's name; the words stand after "what is wrong:"."""
