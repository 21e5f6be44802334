"""Observing the layer of a case as its history asks (`conformance.cases.histories`)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.histories import history_of, others
from conformance.cases.operands import Operands
from conformance.implementations.at_once import Calls, run_at_once
from conformance.implementations.observation import as_arrays, observe_calls, rejection
from conformance.judge.equality import same_bits
from conformance.outcomes import ANSWER, AT_ONCE, Outcome, Unsupported, Value

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Made:
    """A layer as an implementation made it for a case.

    Attributes:
        call: gives the output of inputs, or the gradients of inputs and the output's gradient.
        assign: puts other weights in the place of those that it has; None where it was made for
            these for good.
        takes_other_sizes: whether it can be called on inputs of another size.
        thread_safe: whether it may be called while another thread calls another.
    """

    call: Callable[..., Any]
    assign: Callable[[Mapping[str, Array]], None] | None = None
    takes_other_sizes: bool = True
    thread_safe: bool = True


Make = Callable[[Operands], Made]


def observe_layer(case: Case, given: Operands, make: Make) -> Outcome:
    """What a layer does with a case's operands, with what its history asks around the call.

    What an earlier call raises is not held against the case.

    Args:
        case: the case, which observes outputs or gradients.
        given: its operands.
        make: makes the layer, which has the operands' weights.

    Raises:
        Exception: whatever making the layer or its first call on the operands raises.
    """
    made = make(given)
    around = _HISTORIES.get(history_of(case))
    if around is None:
        return _observed(made, given)
    return around(case, given, made, make)


def _arguments(given: Operands) -> tuple[Array | None, ...]:
    return (given.inputs,) if given.upstream is None else (given.inputs, given.upstream)


def _observed(made: Made, given: Operands) -> Outcome:
    arrays = {"inputs": given.inputs, "upstream": given.upstream, **given.weights}
    present = {name: array for name, array in arrays.items() if array is not None}
    return observe_calls(lambda: made.call(*_arguments(given)), present)


def _after_other_weights(case: Case, given: Operands, made: Made, _: Make) -> Outcome:
    if made.assign is None:
        return Unsupported("its layers are made for their weights, which cannot be replaced")
    (other,) = others(case, given)
    own = {name: array.copy() for name, array in given.weights.items()}
    earlier = []
    for of_other in (tuple(own), *[("bias",)] * ("bias" in own)):  # all weights, the bias alone
        made.assign({**own, **{name: other.weights[name].copy() for name in of_other}})
        earlier += _answers(made, given)
    made.assign(own)
    return _if_kept(earlier, _observed(made, given))


def _after_other_inputs(case: Case, given: Operands, made: Made, _: Make) -> Outcome:
    """The earlier answer may be a view of the inputs, and change with them, but not later."""
    (other,) = others(case, given)
    assert given.inputs is not None
    assert other.inputs is not None
    own = given.inputs.copy()
    np.copyto(given.inputs, other.inputs)
    earlier = _answers(made, given)
    np.copyto(given.inputs, own)
    changed = [(returned, as_arrays(returned)) for returned, _ in earlier]
    return _if_kept(changed, _observed(made, given))


def _after_other_sizes(case: Case, given: Operands, made: Made, _: Make) -> Outcome:
    if not made.takes_other_sizes:
        return Unsupported("its layers are made for one size of their inputs")
    earlier = _answers(made, *others(case, given))
    return _if_kept(earlier, _observed(made, given))


def _answers(made: Made, *earlier: Operands) -> list[tuple[Any, Any]]:
    """What earlier calls returned, each beside what it held at once."""
    answers = []
    for operands in earlier:
        with contextlib.suppress(Exception):
            returned = made.call(*_arguments(operands))
            answers.append((returned, as_arrays(returned)))
    return answers


def _if_kept(answers: Iterable[tuple[Any, Any]], outcome: Outcome) -> Outcome:
    """The outcome, unless an earlier answer has changed since."""
    if not isinstance(outcome, Value) or outcome.changed_inputs:
        return outcome
    if all(same_bits(value, as_arrays(returned)) for returned, value in answers):
        return outcome
    return dataclasses.replace(outcome, changed_inputs=(ANSWER,))


def _in_threads(case: Case, given: Operands, made: Made, make: Make) -> Outcome:
    if not made.thread_safe:
        return Unsupported("it says that two threads must not call it at once")
    outcome = _observed(made, given)
    if not isinstance(outcome, Value) or outcome.repeat is not None or outcome.changed_inputs:
        return outcome
    (other,) = others(case, given)
    try:
        another = make(other)
        alone = as_arrays(another.call(*_arguments(other)))
    except Exception:
        return outcome
    calls = (
        Calls(lambda: made.call(*_arguments(given)), outcome.value),
        Calls(lambda: another.call(*_arguments(other)), alone),
    )
    run_at_once(calls)
    for index, one in enumerate(calls):
        if isinstance(one.error, Exception):
            return rejection(one.error, "while two threads called it at once: ")
        if one.error is not None:
            raise one.error
        if one.differs:
            before = alone if index else None
            return dataclasses.replace(
                outcome, repeat=one.answer, before=before, changed_inputs=(AT_ONCE,)
            )
    return outcome


_HISTORIES: Final[Mapping[str, Callable[[Case, Operands, Made, Make], Outcome]]] = {
    "weights": _after_other_weights,
    "inputs": _after_other_inputs,
    "sizes": _after_other_sizes,
    "threads": _in_threads,
}
