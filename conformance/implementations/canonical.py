"""Whether a case's arguments are of the documented kinds, and then their canonical form.

Interfaces that know only the canonical form of the arguments (torch.nn's modules, plug-ins) can
be asked about an argument's wrong value, not about one of a wrong kind or an unknown name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import canonical_config
from conformance.judge.activations import ACTIVATIONS
from conformance.layers import LAYERS, SIZES


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


_KINDS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "filters": (_is_integer, "an integer"),
    "groups": (_is_integer, "an integer"),
    "padding": (_is_text, "a string"),
    "data_format": (_is_text_or_none, "a string or None"),
    "activation": (_is_text_or_none, "a name or None"),
    "use_bias": (lambda value: isinstance(value, bool), "a boolean"),
}


def uncanonical(case: Case) -> str | None:
    """The first argument that has no canonical form, and why; None where all have one."""
    layer = LAYERS[case.layer]
    if missing := set(layer.required) - set(case.keywords):
        return f"{', '.join(sorted(missing))} is not given"
    for name, value in case.arguments:
        if name not in layer.defaults:
            return f"there is no argument {name!r}"
        problem = _problem(case, name, value)
        if problem:
            return f"{name}={value!r} is not {problem}"
    return None


def _problem(case: Case, name: str, value: Any) -> str | None:
    layer = LAYERS[case.layer]
    if name in layer.sizes:
        optional = layer.defaults[name] is None
        return None if (optional and value is None) else _size_problem(value, layer.rank)
    accepts, kind = _KINDS.get(name, (lambda _: True, ""))
    return None if accepts(value) else kind


def _size_problem(value: Any, rank: int) -> str | None:
    if _is_integer(value):
        return None
    if isinstance(value, tuple | list) and len(value) == rank and all(map(_is_integer, value)):
        return None
    return f"an integer, nor a tuple or list of {rank}"


def has_documented_values(case: Case) -> bool:
    """Whether canonical arguments are such as the documentation gives, though they may clash."""
    config = canonical_config(case)
    activation = config.get("activation")
    return (
        has_plain_geometry(case)
        and config.get("filters", 1) > 0
        and config.get("groups", 1) > 0
        and (activation is None or activation in ACTIVATIONS)
    )


def has_plain_geometry(case: Case) -> bool:
    """Whether every size is positive and padding and data_format are among the documented ones."""
    config = canonical_config(case)
    sizes = [size for name in SIZES for size in config.get(name, ())]
    return (
        min(sizes, default=1) > 0
        and config.get("padding", "valid").lower() in LAYERS[case.layer].paddings
        and config.get("data_format") in ("channels_first", "channels_last")
        and case.keywords.get("data_format") != ""  # canonically the default, yet undocumented
    )
