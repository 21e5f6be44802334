"""Which faults change nothing of a case, found without evaluating it again.

A right evaluation keeps what each of its steps was given, and gave.  A fault whose own steps give
the same from the same changes nothing, since each step then hands on what the next was given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from conformance.diagnosis.evaluation import CORRECT, Along, Backward, Steps
from conformance.diagnosis.faults import changes

_AS_LONG_AS_ALL: Final = frozenset({"contract", "pool"})
"""Steps that take about as long as the evaluation itself, so that trying them spares nothing."""

_CHANGING: Final = frozenset({"scatter"})
"""Steps that change what they are given."""

_OF_PADDING: Final = frozenset({"beyond", "pad_value"})

_WITHOUT_EFFECT_ON_VALUES: Final = frozenset({"on_grid"})

_Calls = dict[str, list[tuple[tuple[Any, ...], Any]]]


class Trace:
    """What the steps of a right evaluation were given, and gave.

    Attributes:
        steps: the steps to evaluate with, which keep it.
    """

    def __init__(self) -> None:
        self._calls: _Calls = defaultdict(list)
        self.steps: Steps = replace(
            CORRECT,
            backward=self._keeping(Backward(), "backward."),
            **self._wrapped(CORRECT, "", ("backward",)),
        )

    def _keeping(self, backward: Backward, prefix: str) -> Backward:
        return replace(backward, **self._wrapped(backward, prefix))

    def _wrapped(self, of: Any, prefix: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
        named = {field.name: getattr(of, field.name) for field in fields(of)}
        return {
            name: self._kept(prefix + name, step)
            for name, step in named.items()
            if callable(step) and name not in without
        }

    def _kept(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            made = step(*given)
            self._calls[name].append((given, made))
            return made

        return called

    def is_idle(self, steps: Steps) -> bool:
        """Whether an evaluation with these steps is sure to give what the right one gave."""
        with np.errstate(all="ignore"):
            return all(self._gives_the_same(*changed) for changed in _changed(steps))

    def _gives_the_same(self, prefix: str, name: str, step: Any) -> bool:
        if name in _WITHOUT_EFFECT_ON_VALUES:
            return True
        if name in _OF_PADDING:
            return not any(map(_is_padded, self._axes()))
        if getattr(Backward() if prefix else CORRECT, name) is None:
            return False  # a step that the right evaluation does not have
        calls = self._calls.get(prefix + name, ())
        if calls and name in _AS_LONG_AS_ALL | _CHANGING:
            return False
        try:
            return all(_are_same(step(*given), made) for given, made in calls)
        except (ValueError, IndexError):
            return False

    def _axes(self) -> list[Along]:
        return [along for _, made in self._calls.get("together", ()) for along in made]


@lru_cache(maxsize=8192)
def _changed(steps: Steps) -> tuple[tuple[str, str, Any], ...]:
    """The steps that are not the right ones: what stands before their name, the name, the step."""
    changed = [("", name, step) for name, step in changes(steps).items() if name != "backward"]
    own = ((field, getattr(steps.backward, field.name)) for field in fields(Backward))
    changed += [("backward.", f.name, step) for f, step in own if step is not f.default]
    return tuple(changed)


def _is_padded(along: Along) -> bool:
    """Whether a window along the axis reaches beyond the input."""
    last = (along.outputs - 1) * along.stride + (along.window - 1) * along.dilation
    return along.before > 0 or last - along.before >= along.length


def _are_same(one: Any, other: Any) -> bool:
    """Whether two results of a step are the same, arrays bit by bit."""
    if one is other:
        return True
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        alike = one.shape == other.shape and one.dtype == other.dtype
        return alike and one.tobytes() == other.tobytes()
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return all(map(_are_same, one, other))
    plain = not isinstance(one, np.ndarray | list) and not isinstance(other, np.ndarray | list)
    return plain and bool(one == other)
