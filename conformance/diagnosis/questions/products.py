"""What the products of a convolution read, as it was found and as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from conformance.diagnosis.evaluation import Array

Law = Mapping[str, int]
"""An index as a sum of others by their symbols, each times a number; the constant by ``""``."""

NOTHING: Final = -1
SEVERAL: Final = -2
"""In the place of an index: nothing is read, or more than one element."""

AXES: Final = {1: ("step",), 2: ("row", "column"), 3: ("plane", "row", "column")}
PLACES: Final = "ijk"
TAPS: Final = "abd"


@dataclass(frozen=True)
class Told:
    """What is said of reads.

    Attributes:
        words: all words that hold; of few reads several may, of which others tell which is meant.
        for_all: whether they say what is read for all that was asked, not for one element.
        is_law: whether they are a law, which few reads do not follow by chance.
        of_padding: whether they are of the places of the padding alone, all others being right.
        also: words that hold as well, but are told only where they are those of another case.
    """

    words: tuple[str, ...] = ()
    for_all: bool = True
    is_law: bool = False
    of_padding: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Reads:
    """The products of a convolution that were looked at, one a row.

    Attributes:
        entries: the output's sample and place, the kernel element's taps, its channel within the
            group, and its filter.
        right: the sample, place and channel of the input, and the filter of the output, that belong
            together; the place is outside of the input where it is padding.
        got: the same as it was found; `NOTHING` or `SEVERAL` in all columns.
        weight: how often the right input was read; NaN where another was read as well.
        inside: whether the right input is no padding.
        lengths: the spatial lengths of the inputs.
        laws: what the columns of `right` are.
        per_group: the filters of a group.
        groups: the number of groups.
    """

    entries: Array
    right: Array
    got: Array
    weight: Array
    inside: Array
    lengths: tuple[int, ...]
    laws: tuple[Law, ...]
    per_group: int
    groups: int

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return int(self.right.shape[1]) - 3

    @property
    def wrong(self) -> Array:
        """Which reads are not as they should be."""
        same = (self.got == self.right).all(axis=1)
        nothing = (self.got == NOTHING).all(axis=1)
        return np.asarray(~np.where(self.inside, same, nothing))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of the kernel's taps and channels, as far as they occur."""
        return tuple(self.entries[:, 1 + self.rank : -1].max(axis=0, initial=0) + 1)

    def products(self, sizes: tuple[int, ...]) -> Array:
        """The number of each product in its sum, by the lengths of taps and channels."""
        taps_and_channel = self.entries[:, 1 + self.rank : -1]
        return np.asarray(np.ravel_multi_index(tuple(taps_and_channel.T), sizes))

    def only(self, chosen: Array) -> Reads:
        """Some of the reads."""
        rows = ("entries", "right", "got", "weight", "inside")
        return replace(self, **{name: getattr(self, name)[chosen] for name in rows})

    def variables(self) -> Iterator[tuple[str, str, Array]]:
        """Symbol, name in the plural, and values, of what an entry is told by."""
        axes, e = AXES[self.rank], self.entries
        yield "n", "samples", e[:, 0]
        for a, axis in enumerate(axes):
            yield PLACES[a], f"output {axis}s", e[:, 1 + a]
        for a, axis in enumerate(axes):
            yield TAPS[a], f"kernel {axis}s", e[:, 1 + self.rank + a]
        yield "c", "channels of a group" if self.groups > 1 else "channels", e[:, -2]
        if self.groups > 1:
            yield "g", "groups", e[:, -1] // self.per_group
        yield "f", "filters of a group" if self.groups > 1 else "filters", e[:, -1] % self.per_group

    def indices(self) -> Iterator[tuple[str, Array]]:
        """Names in the plural, and values, of what reads may be wrong along."""
        for a, axis in enumerate(AXES[self.rank]):
            yield f"input {axis}s", self.right[:, 1 + a]
        yield "input channels", self.right[:, -2]
        yield from ((name, values) for _, name, values in self.variables())
        yield "products of a sum", self.products(self.sizes)


def formula(law: Law) -> str:
    """A law as it is written: ``2*i + a - 1``."""
    terms = [(number, symbol) for symbol, number in law.items() if symbol and number]
    terms.sort(key=lambda term: term[0] < 0)
    constant = law.get("", 0)
    parts = [(number < 0, _term(abs(number), symbol)) for number, symbol in terms]
    if constant or not parts:
        parts.append((constant < 0, str(abs(constant))))
    (negative, first), *rest = parts
    text = f"-{first}" if negative else first
    return text + "".join(f" {'-' if minus else '+'} {part}" for minus, part in rest)


def _term(number: int, symbol: str) -> str:
    return symbol if number == 1 else f"{number}*{symbol}"


def place_in_words(indices: Sequence[Any] | Array) -> str:
    """Indices as they are written: ``[0, 2, 1]``."""
    return f"[{', '.join(str(int(i)) for i in indices)}]"
