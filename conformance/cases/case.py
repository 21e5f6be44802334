"""A case: one layer, its constructor arguments, its operands, and what is observed.

A case equals its *descriptor*, a single line that parses back to it::

    Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2/padding:same

The descriptor is the layer's name followed by ``field:value`` pairs joined by ``/``.  Fields
at their default are left out; constructor arguments are written only where the case passes
them.  Values are written so:

* integers, floats, ``None``, ``True`` and ``False`` as Python writes them;
* a tuple of two or more non-negative integers (``None`` for a free length) joined by ``x``:
  ``2x7x8x3``, ``Nonex128``;
* a string that reads as an identifier, bare: ``same``;
* anything else as a Python literal without spaces (``[2,1]``, ``(3,)``, ``'2'``), with ``%``,
  ``/`` and blanks percent-encoded.
"""

from __future__ import annotations

import ast
import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final
from urllib.parse import unquote

from conformance.layers.registry import LAYERS
from reference_impl.showing import shown

_BARE_STRING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*\Z")
_SIZES: Final = re.compile(r"(?:\d+|None)(?:x(?:\d+|None))+\Z")
_ENCODED: Final = {character: f"%{ord(character):02X}" for character in "%/ \t\n\r"}
_KEYWORDS: Final = frozenset({"None", "True", "False", "nan", "inf"})

DEFAULTS: Final[dict[str, Any]] = {
    "observe": "output",
    "inputs": None,
    "dtype": "float32",
    "operands": "integers",
    "seed": 0,
}
"""The fields that every case has besides its constructor arguments, with their defaults."""


class DescriptorError(ValueError):
    """A descriptor that does not parse; the message says which part, and what is allowed."""


def _is_sizes(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) > 1
        and all(
            size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0)
            for size in value
        )
    )


def format_value(value: Any) -> str:
    """Write one value of a descriptor; `parse_value` is its inverse."""
    if _is_sizes(value):
        return "x".join(map(str, value))
    if isinstance(value, str) and _is_bare(value):
        return value
    return "".join(_ENCODED.get(character, character) for character in _literal(value))


def _literal(value: Any) -> str:
    """`value` as a Python literal without the blanks that `repr` adds."""
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    if isinstance(value, tuple):
        return f"({','.join(map(_literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_literal(k)}:{_literal(v)}" for k, v in value.items()) + "}"
    return repr(value)


def _is_bare(text: str) -> bool:
    return bool(_BARE_STRING.match(text)) and not _SIZES.match(text) and text not in _KEYWORDS


_MOST_KEPT: Final = 100
"""Characters of a literal that is kept for the next case that has it."""


def _parsed_anew(text: str) -> Any:
    return ast.literal_eval(unquote(text))


_parsed = lru_cache(maxsize=1 << 10)(_parsed_anew)


@lru_cache(maxsize=1 << 10)
def _parsed_sizes(text: str) -> tuple[int | None, ...]:
    return tuple(None if size == "None" else int(size) for size in text.split("x"))


def parse_value(text: str) -> Any:
    """Read one value of a descriptor.

    Raises:
        DescriptorError: if `text` is neither a size, a bare string nor a Python literal.
    """
    if _is_bare(text):
        return text
    if text in ("nan", "inf", "-inf"):
        return float(text)
    try:
        if _SIZES.match(text):
            return _parsed_sizes(text)
        return _parsed_anew(text) if len(text) > _MOST_KEPT else deepcopy(_parsed(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise DescriptorError(
            f"cannot read the value {shown(text)} of a descriptor: expected sizes such as "
            "2x7x8x3, a bare word, or a Python literal without spaces"
        ) from error


@dataclass(frozen=True, eq=False)
class Case:
    """One layer, its full configuration, the operand recipe and what is observed.

    Attributes:
        layer: the documented name, such as ``Conv2D``.
        arguments: the constructor arguments as the caller writes them, in any spelling that
            the documentation allows (or, where rejection is observed, forbids).
        inputs: shape of the input array, batch included; None where there is no array.
        dtype: the layer's dtype.
        operands: kind of the operands, a name in `conformance.cases.operands.KINDS`.
        observe: what is looked at: ``output``, ``gradients``, ``shape``, ``rejection`` or a
            scenario's name.
        seed: distinguishes cases that are otherwise the same.
    """

    layer: str
    arguments: tuple[tuple[str, Any], ...] = ()
    inputs: tuple[int | None, ...] | None = None
    dtype: str = "float32"
    operands: str = "integers"
    observe: str = "output"
    seed: int = 0

    @classmethod
    def of(cls, layer: str, inputs: tuple[int | None, ...] | None = None, **fields: Any) -> Case:
        """Make a case from keyword arguments; those that are not fields go to the constructor."""
        known = {name: fields.pop(name) for name in tuple(fields) if name in DEFAULTS}
        signature = LAYERS[layer].signature
        order = [*signature, *sorted(set(fields) - set(signature))]
        arguments = tuple((name, fields[name]) for name in order if name in fields)
        return cls(layer=layer, arguments=arguments, inputs=inputs, **known)

    @property
    def keywords(self) -> dict[str, Any]:
        """The constructor arguments as a dictionary."""
        return dict(self.arguments)

    @cached_property
    def descriptor(self) -> str:
        """The one line that names, selects, stores and reproduces this case."""
        fields = [(name, getattr(self, name)) for name in DEFAULTS]
        shown = [(name, value) for name, value in fields if value != DEFAULTS[name]]
        parts = [f"{name}:{format_value(value)}" for name, value in (*shown, *self.arguments)]
        return "/".join([self.layer, *parts])

    def replace(self, **fields: Any) -> Case:
        """A copy with some fields or constructor arguments changed."""
        merged = {name: getattr(self, name) for name in DEFAULTS} | self.keywords | fields
        return Case.of(self.layer, merged.pop("inputs"), **merged)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Case) and self.descriptor == other.descriptor

    def __hash__(self) -> int:
        return hash(self.descriptor)

    def __str__(self) -> str:
        return self.descriptor


def parse(descriptor: str) -> Case:
    """The case that a descriptor names; ``parse(case.descriptor) == case``.

    Raises:
        DescriptorError: naming the part that cannot be read.
    """
    layer, *parts = descriptor.strip().split("/")
    if layer not in LAYERS:
        digits = [*filter(str.isdigit, layer)]  # a layer of three axes is not meant as one of two
        alike = (name for name in LAYERS if [*filter(str.isdigit, name)] == digits)
        from difflib import get_close_matches

        close = get_close_matches(layer, alike, n=1)
        raise DescriptorError(
            f"descriptor {shown(descriptor)} names the layer {shown(layer)}: "
            + (f"did you mean {close[0]!r}? " if close else "")
            + f"expected one of {', '.join(LAYERS)}"
        )
    fields: dict[str, Any] = {}
    for part in parts:
        name, colon, value = part.partition(":")
        if not colon or not name.isidentifier():
            raise DescriptorError(
                f"part {shown(part)} of {shown(descriptor)} is not of the form field:value"
            )
        if name in fields:
            raise DescriptorError(f"field {shown(name)} is given twice in {shown(descriptor)}")
        fields[name] = parse_value(value)
    return Case.of(layer, fields.pop("inputs", None), **fields)


def of_own_descriptor(descriptor: str) -> Case:
    """`parse` of what another process of this suite took from a case, which is not formed again."""
    case = parse(descriptor)
    case.__dict__["descriptor"] = descriptor
    return case
