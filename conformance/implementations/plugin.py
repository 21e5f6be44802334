"""Anyone's implementation, as a module, an object in a module, or a file.

It offers any of the callables ``Conv1D``, ``Conv2D``, ``MaxPooling1D``, ``MaxPooling2D`` and
``Flatten``, each ``layer(inputs, weights, config) -> array``:

* ``inputs``: a NumPy array;
* ``weights``: a dict with ``kernel`` and, where used, ``bias``; empty for the other layers;
* ``config``: a dict of every documented argument in canonical form (tuples of the layer's rank,
  ``data_format`` always given, activations by name), and ``dtype``.

Raising NotImplementedError, or leaving out the callable, declares a case unsupported; any other
exception is a rejection.  Optional attributes: ``name``, ``version``, ``takes`` (a declaration of
what it takes, `conformance.implementations.declaration`), ``thread_safe`` (False where two threads
must not call it at once), and
``gradients(layer, inputs, weights, config, upstream) -> dict``: given the layer's name and the
gradient with respect to its output, those with respect to ``inputs``, ``kernel`` and ``bias``.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import canonical_config
from conformance.cases.operands import Operands
from conformance.implementations.canonical import has_documented_values, uncanonical
from conformance.implementations.declaration import Declaration
from conformance.implementations.histories import Made, observe_layer
from conformance.implementations.import_paths import module_of_file
from conformance.implementations.observation import (
    Earlier,
    as_array,
    describe_result,
    observe_after_another,
    rejection,
)
from conformance.implementations.protocol import Implementation, ImplementationError
from conformance.implementations.registry import split_file
from conformance.layers.layer import IDENTIFIERS
from conformance.layers.registry import LAYERS, called_layers
from conformance.outcomes import Outcome, Unsupported, Value

_HERE: Final = Path(__file__).resolve().parents[1]

_ALWAYS: Final = 16
_SELDOM: Final = 8
"""The first answers of a layer, and then one of so many, are asked for again after another case."""

_OF_PROGRAMMING: Final = (
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    TypeError,
    ZeroDivisionError,
)
"""Exceptions that tell little without the line that raised them."""

_SIGNATURE: Final = "(inputs, weights, config)"


def load(spec: str) -> Implementation:
    """The plug-in that `spec` names: MODULE, MODULE:ATTRIBUTE, FILE.py or FILE.py:ATTRIBUTE.

    Raises:
        ImplementationError: if it cannot be imported, lacks the attribute, offers none of the
            callables, or one that cannot be called with ``(inputs, weights, config)``.
    """
    path, attribute = split_file(spec)
    if path is None:
        module, _, attribute = spec.partition(":")
        target = _imported(spec, lambda: importlib.import_module(module))
    else:
        target = _imported(spec, lambda: _module_of_file(path))
    for name in attribute.split(".") if attribute else ():
        if not hasattr(target, name):
            raise ImplementationError(f"plug-in {spec!r}: {target!r} has no attribute {name!r}")
        target = getattr(target, name)
    _check(spec, target)
    return Plugin(spec, target)


def _imported(spec: str, load_module: Callable[[], Any]) -> Any:
    try:
        return load_module()
    except Exception as error:
        trace = "".join(traceback.format_exception(error)[-3:])
        raise ImplementationError(f"plug-in {spec!r} cannot be imported:\n{trace}") from error


def _module_of_file(path: Path) -> ModuleType:
    """Import a file under its own name, if no other module has that."""
    name = path.stem if path.stem not in sys.modules else f"plugin_{path.stem}"
    return module_of_file(path, name)


def _check(spec: str, target: Any) -> None:
    offered = {name: getattr(target, name, None) for name in called_layers()}
    if all(layer is None for layer in offered.values()):
        raise ImplementationError(
            f"plug-in {spec!r} offers none of the callables {', '.join(called_layers())}"
        )
    for name, layer in offered.items():
        if layer is not None:
            _check_callable(f"plug-in {spec!r}: {name}", layer)


def _check_callable(where: str, layer: Any) -> None:
    if not callable(layer):
        raise ImplementationError(f"{where} is {layer!r}, not a callable {_SIGNATURE}")
    try:
        signature = inspect.signature(layer)
    except (TypeError, ValueError):
        return  # a callable of an extension module may hide its signature
    try:
        signature.bind(None, {}, {})
    except TypeError as error:
        raise ImplementationError(
            f"{where} has the signature {signature} and cannot be called with {_SIGNATURE}: {error}"
        ) from error


class Plugin:
    """A plug-in, behind the protocol of `conformance.implementations.protocol`."""

    def __init__(self, spec: str, target: Any) -> None:
        self.name = str(getattr(target, "name", None) or spec)
        self.version = str(getattr(target, "version", None) or "")
        self._target = target
        self._declared = Declaration(f"plug-in {spec!r}", getattr(target, "takes", None))
        self._declined: tuple[Case | None, str | None] = None, None
        self._steady: dict[str, Earlier] = {}
        self._answered: Counter[str] = Counter()

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """Call the layer's callable twice on private copies of the operands.

        Some cases are called a third time, after a call of the case before on the same layer.
        """
        reason = self.declines(case)
        layer = self._callable_for(case)
        if layer is None or reason is not None:
            return Unsupported(str(reason))
        try:
            if case.observe == "rejection":
                given = layer(operands.inputs, dict(operands.weights), _config(case))
                return Value(describe_result(as_array(given)))
            outcome = observe_layer(case, operands, lambda given: self._made(layer, given, case))
            return self._after_another(case, layer, operands, outcome)
        except NotImplementedError as error:
            return Unsupported(str(error) or "the plug-in raises NotImplementedError")
        except _OF_PROGRAMMING as error:
            return rejection(error, place=_place_of(error))

    def declines(self, case: Case) -> str | None:
        """Why the plug-in is not asked of a case; None where it is (`protocol.Implementation`)."""
        asked, reason = self._declined
        if asked is not case:
            reason = self._unsupported(case)
            self._declined = case, reason
        return reason

    def _unsupported(self, case: Case) -> str | None:
        if self._layer(case) is None:
            return f"the plug-in has no callable {case.layer}"
        reason = _unsupported(case) or self._declared.refusal(case)
        if reason is None and self._callable_for(case) is None:
            return "the plug-in has no callable gradients"
        return reason

    def _layer(self, case: Case) -> Callable[..., Any] | None:
        takes_inputs = LAYERS[case.layer].takes_inputs
        return getattr(self._target, case.layer, None) if takes_inputs else None

    def _callable_for(self, case: Case) -> Callable[..., Any] | None:
        """The callable of inputs, weights and configuration, for gradients of upstream as well."""
        if case.observe != "gradients":
            return self._layer(case)
        function = getattr(self._target, "gradients", None)
        return function and (lambda *arguments: function(case.layer, *arguments))

    def _made(self, layer: Callable[..., Any], given: Operands, case: Case) -> Made:
        """The callable on weights that stay in the same arrays, whatever numbers they hold."""
        weights = dict(given.weights)

        def call(inputs: Any, *upstream: Any) -> Any:
            return layer(inputs, dict(weights), _config(case), *upstream)

        def assign(values: Mapping[str, Any]) -> None:
            for name, array in values.items():
                np.copyto(weights[name], array)

        return Made(call, assign, thread_safe=bool(getattr(self._target, "thread_safe", True)))

    def _after_another(
        self, case: Case, layer: Callable[..., Any], operands: Operands, outcome: Outcome
    ) -> Outcome:
        """Whether the answer stays the same after another case, asked of some of the cases."""
        if not isinstance(outcome, Value) or outcome.repeat is not None or outcome.changed_inputs:
            return outcome
        if case.observe != "output":
            return outcome
        made = self._made(layer, operands, case)

        def call() -> Any:
            return made.call(operands.inputs)

        earlier = self._steady.get(case.layer)
        self._steady[case.layer] = Earlier(case.descriptor, call, outcome.value)
        self._answered[case.layer] += 1
        number = self._answered[case.layer]
        if earlier is None or (number > _ALWAYS and number % _SELDOM):
            return outcome
        return observe_after_another(outcome, call, earlier)


def _place_of(error: BaseException) -> str:
    """The line of the plug-in that raised an exception: ``conv.py, line 12, in pad``."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if _HERE not in Path(f.filename).parents]
    own = [frame for frame in outside if "site-packages" not in frame.filename] or outside
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}, in {own[-1].name}" if own else ""


def _unsupported(case: Case) -> str | None:
    """Why the plug-in interface cannot carry a case; None where it can."""
    if case.observe not in ("output", "gradients", "rejection"):
        return f"plug-ins compute outputs and gradients; {case.observe!r} is not asked of them"
    if case.observe == "rejection" and (
        idle := [n for n in case.keywords if n.endswith(IDENTIFIERS)]
    ):
        return f"plug-ins compute outputs, in which {idle[0]} has no part"
    problem = uncanonical(case)
    if problem:
        return f"plug-ins get arguments in canonical form; {problem}"
    if not has_documented_values(case):
        return "plug-ins get documented values only; the refusal of others is not asked of them"
    if case.inputs is None or None in case.inputs:
        return "plug-ins get arrays, and this case has none"
    return None


def _config(case: Case) -> dict[str, Any]:
    """Every documented argument in canonical form, and the dtype."""
    return {**canonical_config(case), "dtype": case.dtype}
