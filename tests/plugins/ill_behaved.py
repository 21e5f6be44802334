"""A plug-in whose Flatten misbehaves in one way for each batch size, and is right for batch 1.

`BEHAVIOURS[n]` is what a call does with a batch of n + 2.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

name = "ill-behaved"
version = "0.1"

Array = Any

_calls = itertools.count(1)
_odd_calls = itertools.count(1)


def _right(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


def aborts(x: Array) -> Array:
    os.abort()


def segfaults(x: Array) -> Array:
    ctypes.string_at(0)
    return _right(x)


def divides_by_zero_in_native_code(x: Array) -> Array:
    os.kill(os.getpid(), signal.SIGFPE)
    return _right(x)


def ends_the_process(x: Array) -> Array:
    print("about to end", file=sys.stderr)
    os._exit(7)


def calls_sys_exit(x: Array) -> Array:
    sys.exit(3)


def calls_sys_exit_with_success(x: Array) -> Array:
    sys.exit()


def raises_keyboard_interrupt(x: Array) -> Array:
    raise KeyboardInterrupt


def raises_a_base_exception(x: Array) -> Array:
    raise BaseException("nobody catches this")


def hangs(x: Array) -> Array:
    while True:
        time.sleep(1)


def hangs_in_native_code(x: Array) -> Array:
    ctypes.PyDLL(None).sleep(3600)
    return _right(x)


def exhausts_the_memory(x: Array) -> Array:
    """By one array: smaller ones would be filled as they are granted, which may take seconds."""
    np.empty(2**30, np.uint8)
    return _right(x)


def floods_both_streams(x: Array) -> Array:
    for _ in range(2000):
        print("x" * 99)
        os.write(1, b"\x00\xff" * 50)
        os.write(2, b"\x00\xff" * 50)
    return _right(x)


def closes_the_standard_streams(x: Array) -> Array:
    for descriptor in (0, 1):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    return _right(x)


def leaves_a_process_behind_and_aborts(x: Array) -> Array:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    print(f"left behind: {child.pid}", file=sys.stderr, flush=True)
    os.abort()


def spoils_its_process(x: Array) -> Array:
    np.dtype = None  # type: ignore[misc, assignment]
    return _right(x)


def changes_its_inputs(x: Array) -> Array:
    y = _right(x).copy()
    x *= 2
    return y


def answers_differently_the_second_time(x: Array) -> Array:
    return _right(x) + np.float32(next(_calls))


def raises_the_second_time(x: Array) -> Array:
    if next(_odd_calls) % 2 == 0:
        raise RuntimeError("once only")
    return _right(x)


def returns_a_view_that_it_changes_later(x: Array) -> Array:
    for earlier in _views:
        earlier[...] += 1
    view = _right(x.copy())
    _views.append(view)
    return view


_views: list[Array] = []


def returns_a_view_of_its_input(x: Array) -> Array:
    """And changes the inputs of every call before, of which it returned views as well."""
    for earlier in _inputs:
        if earlier is not x:
            earlier[...] = 99
    _inputs.append(x)
    return _right(x)


_inputs: list[Array] = []


def returns_lists(x: Array) -> Any:
    return _right(x).tolist()


def returns_a_ragged_list(x: Array) -> Any:
    return [[1.0], [1.0, 2.0]]


def returns_another_dtype(x: Array) -> Array:
    return _right(x).astype(np.float64)


def returns_objects(x: Array) -> Array:
    return _right(x).astype(object)


def returns_another_shape(x: Array) -> Array:
    return x


def returns_a_scalar(x: Array) -> Any:
    return float(x.sum())


def returns_a_strided_array(x: Array) -> Array:
    return np.repeat(_right(x), 2, axis=1)[:, ::2]


def returns_a_tensor(x: Array) -> Any:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
            return _right(x)

    return Tensor()


def returns_a_tensor_that_refuses(x: Array) -> Any:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
            raise RuntimeError("it requires grad")

        def __repr__(self) -> str:
            raise RuntimeError("nor a repr")

    return Tensor()


def returns_nothing(x: Array) -> Any:
    return None


def returns_a_text(x: Array) -> Any:
    return "flat"


def rejects(x: Array) -> Array:
    raise ValueError("no such batch")


def declares_it_unsupported(x: Array) -> Array:
    raise NotImplementedError("no such batch yet")


BEHAVIOURS: tuple[Callable[[Array], Any], ...] = (
    aborts,
    segfaults,
    divides_by_zero_in_native_code,
    ends_the_process,
    calls_sys_exit,
    calls_sys_exit_with_success,
    raises_keyboard_interrupt,
    raises_a_base_exception,
    hangs,
    hangs_in_native_code,
    exhausts_the_memory,
    floods_both_streams,
    closes_the_standard_streams,
    leaves_a_process_behind_and_aborts,
    spoils_its_process,
    changes_its_inputs,
    answers_differently_the_second_time,
    raises_the_second_time,
    returns_a_view_that_it_changes_later,
    returns_a_view_of_its_input,
    returns_lists,
    returns_a_ragged_list,
    returns_another_dtype,
    returns_objects,
    returns_another_shape,
    returns_a_scalar,
    returns_a_strided_array,
    returns_a_tensor,
    returns_a_tensor_that_refuses,
    returns_nothing,
    returns_a_text,
    rejects,
    declares_it_unsupported,
)


def flatten(inputs: Array, weights: dict[str, Array], config: dict[str, Any]) -> Any:
    batch = inputs.shape[0]
    return _right(inputs) if batch == 1 else BEHAVIOURS[batch - 2](inputs)


Flatten = flatten
