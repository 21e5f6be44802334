"""What a plug-in declares once that it takes, so that a plain refusal is none of its faults.

It has an attribute ``takes``, a program the same in its first answer::

    takes = {"dtypes": ["float32"], "empty": False, "data_formats": ["channels_last"]}

Each key is optional; what is left out is taken:

* ``dtypes``, ``activations``, ``paddings``, ``data_formats``: lists of names;
* ``memory``: which arrays in other than plain memory, a list of `MEMORY`;
* ``empty``: True, ``"batch"`` where only the batch axis may be empty, or False;
* ``dilation``, ``groups``: whether it knows them.

Lists may be given by layer: ``{"Conv2D": ["float32"], "MaxPooling2D": ["float32", "int8"]}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.operands import FLOATING_DTYPES, INTEGER_DTYPES, KINDS, LAYOUTS
from conformance.implementations.protocol import ImplementationError
from conformance.judge.activations import ACTIVATIONS
from conformance.layers.registry import called_layers

MEMORY: Final = tuple(LAYOUTS)
"""Arrays that are no plain ones: views with steps, of column-major order, read-only and so on."""


@dataclass(frozen=True)
class Names:
    """A key whose value is a list of names.

    Attributes:
        all_: the names that there are.
        of: the name that a case has; empty for none, which is always taken.
        words: what a case with a name is called.
    """

    all_: tuple[str, ...]
    of: Callable[[Facts], str]
    words: str


def _data_format(known: Facts) -> str:
    is_one = known.rank or known.descriptor.moves
    return ("channels_first" if known.channels_first else "channels_last") if is_one else ""


LISTS: Final[Mapping[str, Names]] = {
    "dtypes": Names((*FLOATING_DTYPES, *INTEGER_DTYPES), lambda f: f.case.dtype, "{}"),
    "activations": Names(tuple(ACTIVATIONS), lambda f: f.activation or "", "the activation {}"),
    "paddings": Names(
        ("valid", "same", "causal"), lambda f: (f.padding or "") if f.rank else "", "{} padding"
    ),
    "data_formats": Names(("channels_last", "channels_first"), _data_format, "{}"),
    "memory": Names(MEMORY, lambda f: KINDS[f.case.operands].layout, "{} arrays"),
}
"""The keys whose values are lists."""


def is_empty(known: Facts, but_batch: bool = False) -> bool:
    """Whether a case has an input without elements, along another axis than the batch's alone."""
    return 0 in (known.case.inputs or ())[int(but_batch) :]


FLAGS: Final[Mapping[str, tuple[Callable[[Facts], bool], str]]] = {
    "dilation": (lambda f: bool(f.rank) and max(f.dilation) > 1, "dilated windows"),
    "groups": (lambda f: f.is_convolution and f.groups > 1, "groups"),
}
"""The keys whose values are True or False, and which cases need them."""

EMPTY: Final = (True, "batch", False)
_KEYS: Final = (*LISTS, "empty", *FLAGS)


class Declaration:
    """A plug-in's declaration.

    Args:
        where: what errors call the plug-in.
        given: the value of its ``takes``.

    Raises:
        ImplementationError: if it is no such declaration.
    """

    def __init__(self, where: str, given: Any) -> None:
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise ImplementationError(f"{where}: takes is {given!r}, not a dictionary")
        for key, value in given.items():
            if key not in _KEYS:
                raise ImplementationError(
                    f"{where}: takes has the key {key!r}: expected {', '.join(_KEYS)}"
                )
            _check(f"{where}: takes[{key!r}]", key, value)
        self._given = dict(given)

    def refusal(self, case: Case) -> str | None:
        """What of a case the plug-in declares that it does not take; None where it takes all."""
        if not self._given:
            return None
        known = facts(case)
        for key, names in LISTS.items():
            name = names.of(known)
            if name and name not in self._listed(key, case.layer, name):
                return f"it declares that it does not take {names.words.format(name)}"
        empty = self._given.get("empty", True)
        if empty is not True and is_empty(known, empty == "batch"):
            return "it declares that it does not take arrays without elements"
        for key, (needs, words) in FLAGS.items():
            if not self._given.get(key, True) and needs(known):
                return f"it declares that it does not take {words}"
        return None

    def _listed(self, key: str, layer: str, name: str) -> Any:
        value = self._given.get(key, (name,))
        return value.get(layer, (name,)) if isinstance(value, Mapping) else value


def _check(where: str, key: str, value: Any) -> None:
    if key in LISTS:
        _check_lists(where, key, value)
    elif key == "empty":
        if not any(value is one or (isinstance(one, str) and value == one) for one in EMPTY):
            raise ImplementationError(f"{where} is {value!r}: expected True, 'batch' or False")
    elif not isinstance(value, bool):
        raise ImplementationError(f"{where} is {value!r}: expected True or False")


def _check_lists(where: str, key: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for layer, names in value.items():
            if layer not in called_layers():
                known = ", ".join(called_layers())
                raise ImplementationError(f"{where} names the layer {layer!r}: expected {known}")
            _check_names(f"{where}[{layer!r}]", key, names)
    else:
        _check_names(where, key, value)


def _check_names(where: str, key: str, value: Any) -> None:
    known = LISTS[key].all_
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise ImplementationError(f"{where} is {value!r}: expected a list of names")
    wrong = [name for name in value if name not in known]
    if wrong:
        raise ImplementationError(
            f"{where} has the name {wrong[0]!r}: expected names of {', '.join(known)}"
        )
