"""Streams of words, and the recipes that make one element of an operand from one word.

The module `conformance.cases.operands` specifies them; the names here are the specification's.
Every recipe takes the words in the shape of the array and gives the exact values as float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Values = NDArray[np.float64]

INTEGER_DTYPES: Final = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
"""The integer dtypes for which inputs can be made (max pooling and Flatten)."""

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_STEPS: Final[Words] = np.arange(1, 4097, dtype=np.uint64) * _GOLDEN


@dataclass(frozen=True)
class Numbers:
    """What the recipes need to know of a format (the table of the module's docstring)."""

    precision: int
    input_bits: int
    sum_bits: int
    small_bits: int
    small_weight: int
    max_exponent: int
    quantum_exponent: int
    wide_exponent: int
    spike_exponent: int


NUMBERS: Final[Mapping[str, Numbers]] = MappingProxyType(
    {
        "float16": Numbers(11, 11, 24, 3, 3, 15, -24, 4, 12),
        "bfloat16": Numbers(8, 8, 24, 2, 1, 127, -133, 30, 30),
        "float32": Numbers(24, 13, 24, 3, 3, 127, -149, 30, 30),
        "float64": Numbers(53, 40, 53, 3, 3, 1023, -1074, 300, 40),
    }
)
"""The floating-point formats by name."""

Recipe = Callable[[Words, Numbers], Values]
"""What makes the elements of an array from its words."""


def words(text: str, count: int) -> Words:
    """The first `count` words of the stream that `text` keys."""
    from hashlib import sha256

    return split_mix(int.from_bytes(sha256(text.encode("ascii")).digest()[:8], "big"), count)


def split_mix(key: int, count: int) -> Words:
    """The first `count` values of SplitMix64 from the state `key`."""
    steps = _STEPS[:count] if count <= _STEPS.size else _steps(count)
    z = steps + np.uint64(key)
    z ^= z >> np.uint64(30)
    z *= _FIRST
    z ^= z >> np.uint64(27)
    z *= _SECOND
    z ^= z >> np.uint64(31)
    return z


def _steps(count: int) -> Words:
    return np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN


def sign(v: Words) -> Values:
    """``-1`` if bit 0 of v is set, else ``+1``."""
    return 1.0 - 2.0 * (v & np.uint64(1)).astype(np.float64)


def top(v: Words, bits: int) -> Values:
    """``v >> (64 - bits)``, the leading bits."""
    return (v >> np.uint64(64 - bits)).astype(np.float64)


def high(v: Words, below: int) -> Values:
    """``((v >> 32) * below) >> 32``, an integer in 0 .. below - 1."""
    return (((v >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32)).astype(np.float64)


def low(v: Words, below: int) -> Words:
    """``(((v & 0xFFFFFFFF) >> 1) * below) >> 31``, an integer in 0 .. below - 1."""
    field = (v & np.uint64(0xFFFFFFFF)) >> np.uint64(1)
    return (field * np.uint64(below)) >> np.uint64(31)


def grid(v: Words, n: Numbers) -> Values:
    """``sign(v) top(v, B) 2**(1 - B)``."""
    return sign(v) * top(v, n.input_bits) * 2.0 ** (1 - n.input_bits)


def grid_bias(v: Words, n: Numbers) -> Values:
    """``sign(v) (1 + top(v, B)) 2**(1 - B)``."""
    return sign(v) * (1 + top(v, n.input_bits)) * 2.0 ** (1 - n.input_bits)


def grid_weights(v: Words, n: Numbers) -> Values:
    """``weights(A, B, 3)``, see `weights`."""
    return weights(v, n.sum_bits, n.input_bits, 3)


def small(v: Words, n: Numbers) -> Values:
    """``sign(v) top(v, b)``."""
    return sign(v) * top(v, n.small_bits)


def small_bias(v: Words, n: Numbers) -> Values:
    """``sign(v) (1 + top(v, b))``."""
    return sign(v) * (1 + top(v, n.small_bits))


def small_weights(v: Words, n: Numbers) -> Values:
    """``weights(p, b, g)``, see `weights`."""
    return weights(v, n.precision, n.small_bits, n.small_weight)


def weights(v: Words, sum_bits: int, input_bits: int, largest: int) -> Values:
    """Small integers, sparse only where exactness needs it.

    With K taps a filter (the window's sizes times the channels) and the budget
    ``L = (2**sum_bits - 2**input_bits) // (2**input_bits - 1)``, an element is
    ``sign(v) (1 + high(v, largest))``, but if ``largest K > L``, with ``m = ceil(4 K / L)``:

    * it is zero unless ``low(v, m) == 0``; and then
    * it is zero if the sum of the magnitudes of its filter's elements, in row-major order up to
      and with it, exceeds L.
    """
    taps = v.size // v.shape[-1] if v.size else 0
    budget = (2**sum_bits - 2**input_bits) // (2**input_bits - 1)
    magnitude = 1 + high(v, largest)
    if largest * taps > budget:
        magnitude[low(v, -(-4 * taps // budget)) != 0] = 0
        per_filter = magnitude.reshape(taps, -1)
        per_filter[np.cumsum(per_filter, axis=0) > budget] = 0
    return sign(v) * magnitude


def uniform(v: Words, n: Numbers) -> Values:
    """``sign(v) top(v, p) 2**(1 - p)``."""
    return sign(v) * top(v, n.precision) * 2.0 ** (1 - n.precision)


def positive(v: Words, n: Numbers) -> Values:
    """``(1 + top(v, p)) 2**(1 - p)``, in (0, 2]."""
    return (1 + top(v, n.precision)) * 2.0 ** (1 - n.precision)


def negative(v: Words, n: Numbers) -> Values:
    """``-positive(v)``."""
    return -positive(v, n)


def mantissa(v: Words, n: Numbers) -> Values:
    """``(2**(p - 1) + top(v, p - 1)) 2**(1 - p)``, in [1, 2)."""
    bits = n.precision - 1
    return (2.0**bits + top(v, bits)) * 2.0**-bits


def constant(v: Words, n: Numbers) -> Values:
    """``mantissa`` of word 0, in every element."""
    if not v.size:
        return v.astype(np.float64)
    return np.full(v.shape, mantissa(v.reshape(-1)[:1], n)[0])


def constant_weights(v: Words, n: Numbers) -> Values:
    """``mantissa`` of the word of the filter's first tap, in every tap of that filter."""
    taps = v.size // v.shape[-1] if v.size else 0
    row = mantissa(v.reshape(taps, v.shape[-1])[:1], n)
    return np.broadcast_to(row, (taps, v.shape[-1])).reshape(v.shape).copy()


def wide(v: Words, n: Numbers) -> Values:
    """``sign(v) mantissa(v) 2**E``, with ``E = low(v, 2 R + 1) - R``."""
    exponents = low(v, 2 * n.wide_exponent + 1).astype(np.int64) - n.wide_exponent
    return np.ldexp(sign(v) * mantissa(v, n), exponents)


def near_one(v: Words, n: Numbers) -> Values:
    """``(2**(p - 1) + top(v, p // 2)) 2**(1 - p)``."""
    bits = n.precision - 1
    return (2.0**bits + top(v, n.precision // 2)) * 2.0**-bits


def cancelling_weights(v: Words, n: Numbers) -> Values:
    """``sign(v) positive(v)``, in pairs of opposite sign.

    Over the K taps of a filter in row-major order (0 .. K - 1), each odd one is minus its
    predecessor; if K is odd, the last is multiplied by ``2**-(p // 2)``.
    """
    filters = v.shape[-1]
    taps = v.size // filters if v.size else 0
    weights = (sign(v) * positive(v, n)).reshape(taps, filters)
    paired = taps - taps % 2
    weights[1:paired:2] = -weights[0:paired:2]
    weights[paired:] *= 2.0 ** -(n.precision // 2)
    return weights.reshape(v.shape)


def tiny_bias(v: Words, n: Numbers) -> Values:
    """``uniform(v) 2**-(p // 2)``."""
    return uniform(v, n) * 2.0 ** -(n.precision // 2)


def huge(v: Words, n: Numbers) -> Values:
    """``sign(v) mantissa(v) 2**(M - 2)``."""
    return sign(v) * mantissa(v, n) * 2.0 ** (n.max_exponent - 2)


def huge_bias(v: Words, n: Numbers) -> Values:
    """``uniform(v) 2**(M - 3)``."""
    return uniform(v, n) * 2.0 ** (n.max_exponent - 3)


def overflowing(v: Words, n: Numbers) -> Values:
    """``(-1)**n mantissa(v) 2**M``, n being the index on the first axis."""
    odd_sample = np.arange(v.shape[0]).reshape(-1, *(1,) * (v.ndim - 1)) % 2
    return (1.0 - 2.0 * odd_sample) * mantissa(v, n) * 2.0**n.max_exponent


def overflowing_weights(v: Words, n: Numbers) -> Values:
    """``(-1)**f (3 2**(p - 2) + top(v, p - 2)) 2**(2 - p)`` for filter f, in 3 .. 4."""
    bits = n.precision - 2
    odd_filter = np.arange(v.shape[-1]) % 2
    return (1.0 - 2.0 * odd_filter) * (3 * 2.0**bits + top(v, bits)) * 2.0**-bits


def subnormal(v: Words, n: Numbers) -> Values:
    """``sign(v) top(v, p - 1) 2**q``."""
    return sign(v) * top(v, n.precision - 1) * 2.0**n.quantum_exponent


def short_weights(v: Words, n: Numbers) -> Values:
    """``sign(v) (1 + high(v, 3))``."""
    return sign(v) * (1 + high(v, 3))


def special_values(n: Numbers) -> Values:
    """NaN, inf, -inf, -0, 0, 2**q, -2**q, 2**(1 - M), the largest number, and minus that."""
    quantum, normal = 2.0**n.quantum_exponent, 2.0 ** (1 - n.max_exponent)
    largest = (2.0**n.precision - 1) * 2.0 ** (n.max_exponent + 1 - n.precision)
    return np.array(
        [np.nan, np.inf, -np.inf, -0.0, 0.0, quantum, -quantum, normal, largest, -largest]
    )


def specials(v: Words, n: Numbers) -> Values:
    """Where ``low(v, 4) == 0``, entry ``high(v, 10)`` of `special_values`; else ``grid(v)``."""
    return np.where(low(v, 4) == 0, special_values(n)[high(v, 10).astype(int)], grid(v, n))


def few_specials(v: Words, n: Numbers) -> Values:
    """Where ``low(v, 64) == 0``, entry ``high(v, 8)`` of `special_values`; else ``grid(v)``."""
    return np.where(low(v, 64) == 0, special_values(n)[high(v, 8).astype(int)], grid(v, n))


def lowest(v: Words, n: Numbers) -> Values:
    """Where ``low(v, 4) == 0``, ``-abs(grid_bias(v))``; else minus infinity."""
    return np.where(low(v, 4) == 0, -np.abs(grid_bias(v, n)), -np.inf)


def integers(v: Words, kind: str, dtype: str) -> NDArray[Any]:
    """Elements of an integer dtype of s bits, by the kind's base name.

    * `integers`: the s leading bits of the word, in two's complement;
    * `small`: ``sign(v) top(v, 3)``, or ``top(v, 3)`` if unsigned;
    * `negative`: ``-1 - top(v, s - 1)``;
    * `lowest`: the least value, plus ``1 + top(v, s - 1)`` where ``low(v, 4) == 0``;
    * `specials`: where ``low(v, 4) == 0`` the least, the greatest, 0 or 1 as ``high(v, 4)`` says,
      elsewhere as `integers`;
    * `kernel_mark`, `upstream_mark`: ``1 + i mod greatest`` at the row-major index i;
    * `input_mark`: zeros.

    Raises:
        ValueError: for another kind, and for `negative` of an unsigned dtype.
    """
    info = np.iinfo(dtype)
    unsigned = f"uint{info.bits}"
    leading = (v >> np.uint64(64 - info.bits)).astype(unsigned).view(dtype)
    part = (v >> np.uint64(65 - info.bits)).astype(unsigned).view(dtype)
    least = np.full_like(part, info.min)
    chosen = low(v, 4) == 0
    if kind == "integers":
        return leading
    if kind == "small":
        digit = (v >> np.uint64(61)).astype(dtype)
        return np.where((v & np.uint64(1) != 0) & (info.min < 0), -digit, digit)
    if kind == "negative" and info.min < 0:
        return -1 - part
    if kind == "lowest":
        return np.where(chosen, least + (part + part.dtype.type(1)), least)
    if kind == "specials":
        table = np.array([info.min, info.max, 0, 1], dtype=dtype)
        return np.where(chosen, table[high(v, 4).astype(int)], leading)
    if kind.endswith("_mark"):
        numbers = _counted(v.shape, min(info.max, 2**63 - 1)).astype(dtype)
        return np.zeros_like(numbers) if kind == "input_mark" else numbers
    raise ValueError(f"operands {kind!r} need a floating-point dtype, not {dtype!r}")


def nothing(v: Words, n: Numbers) -> Values:
    """Zeros."""
    del n
    return np.zeros(v.shape)


def numbered(v: Words, n: Numbers) -> Values:
    """``1 + i mod (2**p - 1)`` at the row-major index i."""
    return _counted(v.shape, 2**n.precision - 1).astype(np.float64)


def _counted(shape: tuple[int, ...], largest: int) -> NDArray[np.int64]:
    """One, two, three and so on up to the largest, and again from one."""
    return 1 + np.arange(prod(shape), dtype=np.int64).reshape(shape) % largest


def odd(v: Words, n: Numbers) -> Values:
    """``sign(v) (2**(p - 1) + 2 top(v, p - 2) + 1) 2**(1 - p)``: the last bit is set."""
    bits = n.precision - 1
    return sign(v) * (2.0**bits + 2 * top(v, bits - 1) + 1) * 2.0**-bits


def one_power(v: Words, n: Numbers) -> Values:
    """One element a sample, ``sign(v) 2**-high(v, 4)``; zeros elsewhere.

    It stands at the row-major index ``low(w, size)`` of its sample, w being that one's first word.
    """
    del n
    return _one_a_sample(v, lambda w: 2.0 ** -high(w, 4).astype(np.float64))


def one_short(v: Words, n: Numbers) -> Values:
    """One element a sample, as of `one_power`: ``sign(v) (3 + 2 high(v, 3)) 2**-3``."""
    del n
    return _one_a_sample(v, lambda w: (3 + 2 * high(w, 3).astype(np.float64)) * 2.0**-3)


def _one_a_sample(v: Words, magnitude: Callable[[Words], Values]) -> Values:
    values = np.zeros(v.shape)
    size = v.size // len(v) if len(v) else 0
    if size:
        rows, words_ = values.reshape(len(v), size), v.reshape(len(v), size)
        places = low(words_[:, 0], size).astype(int)
        chosen = words_[np.arange(len(v)), places]
        rows[np.arange(len(v)), places] = sign(chosen) * magnitude(chosen)
    return values


def tails(v: Words, n: Numbers) -> Values:
    """Where ``low(v, 2) == 0`` ``sign(v) top(v, p) 2**(T - p)``, else ``sign(v) mantissa(v) 2**E``.

    T is 7, for float64 10, so that exponentials leave the range on both sides, and
    ``E = high(v, T + p + 2) - p - 2``.
    """
    end = 10 if n.precision > 50 else 7
    even = top(v, n.precision) * 2.0 ** (end - n.precision)
    exponents = high(v, end + n.precision + 2).astype(np.int64) - n.precision - 2
    return sign(v) * np.where(low(v, 2) == 0, even, np.ldexp(mantissa(v, n), exponents))


def far_tails(v: Words, n: Numbers) -> Values:
    """``sign(v) mantissa(v) 2**E``, up to the largest numbers.

    Where ``low(v, 8) < 4``, ``E = M - low(v, 8)``, else ``E = T + high(v, M - T + 1)``, T as in
    `tails`.  The elements at the row-major indices 0 and 1 are the largest number, and minus that.
    """
    values = _beyond_tails(v, n, n.max_exponent)
    ends = (2 - 2.0 ** (1 - n.precision)) * 2.0**n.max_exponent * np.array([1.0, -1.0])
    values.reshape(-1)[:2] = ends[: values.size]
    return values


def far_slopes(v: Words, n: Numbers) -> Values:
    """As `far_tails`, but with ``M - 8`` for M, so that 255 of them can be summed, and no ends.

    No E is below T.
    """
    return _beyond_tails(v, n, n.max_exponent - 8)


def _beyond_tails(v: Words, n: Numbers, last: int) -> Values:
    first = 10 if n.precision > 50 else 7
    step = low(v, 8).astype(np.int64)
    anywhere = first + high(v, last - first + 1).astype(np.int64)
    exponents = np.where(step < 4, np.maximum(last - step, first), anywhere)
    return np.asarray(sign(v) * np.ldexp(mantissa(v, n), exponents))


_KINKS: Final = (0.5, 1.0, 3.0, 6.0)
"""The magnitudes at which the formula of an activation changes, beside zero."""


def edges(v: Words, n: Numbers) -> Values:
    """Arguments around kinks, tiny ones, subnormal ones and zeros.

    The element at the row-major index i is, c being entry ``i // 12`` of 0.5, 1, 3, 6:

    * for ``i < 48``, with ``s = 1 - 2 (i mod 2)`` and ``j = i // 2 mod 6``: ``s c`` for j = 0, one
      step of the format beyond and one before it for j = 1 and 2, and ``s c (1 + 2**-(p // 2))``,
      ``s c (1 - 2**-(p // 2))``, ``s c (1 - 2**-4)`` for j = 3, 4, 5;
    * for ``i < 56``, ``s`` times 0, ``2**q``, ``2**(1 - M)`` and the largest subnormal number;
    * for ``i < 64``, ``subnormal(v)``;
    * from there on ``sign(v) mantissa(v) 2**-(p + low(v, M - p))``.
    """
    spread = n.precision // 2
    kinks = np.repeat(_KINKS, 12)
    signs = np.tile([1.0, -1.0], kinks.size // 2)
    step = 2.0 ** (np.floor(np.log2(kinks)) + 1 - n.precision)
    before = np.where(np.log2(kinks) % 1 == 0, step / 2, step)
    offsets = (0 * kinks, step, -before, kinks * 2.0**-spread, -kinks * 2.0**-spread, -kinks / 16)
    which = np.arange(kinks.size) // 2 % len(offsets)
    around = signs * (kinks + np.choose(which, offsets))
    quantum, normal = 2.0**n.quantum_exponent, 2.0 ** (1 - n.max_exponent)
    least = np.outer([0.0, quantum, normal, normal - quantum], [1.0, -1.0]).ravel()
    exponents = n.precision + low(v, n.max_exponent - n.precision).astype(np.int64)
    values = sign(v) * np.ldexp(mantissa(v, n), -exponents)
    flat, fixed = values.reshape(-1), np.concatenate([around, least])
    flat[: fixed.size] = fixed[: flat.size]
    flat[fixed.size : fixed.size + 8] = subnormal(v.reshape(-1)[fixed.size : fixed.size + 8], n)
    return flat.reshape(v.shape)


def one_fraction(v: Words, n: Numbers) -> Values:
    """One element a sample, as of `one_power`: ``sign(v) 2**-(2 + high(v, 2))``."""
    del n
    return _one_a_sample(v, lambda w: 2.0 ** -(2 + high(w, 2)).astype(np.float64))


def signs(v: Words, n: Numbers) -> Values:
    """``sign(v)``."""
    del n
    return sign(v)


def odd_bias(v: Words, n: Numbers) -> Values:
    """``(2**(p - 1) + 2 top(v, p - 3) + 1) 2**(1 - p)``, in 1 .. 1.5: the last bit is set."""
    bits = n.precision - 1
    return (2.0**bits + 2 * top(v, bits - 2) + 1) * 2.0**-bits


def one_tap(v: Words, n: Numbers) -> Values:
    """One in tap ``(low(w, K) + f) mod K`` of filter f, w being word 0; zeros elsewhere."""
    del n
    filters = v.shape[-1]
    taps = v.size // filters if v.size else 0
    values = np.zeros((taps, filters))
    if taps:
        first = int(low(v.reshape(-1)[:1], taps)[0])
        values[(first + np.arange(filters)) % taps, np.arange(filters)] = 1.0
    return values.reshape(v.shape)
