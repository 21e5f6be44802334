"""Looking at one call of an implementation: its result, its effect on the operands, its repeat."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.implementations.memory import filled_otherwise
from conformance.implementations.protocol import Implementation
from conformance.implementations.wire import describe, is_numeric
from conformance.judge.equality import same_bits
from conformance.outcomes import ANSWER, Crash, Outcome, Rejection, Value

Array = np.ndarray[Any, Any]


_TERMINAL_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_TRACEBACK: Final = re.compile(
    r"""^[ ]*File[ ]"[^"\n]*",[ ]line[ ]\d+,[ ]in[ ].*\n  # one frame,
        (?:[ ]{6,}.*\n)?                                # and its line of source
        |^in[ ]user[ ]code:\n""",
    re.MULTILINE | re.VERBOSE,
)
_LONGEST_MESSAGE: Final = 1000
_LONGEST_READ: Final = 100_000


def rejection(error: BaseException, when: str = "", place: str = "") -> Rejection:
    """The outcome of an ordinary exception.

    Args:
        error: the exception.
        when: in which call, if that matters.
        place: which line raised it, where that is known.
    """
    message = condensed(f"{when}{_message_of(error)}")
    return Rejection(type(error).__name__, f"{message} ({place})" if place else message)


def _message_of(error: BaseException) -> str:
    """The message of an exception, of a very long one its ends."""
    try:
        text = str(error)
    except Exception as other:  # a foreign exception's message may do anything
        return f"a message that raises {type(other).__name__}"
    if len(text) <= _LONGEST_READ:
        return text
    return text[: _LONGEST_READ // 2] + text[-_LONGEST_READ // 2 :]


def condensed(message: str) -> str:
    """An exception's message without colours, blank lines, and the traceback that TensorFlow adds.

    Of a message that is still long, the start and the end are kept.
    """
    plain = _TRACEBACK.sub("", _TERMINAL_COLOURS.sub("", message) + "\n")
    text = "\n".join(line.strip() for line in plain.splitlines() if line.strip())
    if len(text) <= _LONGEST_MESSAGE:
        return text
    half = _LONGEST_MESSAGE // 2
    return f"{text[:half]} ... {text[-half:]}"


def describe_result(result: Any) -> str:
    """What a call that should have been rejected returned, in words that each run repeats."""
    if isinstance(result, np.ndarray):
        return f"an array of shape {result.shape} and dtype {result.dtype.name}"
    shape = getattr(result, "shape", None)
    return describe(result) if shape is None else f"{type(result).__name__} of shape {tuple(shape)}"


def evaluate(implementation: Implementation, case: Case, operands: Any) -> Outcome:
    """The outcome of a case, with ordinary exceptions and exhausted memory taken as outcomes.

    Warnings are not shown, and do not become exceptions where the environment says so.

    Raises:
        BaseException: what is no `Exception`, such as SystemExit.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return implementation.evaluate(case, operands)
    except MemoryError as error:
        return Crash("memory exhausted", str(error))
    except Exception as error:
        return rejection(error)


def observe_calls(call: Callable[[], Any], operands: Mapping[str, Array]) -> Outcome:
    """Call twice on the same operands; return the first result and what was remarkable.

    The operands are put back as they were after each call, so that an implementation that
    changes them is reported for that, and not for a different second answer besides.

    Args:
        call: makes one call and returns what the implementation returned.
        operands: the arrays that the calls read, by name.

    Raises:
        Exception: whatever the first call raises.
    """
    saved = {name: array.copy() for name, array in operands.items()}
    returned = call()
    first = as_arrays(returned)
    changed = _restore(operands, saved)
    try:
        with filled_otherwise():
            second = as_arrays(call())
    except Exception as error:
        return rejection(error, "the second call on the same operands: ")
    changed |= _restore(operands, saved)
    repeat = None if same_bits(first, second) else second
    if not changed and not same_bits(first, as_arrays(returned)):
        changed = {ANSWER}
    return Value(first, repeat, tuple(name for name in (*operands, ANSWER) if name in changed))


