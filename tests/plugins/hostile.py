"""A plug-in whose Flatten attacks the suite in one way for each batch size; right for batch 1.

`ATTACKS[n]` is what a call does with a batch of n + 2.
"""

from __future__ import annotations

import builtins
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

name = "hostile \ud800"
version = "0.1"

Array = Any


def flat(inputs: Array) -> Array:
    return inputs.reshape(inputs.shape[0], -1)


def say_on_every_descriptor(text: bytes, payload: int = 0) -> None:
    for descriptor in range(3, 40):
        try:
            os.write(descriptor, struct.pack(">QQ", len(text), payload) + text)
        except OSError:
            continue
    time.sleep(0.2)


def forges_an_outcome(inputs: Array) -> Array:
    rejection = {"Rejection": {"exception": "ValueError", "message": "forged"}}
    say_on_every_descriptor(json.dumps({"tuple": ["outcome", 0, 0.0, True, rejection]}).encode())
    return flat(inputs)


def forges_a_distant_index(inputs: Array) -> Array:
    say_on_every_descriptor(json.dumps({"tuple": ["error", 10**6, "trace"]}).encode())
    return flat(inputs)


def forges_deep_json(inputs: Array) -> Array:
    say_on_every_descriptor(b"[" * 20_000 + b"]" * 20_000)
    return flat(inputs)


def announces_a_huge_frame(inputs: Array) -> Array:
    say_on_every_descriptor(b"", 2**40)
    return flat(inputs)


def writes_garbage_everywhere(inputs: Array) -> Array:
    for descriptor in range(3, 40):
        try:
            os.write(descriptor, b"\xff" * 4096)
        except OSError:
            continue
    return flat(inputs)


def replaces_json_dumps(inputs: Array) -> Array:
    json.dumps = lambda *a, **k: '{"tuple":["outcome",0,1]}'  # type: ignore[assignment]
    return flat(inputs)


def clears_the_modules(inputs: Array) -> Array:
    sys.modules.clear()
    return flat(inputs)


def replaces_isinstance(inputs: Array) -> Array:
    builtins.isinstance = lambda *a: True  # type: ignore[assignment]
    return flat(inputs)


def empties_numpy(inputs: Array) -> Array:
    result = flat(inputs)
    for attribute in dir(np):
        if not attribute.startswith("__"):
            setattr(np, attribute, None)
    return result


def forks(inputs: Array) -> Array:
    os.fork()
    return flat(inputs)


def leaves_a_child_with_its_pipes(inputs: Array) -> Array:
    program = "import time; time.sleep(5)"
    subprocess.Popen([sys.executable, "-c", program], start_new_session=True, close_fds=False)
    os._exit(3)


def raises_a_lone_surrogate(inputs: Array) -> Array:
    raise ValueError("\ud800 lone")


def declares_a_lone_surrogate(inputs: Array) -> Array:
    raise NotImplementedError("\udc80")


def reshapes_its_inputs(inputs: Array) -> Array:
    batch = inputs.shape[0]
    inputs.shape = (inputs.size,)
    return inputs.reshape(batch, -1).copy()


def traces_everything(inputs: Array) -> Array:
    def trace(*arguments: Any) -> Any:
        raise RuntimeError("traced")

    sys.settrace(trace)
    return flat(inputs)


def names_a_result_by_a_lone_surrogate(inputs: Array) -> Array:
    return {"\ud800": flat(inputs)}


class MessageError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


def raises_what_has_no_message(inputs: Array) -> Array:
    raise MessageError


def raises_a_huge_message(inputs: Array) -> Array:
    raise ValueError("first" + "x" * 50_000_000 + "last")


ATTACKS: tuple[Callable[[Array], Array], ...] = (
    forges_an_outcome,
    forges_a_distant_index,
    forges_deep_json,
    announces_a_huge_frame,
    writes_garbage_everywhere,
    replaces_json_dumps,
    clears_the_modules,
    replaces_isinstance,
    empties_numpy,
    forks,
    leaves_a_child_with_its_pipes,
    raises_a_lone_surrogate,
    declares_a_lone_surrogate,
    reshapes_its_inputs,
    traces_everything,
    names_a_result_by_a_lone_surrogate,
    raises_what_has_no_message,
    raises_a_huge_message,
)


def Flatten(inputs: Array, weights: dict[str, Array], config: dict[str, Any]) -> Array:  # noqa: N802
    batch = inputs.shape[0]
    return flat(inputs) if batch == 1 else ATTACKS[batch - 2](inputs)
