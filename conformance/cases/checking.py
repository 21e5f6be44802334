"""Whether a case that someone wrote by hand makes sense, so that a slip of the pen is not judged.

Cases that observe a rejection may have any arguments: wrong ones are what they are about.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from math import prod
from typing import Final

from conformance.cases.case import DEFAULTS, Case, DescriptorError, parse
from conformance.cases.facts import facts
from conformance.cases.far import KIND, condensed, objection
from conformance.cases.operands import FLOATING_DTYPES, INTEGER_DTYPES, KINDS
from conformance.cases.scenarios import SCENARIOS
from conformance.judge.definition import forbidden
from conformance.judge.definition.arguments import is_shape, names_of
from conformance.layers.registry import LAYERS

_VALUES: Final = ("output", "gradients")
_OBSERVED: Final = (*_VALUES, "shape", "rejection")

MOST_ELEMENTS: Final = 1 << 27
"""Elements of an input, kernel or output that can be judged: a gibibyte as float64."""

MOST_FAR: Final = 1 << 34
"""Elements of an input of which few are read."""

MOST_TAPS: Final = 1 << 20
"""Elements of a window that can be judged: the definition visits each."""


def parse_checked(descriptor: str) -> Case:
    """The case that a descriptor names, if it can be judged.

    Raises:
        DescriptorError: if it does not parse, or `check` objects.
    """
    case = parse(descriptor)
    try:
        check(case)
    except DescriptorError as error:
        raise DescriptorError(f"{descriptor}: {error}") from None
    return case


def check(case: Case) -> None:
    """Refuse a case that cannot be meant as it is written.

    Raises:
        DescriptorError: for a field or an argument that there is not, with the nearest that there
            is; for sizes that cannot be judged; and where values, gradients or a shape are
            observed, for what the documentation forbids.
    """
    if case.observe != "rejection":
        _check_names(case)
    _check_fields(case)
    if case.observe in (*_VALUES, "shape"):
        _check_arguments(case)
    if case.observe in _VALUES:
        _check_sizes(case)


def _check_fields(case: Case) -> None:
    _check_one_of("observe", case.observe, (*_OBSERVED, *SCENARIOS))
    _check_one_of("operands", case.operands, KINDS)
    if case.observe != "rejection" and case.observe not in SCENARIOS:
        _check_one_of("dtype", case.dtype, (*FLOATING_DTYPES, *INTEGER_DTYPES))
    if not isinstance(case.seed, int) or isinstance(case.seed, bool):
        raise DescriptorError(f"seed:{case.seed}: an integer is expected")
    takes_inputs = LAYERS[case.layer].takes_inputs
    if case.observe in _VALUES and not takes_inputs:
        raise DescriptorError(
            f"observe:{case.observe}: {case.layer} computes nothing; observe:shape asks for the "
            "shape of what it returns, observe:rejection whether it is refused"
        )
    if case.inputs is None and case.observe in _VALUES:
        raise DescriptorError("inputs is missing: the shape of the input array, such as 2x7x8x3")
    if case.inputs is not None and not (isinstance(case.inputs, tuple) and is_shape(case.inputs)):
        raise DescriptorError(
            f"inputs:{case.inputs}: the shape of the input array is expected, such as 2x7x8x3, or "
            "(4,) for a single axis"
        )


def _check_one_of(field: str, value: object, allowed: Iterable[str]) -> None:
    names = list(allowed)
    if value not in names:
        shown = f": one of {', '.join(names)}" if len(names) < 50 else ""
        raise DescriptorError(
            f"{field}:{value}: {_nearest(str(value), names)}there is no such {field}{shown}"
        )


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def _check_names(case: Case) -> None:
    layer = LAYERS[case.layer]
    known = tuple(dict.fromkeys((*layer.defaults, *layer.undocumented)))
    for name in case.keywords:
        if name not in known:
            raise DescriptorError(
                f"{name}: {_nearest(name, (*known, *DEFAULTS))}{case.layer} has no such argument, "
                f"and a case no such field; the documented arguments are {', '.join(known)}"
            )


def _check_arguments(case: Case) -> None:
    try:
        reason = forbidden(case)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        reason = f"it cannot be read: {error}"
    if reason is not None:
        raise DescriptorError(
            f"{_nearest_value(case)}{reason}; what the documentation forbids has no "
            f"{case.observe} to be judged (observe:rejection asks whether it is refused)"
        )


def _nearest_value(case: Case) -> str:
    """What was meant by the first name among the arguments that there is not."""
    for argument, value in case.keywords.items():
        names = names_of(LAYERS[case.layer], argument)
        if names and isinstance(value, str) and value.lower() not in names:
            return _nearest(value, sorted(names))
    return ""


def _check_sizes(case: Case) -> None:
    if case.operands == KIND:
        _check_far(case)
        case = condensed(case)
    known, layer = facts(case), LAYERS[case.layer]
    sizes = [size or 0 for size in case.inputs or ()]
    _check_size("inputs", prod(sizes), MOST_ELEMENTS)
    if layer.rank:
        _check_size(layer.window, prod(known.window), MOST_TAPS)
        outputs = [size or 0 for size in layer.output_shape(case)]
        _check_size("the output", prod(outputs), MOST_ELEMENTS)
    if layer.convolves:
        kernel = (*known.window, known.channels or 0, known.config["filters"])
        _check_size("the kernel", prod(kernel), MOST_ELEMENTS)


def _check_far(case: Case) -> None:
    reason = objection(case)
    if reason is not None:
        raise DescriptorError(reason)
    _check_size("inputs", prod(size or 0 for size in case.inputs or ()), MOST_FAR)


def _check_size(what: str, elements: int, most: int) -> None:
    if elements > most:
        raise DescriptorError(f"{what} has {elements} elements: at most {most} can be judged")