@dataclasses.dataclass(frozen=True)
class Earlier:
    """A case that was answered before, to be called again.

    Attributes:
        case: its descriptor.
        call: makes the call.
        value: what it gave.
    """

    case: str
    call: Callable[[], Any]
    value: Any


def observe_after_another(outcome: Value, call: Callable[[], Any], earlier: Earlier) -> Outcome:
    """Call an earlier case again, and then the present one: no answer depends on other calls.

    Args:
        outcome: what the first calls of the present case gave.
        call: makes the same call again.
        earlier: the earlier case.  An exception of its call is not held against the present one.
    """
    other = earlier.value
    with contextlib.suppress(Exception):
        other = as_arrays(earlier.call())
    if not same_bits(earlier.value, other):
        return dataclasses.replace(
            outcome, repeat=other, between=earlier.case, before=earlier.value
        )
    try:
        again = as_arrays(call())
    except Exception as error:
        return rejection(error, f"the same call again, after one of {earlier.case}: ")
    if same_bits(outcome.value, again):
        return outcome
    return dataclasses.replace(outcome, repeat=again, between=earlier.case)


def _restore(operands: Mapping[str, Array], saved: Mapping[str, Array]) -> set[str]:
    """Undo changes to the operands; the names of those that were changed."""
    changed = {name for name, array in operands.items() if not same_bits(array, saved[name])}
    for name in changed:
        array = operands[name]
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            array.dtype = saved[name].dtype  # type: ignore[misc]  # not in place for NumPy's stubs
            array.shape = saved[name].shape
        if array.flags.writeable and array.shape == saved[name].shape:
            np.copyto(array, saved[name])
    return changed


def as_arrays(result: Any) -> Any:
    """`as_array` of a result, or of each value of a dictionary by name."""
    if not isinstance(result, dict):
        return as_array(result)
    return {str(name): as_array(value) for name, value in result.items()}


def as_array(result: Any) -> Any:
    """A private array of what a call returned, or a text that describes what is none.

    NumPy arrays, nested lists and framework tensors are taken; tensors are detached from their
    gradient, conjugated and negated where they only say so, and brought to the host first.  Masked
    arrays are none: they leave out elements.  None stays None.  The
    byte order becomes the machine's.
    """
    if result is None:
        return None
    if isinstance(result, np.ma.MaskedArray):
        return f"a masked array, of which {int(result.mask.sum())} elements are masked"
    if _holds_masked(result):
        return f"a {type(result).__name__} that holds masked arrays"
    try:
        array = np.array(_host_tensor(result))
    except Exception as error:
        return f"{_kind(result)}, not convertible to an array ({type(error).__name__}: {error})"
    if not is_numeric(array):
        return _kind(result)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _holds_masked(result: Any) -> bool:
    if isinstance(result, (list, tuple)):
        return any(map(_holds_masked, result))
    return isinstance(result, np.ma.MaskedArray)


def _kind(result: Any) -> str:
    """`describe`, of what has a shape and a dtype without its elements."""
    try:
        shape, dtype = tuple(result.shape), result.dtype
        return f"{type(result).__name__} of shape {shape} and dtype {dtype!s:.100}"
    except Exception:  # a foreign object's attributes may do anything
        return describe(result)


def _host_tensor(result: Any) -> Any:
    """Torch tensors, in lists too, as arrays, bfloat16 included; anything else as it is.

    What offers its elements by DLPack alone becomes an array of them.
    """
    if hasattr(result, "__dlpack__") and not hasattr(result, "__array__"):
        return np.from_dlpack(result)
    torch = sys.modules.get("torch")
    if torch is None:
        return result
    if isinstance(result, (list, tuple)):
        return [_host_tensor(item) for item in result]
    if not isinstance(result, torch.Tensor):
        return result
    tensor = result.detach().resolve_conj().resolve_neg().cpu()
    if tensor.dtype is not torch.bfloat16:
        return tensor.numpy()
    import ml_dtypes

    return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
