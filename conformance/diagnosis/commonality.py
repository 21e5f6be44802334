"""What failing cases have in common that passing ones lack, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from math import prod
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.operands import KINDS
from conformance.layers.registry import LAYERS

_LARGEST_CONJUNCTION: Final = 3
_LIMITS: Final = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
_BLOCKS: Final = (4, 2, 8, 16, 32)
_PRODUCTS: Final = (4096, 1024, 512, 256, 128, 64)
_LENGTHS: Final = (65535, 32767, 1024, 256, 64)
_OBSERVED: Final = MappingProxyType(
    {"output": "outputs", "shape": "the shape alone", "rejection": "arguments to be refused"}
)
"""What a case looks at, where the name of it is not enough."""

_RARE: Final = " (rare in cases that pass)"

_FEW: Final = 0.1
"""Share of the passing cases that may have the best conjunction too, if none excludes all."""


def separates(failing: Sequence[Case], passing: Sequence[Case]) -> bool:
    """Whether one or two features are had by all failing cases, and by no passing one."""
    found = common(failing, passing, largest=2)
    return found is not None and not found.endswith(_RARE)


def common(
    failing: Sequence[Case], passing: Sequence[Case], largest: int = _LARGEST_CONJUNCTION
) -> str | None:
    """The smallest conjunction of features that all failing cases have and no passing one.

    Where there is none of at most `largest` features, one that few passing cases have, and that is
    said; None where there is none of these either, or nothing to compare.
    """
    if not failing or not passing:
        return None
    shared = [f for f in features(failing[0]) if all(f in features(case) for case in failing)]
    having = [features(case) for case in passing]
    plain = {f: _bits([f in one for one in having]) for f in shared}
    best, fewest = _best(plain, len(passing), largest)
    if fewest:
        bounded, fewer = _best(plain | _bounds(failing, passing), len(passing), largest)
        if 2 * fewer <= fewest:
            best, fewest = bounded, fewer
    if not best or fewest > _FEW * len(passing):
        return None
    return " and ".join(best) + (_RARE if fewest else "")


def _best(having: Mapping[str, int], count: int, largest: int) -> tuple[Sequence[str], int]:
    """The smallest conjunction that the fewest of so many passing cases have; and how many do."""
    everything = (1 << count) - 1
    telling = [f for f, mask in having.items() if mask != everything]
    best: Sequence[str] = ()
    fewest = count
    for size in range(1, largest + 1):
        for chosen in combinations(telling, size):
            left = everything
            for feature in chosen:
                left &= having[feature]
            if left.bit_count() < fewest:
                best, fewest = chosen, left.bit_count()
        if fewest == 0:
            break
    return best, fewest


def _bits(which: Sequence[bool]) -> int:
    """A number with one bit for each that is true, the first the least."""
    packed = np.packbits(np.array(which, np.bool_), bitorder="little")
    return int.from_bytes(packed.tobytes(), "little")


def _bounds(failing: Sequence[Case], passing: Sequence[Case]) -> dict[str, int]:
    """The least and the greatest of each number of the failing cases, and which others meet it.

    Round limits come before them, and are told where they tell as much.
    """
    if len(failing) < _LEAST_BOUNDED:
        return {}
    found = {}
    given, right = ([_numbers(case) for case in cases] for cases in (failing, passing))
    for place, name in enumerate(_NUMBERS):
        seen, others = ([numbers[place] for numbers in one] for one in (given, right))
        if min(seen) < 1:
            continue
        met = {f"{name} <= {max(seen)}": [0 < n <= max(seen) for n in others]}
        if min(seen) > 1:
            met[f"{name} >= {min(seen)}"] = [n >= min(seen) for n in others]
        for words, which in met.items():
            found[words] = _bits(which)
    return found


_LEAST_BOUNDED: Final = 5
"""How many failing cases there are at least where their least or greatest number is told."""

_NUMBERS: Final[Mapping[str, Callable[[Facts], int]]] = MappingProxyType(
    {
        "batch": lambda known: known.batch or 0,
        "channels": lambda known: known.channels or 0,
        "filters": lambda known: known.config["filters"] if known.is_convolution else 0,
        "products in a sum": lambda known: known.products if known.is_convolution else 0,
        "elements in a window": lambda known: prod(known.window),
        "strides": lambda known: max(known.strides),
        "steps under a window": lambda known: max(a.receptive_field for a in known.axes),
        "steps along an axis": lambda known: max(n or 0 for n in known.spatial),
    }
)
"""Numbers of a case; 0 where it has none."""


@lru_cache(maxsize=8192)
def _numbers(case: Case) -> tuple[int, ...]:
    known = facts(case)
    if case.observe not in _LOOKS or not known.rank or not known.has_axes:
        return (0,) * len(_NUMBERS)
    return tuple(of(known) for of in _NUMBERS.values())


_LOOKS: Final = ("output", "shape", "gradients")


@lru_cache(maxsize=8192)
def features(case: Case) -> dict[str, None]:
    """The features of a case, the plainest first; a dictionary for its order."""
    found = dict.fromkeys(_of_fields(case))
    if case.observe in _LOOKS:
        found |= dict.fromkeys(_of_geometry(facts(case)))
    return found


def _of_fields(case: Case) -> Iterator[str]:
    yield case.layer
    yield case.dtype
    yield _OBSERVED.get(case.observe, case.observe.replace("_", " "))
    yield f"operands of the kind '{case.operands}'{meaning(case.operands)}"
    layer = LAYERS[case.layer]
    yield from filter(None, (layer.noun,))
    if layer.rank:
        yield "one spatial axis" if layer.rank == 1 else f"{layer.rank} spatial axes"
    if case.observe not in _LOOKS:
        yield from (f"{name} given" for name, _ in case.arguments)
    if case.dtype in _BYTES:
        yield f"elements of {_BYTES[case.dtype]}"


def meaning(kind: str) -> str:
    """What a kind is that is about the arrays themselves, not their elements; else empty."""
    about = KINDS[kind].layout or KINDS[kind].history
    return f" ({KINDS[kind].meaning})" if about else ""


_BYTES: Final = MappingProxyType(
    {
        **dict.fromkeys(("int8", "uint8"), "1 byte"),
        **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), "2 bytes"),
        **dict.fromkeys(("float32", "int32", "uint32"), "4 bytes"),
        **dict.fromkeys(("float64", "int64", "uint64"), "8 bytes"),
    }
)
"""How long the elements of a dtype are."""


def _of_geometry(known: Facts) -> Iterator[str]:
    config = known.config
    if "padding" in config:
        yield f"padding '{str(config['padding']).lower()}'"
    if "data_format" in config:
        yield str(config["data_format"])
    if "use_bias" in config:
        yield "a bias" if config["use_bias"] else "no bias"
    if known.is_convolution:
        yield from [f"activation '{known.activation}'"] * (known.activation is not None)
        yield "an activation" if known.activation not in (None, "linear") else "no activation"
    if known.batch is not None:
        yield f"batch = {known.batch}" if known.batch < 2 else "batch > 1"
        yield from (f"batch > {limit}" for limit in reversed(_LIMITS[1:]) if known.batch > limit)
    if known.descriptor.input_ranks:
        sizes = known.case.inputs or ()
        rank = len(sizes)
        yield from ["an axis of length 1"] * (1 in sizes[1:])
        yield f"inputs of rank {rank}"
        yield from (f"inputs of a rank other than {n}" for n in (3, 4) if n != rank)
    if known.rank:
        yield from _of_windows(known)


def _of_windows(known: Facts) -> Iterator[str]:
    argument = known.descriptor.window
    yield "strides > 1" if max(known.strides) > 1 else "strides = 1"
    if known.descriptor.dilates:
        yield "dilation_rate > 1" if max(known.dilation) > 1 else "dilation_rate = 1"
    yield f"{argument} > 1" if max(known.window) > 1 else f"{argument} = 1"
    if len(set(known.window)) == 1 and known.window[0] > 1:
        yield f"{argument} = {known.window[0]}"
    yield from [f"strides = {argument}"] * (known.strides == known.window)
    yield f"an even {argument}" if any(k % 2 == 0 for k in known.window) else f"an odd {argument}"
    for name, sizes in (("strides", known.strides), (argument, known.window)):
        if known.rank > 1:
            alike = len(set(sizes)) == 1
            yield f"{name} that {'are alike' if alike else 'differ'} between the axes"
    if any(s > k for s, k in zip(known.strides, known.window, strict=True)):
        yield f"strides > {argument}"
    if known.channels is not None:
        yield "channels = 1" if known.channels == 1 else "channels > 1"
        yield from _of_size("channels", known.channels)
    if known.is_convolution:
        yield from _of_size("filters", known.config["filters"])
        yield "filters = 1" if known.config["filters"] == 1 else "filters > 1"
        yield from (f"sums of more than {n} products" for n in _PRODUCTS if known.products > n)
        yield from ["filters as many as channels"] * (known.config["filters"] == known.channels)
    if known.groups > 1:
        yield "groups > 1"
        yield from ["one channel to a group"] * (known.groups == known.channels)
    if known.has_axes:
        yield from _of_axes(known)


def _of_size(name: str, size: int) -> Iterator[str]:
    """Beyond which limits a size lies, the largest first, and of what it is no multiple."""
    yield from (f"{name} > {limit}" for limit in reversed(_LIMITS) if size > limit)
    yield from (f"{name} no multiple of {block}" for block in _BLOCKS if size % block)
    yield from (f"{name} a multiple of {block}" for block in _BLOCKS if size and not size % block)


def _of_axes(known: Facts) -> Iterator[str]:
    axes = known.axes
    if known.padding in ("same", "causal"):
        padded = any(axis.padding_total for axis in axes)
        yield "padded elements" if padded else "no padded element"
        yield from ["an odd number of padded elements"] * any(a.padding_total % 2 for a in axes)
    if axes[-1].length == known.channels:
        yield "a last axis as long as there are channels"
    longest = max(axis.length for axis in axes)
    yield from (f"more than {n} steps along an axis" for n in _LENGTHS if longest > n)
    if any(axis.length % axis.stride for axis in axes):
        yield "a length that strides do not divide"
    if any(axis.receptive_field > axis.length for axis in axes):
        yield "a window larger than the input"
    if len({axis.length for axis in axes}) > 1:
        yield "lengths that differ between the axes"
