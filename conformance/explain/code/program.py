"""What all writers of equivalent code share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from conformance.explain.subject import Subject

SIXTEEN_BITS: Final = frozenset({"float16", "bfloat16"})
INTEGERS: Final = frozenset(
    {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)


class Unsayable(Exception):  # noqa: N818 - it is an answer, not an error
    """A notation has nothing for a case; the message says why."""


def pairs(subject: Subject) -> list[tuple[int, int]]:
    """The padding before and after each spatial axis."""
    return [(axis.pad_before, axis.pad_after) for axis in subject.geometry]


def is_padded(subject: Subject) -> bool:
    """Whether anything is padded."""
    return any(axis.padding_total for axis in subject.geometry)


def is_symmetric(subject: Subject) -> bool:
    """Whether each axis has as much padding before as after."""
    return all(before == after for before, after in pairs(subject))


def one_or_tuple(sizes: Sequence[int]) -> str:
    """Equal sizes as one integer, others as a tuple."""
    return str(sizes[0]) if len(set(sizes)) == 1 else repr(tuple(sizes))


def given(name: str, sizes: Sequence[int]) -> list[str]:
    """The keyword argument ``name=sizes``; nothing where all are one."""
    return [] if set(sizes) == {1} else [f"{name}={one_or_tuple(sizes)}"]


def to_first(rank: int) -> str:
    """The permutation that moves the channels before the spatial axes."""
    return ", ".join(map(str, [0, rank + 1, *range(1, rank + 1)]))


def to_last(rank: int) -> str:
    """The permutation that moves the channels behind the spatial axes."""
    return ", ".join(map(str, [0, *range(2, rank + 2), 1]))


def kernel_to_first(rank: int) -> str:
    """The permutation of Keras' kernel to ``(filters, channels, *window)``."""
    return ", ".join(map(str, [rank + 1, rank, *range(rank)]))


def operands_comment(subject: Subject, kind: str) -> list[str]:
    """The comment that says what the code starts from."""
    names = ["inputs", *(subject.weights if hasattr(subject.layer, "get_weights") else {})]
    layout = "channels first" if subject.channels_first else "channels last"
    return [f"# {', '.join(names)}: {kind} as the Keras layer has them ({layout})"]


def lines(*parts: Iterable[str]) -> str:
    """The parts as one text, a line each."""
    return "\n".join(line for part in parts for line in part) + "\n"


def require_lengths(subject: Subject) -> None:
    """Refuse to write code without the lengths that it depends on.

    Raises:
        Unsayable: where a length is free, or the layer does not take the inputs.
    """
    if subject.output_shape is None:
        raise Unsayable("the layer does not take these inputs")
    if not subject.is_sized:
        raise Unsayable("a length is free, and the padding depends on it; give every length")
