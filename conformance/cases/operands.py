"""The operands of a case, regenerated from its descriptor alone.

Everything below is integer arithmetic followed by one multiplication with a power of two, so that
any language makes the same bytes; no library's random stream is involved.

**Words.**  Every array has a stream of unsigned 64-bit words, one for each element in row-major
order.  Its key is the first 8 bytes, read big-endian, of the SHA-256 of the ASCII text
``ROLE/SHAPE/KIND/DTYPE/SEED``, such as ``kernel/3x3x4x8/integers/float32/0``.  ROLE is ``inputs``,
``kernel``, ``bias``, ``upstream`` or ``place``; SHAPE joins the array's sizes by ``x``; the
kernel's shape is ``(*window, channels, filters)``; the upstream gradient, which only the
observation of gradients has, is made with the layer's axis of channels last and put where the
layer's output has it; KIND is the kind's base, or the kind itself where it has none.
Word i = 0, 1, ... is SplitMix64 on a counter, modulo 2**64::

    z = key + (i + 1) * 0x9E3779B97F4A7C15
    z = (z xor (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z xor (z >> 27)) * 0x94D049BB133111EB
    word = z xor (z >> 31)

(G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.)

**Fields of a word** v::

    sign(v)     -1 if bit 0 of v is set, else +1
    top(v, b)   v >> (64 - b), the b leading bits
    high(v, m)  ((v >> 32) * m) >> 32, an integer in 0 .. m - 1
    low(v, m)   (((v & 0xFFFFFFFF) >> 1) * m) >> 31, an integer in 0 .. m - 1

**Numbers of a format**: p significant bits, B bits of an input, A bits of a sum, b bits of a small
integer and its largest weight g, the exponents M of the largest and q of the smallest positive
number, R of the wide range, S of the spike:

    ========  ==  ==  ==  =  =  ====  =====  ===  ==
    format     p   B   A  b  g     M      q    R   S
    ========  ==  ==  ==  =  =  ====  =====  ===  ==
    float16   11  11  24  3  3    15    -24    4  12
    bfloat16   8   8  24  2  1   127   -133   30  30
    float32   24  13  24  3  3   127   -149   30  30
    float64   53  40  53  3  3  1023  -1074  300  40
    ========  ==  ==  ==  =  =  ====  =====  ===  ==

**Elements** follow from their words by the recipes that `KINDS` names for inputs, kernel and bias,
the upstream gradient's by the kernel's, its outputs counting as taps and its channels as filters,
where the kind names none of its own; the docstrings in `conformance.cases.recipes` are their
formulas.  All are exact in the dtype, for K below 2**14; a zero computed with ``sign(v)`` has that
sign, as in IEEE 754's multiplication.

Kernel and bias, not the upstream gradient, are multiplied by ``2**(-D e)`` at the end, where K is
the number of products in one output (the window's sizes times the channels),
``e = (bits(K) + 1) // 2`` with bits(K) its length in binary, and D is the kind's damping: outputs
are then of magnitude one whatever K is, and activations see numbers that do not saturate them.

**Placing.**  A kind with ``place`` sets one element of the array that it names, at the row-major
index ``high(w, size)``, to NaN, whose sign bit is set where it is a negative one, to ``sign(w)``
times infinity, or to ``sign(w) 2**S``, where w is word 0 of the role ``place`` and that array's
shape.

**Marking.**  A kind with ``mark`` sets the element of the array that it names at the row-major
index ``seed mod size`` to one: what comes of that element is seen alone.

**Calls and places.**  Kinds with a history are called as `conformance.cases.histories` says; inputs
of the kind `far` are those of another case, put as `conformance.cases.far` says.

**Why `integers` is exact.**  In units of the grid, inputs are below ``2**B``, and the magnitudes of
one filter's weights sum up to at most L (`recipes.weights`), so the absolute products and the bias
sum up to at most ``(2**B - 1) L + 2**B <= 2**A``: every partial sum, in any order, is an integer
that the accumulator holds, float32 for A = 24 and float64 for A = 53.  For `small`, A is the
layer's own precision p.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import prod
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases import recipes
from conformance.cases.carrier import CARRIER
from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.far import condensed, is_far, spread
from conformance.cases.recipes import NUMBERS, Numbers, Recipe, Values, Words, words

Array = NDArray[Any]

INTEGER_DTYPES: Final = recipes.INTEGER_DTYPES
FLOATING_DTYPES: Final = tuple(NUMBERS)


@dataclass(frozen=True, eq=False)
class Operands:
    """What a case feeds to an implementation.

    Attributes:
        inputs: the input array in the case's dtype; None where the case has no array, or observes
            something that needs none, such as the shape alone.
        weights: ``kernel`` of shape (*window, channels, filters) and, where used, ``bias`` of shape
            (filters,); empty for layers without weights, and where the arguments are too
            ill-formed to tell the shapes.
        upstream: the gradient with respect to the output, of its shape and dtype; None where no
            gradients are observed.
    """

    inputs: Array | None
    weights: dict[str, Array]
    upstream: Array | None = None


class LaterOperands:
    """The operands of a case, made when they are first asked for (`operands`)."""

    def __init__(self, case: Case, *, carried: bool = False) -> None:
        self._case = case
        self._carried = carried

    @cached_property
    def made(self) -> Operands:
        """All of them."""
        return operands(self._case, carried=self._carried)

    @property
    def inputs(self) -> Array | None:
        """See `Operands`."""
        return self.made.inputs

    @property
    def weights(self) -> dict[str, Array]:
        """See `Operands`."""
        return self.made.weights

    @property
    def upstream(self) -> Array | None:
        """See `Operands`."""
        return self.made.upstream


@dataclass(frozen=True)
class Kind:
    """A kind of operands: how elements follow from words, and what may be concluded from them.

    Attributes:
        meaning: what the kind is for, in one line.
        inputs, kernel, bias: the recipes of the elements.
        upstream: that of the upstream gradient's, where it is not the kernel's.
        damping: D, the power of ``2**-e`` by which kernel and bias are multiplied.
        base: the kind whose name keys the words, where it is not this one's own.
        exact: whether finite sums are exact in any order of summation (not where a value placed
            by the kind takes part).
        exact_gradients: whether, where sums are exact, those of gradients are as well.
        random_sign: whether products have random signs, so that error statistics apply.
        place: what replaces one element: ``array:value``; empty for nothing.
        mark: the array of zeros whose element number `seed` is one; empty for none.
        layout: how the arrays lie in memory: a name in `LAYOUTS`; empty for contiguous.
        history: what happens around the call (`conformance.cases.histories`); empty for nothing.
    """

    meaning: str
    inputs: Recipe = recipes.grid
    kernel: Recipe = recipes.grid_weights
    bias: Recipe = recipes.grid_bias
    upstream: Recipe | None = None
    damping: int = 1
    base: str | None = None
    exact: bool = False
    exact_gradients: bool = True
    random_sign: bool = False
    place: str = ""
    mark: str = ""
    layout: str = ""
    history: str = ""


def _on_grid(meaning: str, place: str = "", layout: str = "", history: str = "") -> Kind:
    """A kind with the values of `integers`, but for one element, the memory layout or history."""
    return Kind(
        meaning,
        base="integers",
        exact=True,
        random_sign=True,
        place=place,
        layout=layout,
        history=history,
    )


def _marked(meaning: str, mark: str) -> Kind:
    """A kind whose arrays are numbered, but for one that is zero except at its mark."""
    recipe = dict.fromkeys(("inputs", "kernel"), recipes.numbered) | {mark: recipes.nothing}
    return Kind(
        meaning,
        recipe["inputs"],
        recipe["kernel"],
        recipes.nothing,
        recipes.nothing,
        damping=0,
        exact=mark != "upstream",
        mark=mark,
    )


_TAILS: Final = Kind(
    "one tap a filter, inputs from tiny to beyond the range of exponentials",
    recipes.tails,
    recipes.one_tap,
    recipes.nothing,
    damping=0,
    exact=True,
)

_FAR_TAILS: Final = replace(
    _TAILS,
    meaning="one tap a filter, inputs from where exponentials leave the range to the largest",
    inputs=recipes.far_tails,
)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "integers": Kind(
            "dyadic grid on which every order of summation is exact; integer dtypes: whole range",
            exact=True,
            random_sign=True,
        ),
        "small": Kind(
            "unscaled integers of a digit, every sum exact in the layer's own dtype; many ties",
            recipes.small,
            recipes.small_weights,
            recipes.small_bias,
            damping=0,
            exact=True,
            random_sign=True,
        ),
        "reals": Kind(
            "uniform, random sign, all significant bits in use",
            recipes.uniform,
            recipes.uniform,
            recipes.uniform,
            random_sign=True,
        ),
        "positive": Kind("all positive", recipes.positive, recipes.positive, recipes.positive),
        "negative": Kind(
            "negative inputs and bias, positive kernel",
            recipes.negative,
            recipes.positive,
            recipes.negative,
        ),
        "constant": Kind(
            "one input value, one kernel value a filter: the worst of sequential summation",
            recipes.constant,
            recipes.constant_weights,
            recipes.uniform,
        ),
        "wide": Kind(
            "exponents over a wide range, products and sums normal",
            recipes.wide,
            recipes.wide,
            recipes.wide,
        ),
        "cancellation": Kind(
            "sums tiny beside their terms",
            recipes.near_one,
            recipes.cancelling_weights,
            recipes.tiny_bias,
        ),
        "huge": Kind(
            "near the top of the range; no partial sum overflows",
            recipes.huge,
            recipes.uniform,
            recipes.huge_bias,
            damping=2,
        ),
        "overflow": Kind(
            "every product beyond the largest number, one sign a sample and filter",
            recipes.overflowing,
            recipes.overflowing_weights,
            recipes.uniform,
            damping=0,
        ),
        "subnormal": Kind(
            "subnormal inputs and bias, small integer kernel",
            recipes.subnormal,
            recipes.short_weights,
            recipes.subnormal,
            damping=0,
        ),
        "specials": Kind(
            "NaN, infinities, zeros of both signs, subnormal, extreme: one element in 4",
            recipes.specials,
            base="specials",
        ),
        "lowest": Kind(
            "minus infinity (integers: the least value) but for one element in 4", recipes.lowest
        ),
        "one_nan": _on_grid("one NaN among the inputs", place="inputs:nan"),
        "one_infinity": _on_grid("one infinity among the inputs", place="inputs:infinity"),
        "spike": _on_grid("one input of magnitude 2**S", place="inputs:spike"),
        "kernel_nan": _on_grid("one NaN in the kernel", place="kernel:nan"),
        "kernel_infinity": _on_grid("one infinity in the kernel", place="kernel:infinity"),
        "one_power": Kind(
            "one power of two a sample, kernel of full precision with odd last bits",
            recipes.one_power,
            recipes.odd,
            recipes.nothing,
            damping=0,
            exact=True,
            exact_gradients=False,
        ),
        "one_product": Kind(
            "one short number a sample, kernel with odd last bits: products are rounded, once",
            recipes.one_short,
            recipes.odd,
            recipes.nothing,
            damping=0,
            exact=True,
            exact_gradients=False,
        ),
        "tails": _TAILS,
        "slopes": replace(
            _TAILS,
            meaning="as tails, and an upstream gradient of signs",
            upstream=recipes.signs,
            exact_gradients=False,
        ),
        "strided": _on_grid("views of every second element of larger arrays", layout="strided"),
        "reversed": _on_grid("views with negative strides", layout="reversed"),
        "fortran": _on_grid("column-major arrays", layout="fortran"),
        "broadcast": _on_grid("one sample shown as the whole batch", layout="broadcast"),
        "readonly": _on_grid("arrays that cannot be written", layout="readonly"),
        "one_weight": Kind(
            "one tap a filter, inputs of full precision with odd last bits",
            recipes.odd,
            recipes.one_tap,
            recipes.nothing,
            damping=0,
            exact=True,
            exact_gradients=False,
        ),
        "odd_bias": Kind(
            "one power of two a sample, kernel of signs, bias of full precision: sums with odd "
            "last bits",
            recipes.one_fraction,
            recipes.signs,
            recipes.odd_bias,
            damping=0,
            exact=True,
            exact_gradients=False,
        ),
        "edges": Kind(
            "one tap a filter, inputs around the kinks of activations, tiny, subnormal and zero",
            recipes.edges,
            recipes.one_tap,
            recipes.nothing,
            damping=0,
        ),
        "far": _on_grid("inputs beyond 2**31 bytes, zero but in the windows"),
        "swapped": _on_grid("arrays in the other byte order", layout="swapped"),
        "reweighted": _on_grid(
            "called before with other weights in their arrays", history="weights"
        ),
        "refilled": _on_grid("called before with other inputs in their array", history="inputs"),
        "resized": _on_grid("called before on larger and smaller inputs", history="sizes"),
        "threaded": _on_grid("called while another thread calls another", history="threads"),
        "unused_infinity": Kind(
            "one infinity among the inputs, one tap a filter and else zeros in the kernel",
            kernel=recipes.one_tap,
            bias=recipes.nothing,
            damping=0,
            exact=True,
            random_sign=True,
            place="inputs:infinity",
        ),
        "sliced": _on_grid(
            "arrays that are contiguous parts of longer ones, not the first", layout="sliced"
        ),
        "far_tails": _FAR_TAILS,
        "far_slopes": replace(
            _FAR_TAILS,
            meaning="as far_tails, small enough for sums, and an upstream gradient of signs",
            inputs=recipes.far_slopes,
            upstream=recipes.signs,
            exact_gradients=False,
        ),
        "negative_nan": _on_grid(
            "one NaN among the inputs, its sign bit set", place="inputs:negative-nan"
        ),
        "idle_infinity": Kind(
            "one infinity in the kernel, one input a sample and else zeros",
            recipes.one_power,
            bias=recipes.nothing,
            damping=0,
            exact=True,
            random_sign=True,
            place="kernel:infinity",
        ),
        "kernel_mark": _marked("inputs numbered, one element of the kernel one", "kernel"),
        "input_mark": _marked("kernel numbered, one input one", "inputs"),
        "upstream_mark": _marked(
            "inputs and kernel numbered, one element of the upstream gradient one", "upstream"
        ),
    }
)
"""The kinds of operands by name.

In a convolution, `recipes.few_specials` stands for `recipes.specials`.  Inputs of integer dtypes
are those of `recipes.integers`.
"""


def _strided(array: Array) -> Array:
    """A view of every second element; what lies between is the dtype's largest value or NaN."""
    larger = np.full([2 * size + 1 for size in array.shape], _filler(array), dtype=array.dtype)
    view: Array = larger[(slice(1, None, 2),) * array.ndim]
    view[...] = array
    return view


def _sliced(array: Array) -> Array:
    """All but the first and the last of a longer array, which hold its largest value or NaN."""
    larger = np.full((len(array) + 2, *array.shape[1:]), _filler(array), dtype=array.dtype)
    larger[1:-1] = array
    return larger[1:-1]


def _filler(array: Array) -> Any:
    return np.iinfo(array.dtype).max if array.dtype.kind in "iu" else np.nan


def _reversed(array: Array) -> Array:
    backwards = (slice(None, None, -1),) * array.ndim
    view: Array = np.ascontiguousarray(array[backwards])[backwards]
    return view


def _readonly(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _swapped(array: Array) -> Array:
    return array if array.dtype.name == "bfloat16" else array.astype(array.dtype.newbyteorder())


def _broadcast(array: Array) -> Array:
    return np.broadcast_to(array[:1].copy(), array.shape)


LAYOUTS: Final[Mapping[str, Callable[[Array], Array]]] = MappingProxyType(
    {
        "strided": _strided,
        "reversed": _reversed,
        "fortran": np.asfortranarray,
        "broadcast": _broadcast,
        "readonly": _readonly,
        "swapped": _swapped,
        "sliced": _sliced,
    }
)
"""How the arrays lie in memory."""

_LAID_OUT: Final = {"broadcast": ("inputs",)}
"""The arrays that a layout applies to, where it is not all of them."""


_FED: Final = ("output", "gradients", "rejection")
"""The observations that feed an array to the layer."""


def has_its_dtype(case: Case) -> bool:
    """Whether the package that the case's dtype needs, if any, is installed."""
    return case.dtype != "bfloat16" or importlib.util.find_spec("ml_dtypes") is not None


def operands(case: Case, *, carried: bool = False) -> Operands:
    """The operands of a case, the same bytes on every machine (module docstring).

    Args:
        case: the case.
        carried: whether bfloat16 arrays come in the dtype `carrier.CARRIER`, which needs no
            package beside NumPy.

    Raises:
        ValueError: if the case's kind or dtype is unknown, or the kind needs a floating-point
            dtype and the case has none.
        ImportError: if the dtype is bfloat16, not carried, and ml_dtypes is not installed.
    """
    if case.dtype == "bfloat16" and not carried:
        _dtype(case.dtype)
    shape = case.inputs
    if shape is None or None in shape or case.observe not in _FED:
        return Operands(None, {})
    kind = _kind(case.operands)
    if is_far(case):
        small = operands(condensed(case), carried=carried)
        return Operands(spread(case, small.inputs), small.weights)
    known = facts(case)
    arrays = {"inputs": _inputs(known, kind, tuple(size or 0 for size in shape))}
    shapes = known.descriptor.weight_shapes(case)
    arrays |= {role: _weight(known, kind, role, s) for role, s in shapes.items()}
    if case.observe == "gradients":
        arrays["upstream"] = _upstream(known, kind)
    dtype = CARRIER if carried and case.dtype == "bfloat16" else _dtype(case.dtype)
    arrays = {role: array.astype(dtype, copy=False) for role, array in arrays.items()}
    for role in _LAID_OUT.get(kind.layout, arrays) if kind.layout else ():
        arrays[role] = LAYOUTS[kind.layout](arrays[role])
    inputs, upstream = arrays.pop("inputs"), arrays.pop("upstream", None)
    return Operands(inputs, arrays, upstream)


def in_native_order(case: Case, given: Any) -> Any:
    """The same `Operands`, or what has their attributes, in the byte order of the machine.

    What carries bfloat16 numbers stays as it is.
    """
    if given.inputs is None or given.inputs.dtype.isnative or case.dtype == "bfloat16":
        return given
    weights = {name: _in_native_order(array) for name, array in given.weights.items()}
    upstream = None if given.upstream is None else _in_native_order(given.upstream)
    return Operands(_in_native_order(given.inputs), weights, upstream)


def _in_native_order(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("="))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise ValueError(f"operands {name!r} are unknown: expected one of {', '.join(KINDS)}")
    return KINDS[name]


def _numbers(dtype: str) -> Numbers:
    if dtype not in NUMBERS:
        raise ValueError(
            f"no such operands of dtype {dtype!r}: expected one of {', '.join(NUMBERS)}, or for "
            f"inputs without weights one of {', '.join(INTEGER_DTYPES)}"
        )
    return NUMBERS[dtype]


def _stream(case: Case, kind: Kind, role: str, shape: tuple[int, ...], count: int) -> Words:
    sizes = "x".join(map(str, shape))
    return words(f"{role}/{sizes}/{kind.base or case.operands}/{case.dtype}/{case.seed}", count)


def _drawn(
    recipe: Recipe, role: str, shape: tuple[int, ...], kind: str, dtype: str, seed: int
) -> Values:
    sizes = "x".join(map(str, shape))
    v = words(f"{role}/{sizes}/{kind}/{dtype}/{seed}", prod(shape)).reshape(shape)
    return recipe(v, _numbers(dtype))


_MOST_KEPT: Final = 1 << 12
"""Elements of an array that is kept for the next case that has it: 32 kilobytes."""

_kept = lru_cache(maxsize=256)(_drawn)


def _values(case: Case, kind: Kind, role: str, shape: tuple[int, ...], recipe: Recipe) -> Values:
    """The elements that an array's recipe makes of its words; an array of the caller's own."""
    key = recipe, role, shape, kind.base or case.operands, case.dtype, case.seed
    return _drawn(*key) if prod(shape) > _MOST_KEPT else _kept(*key).copy()


def _inputs(known: Facts, kind: Kind, shape: tuple[int, ...]) -> Array:
    case = known.case
    if case.dtype in INTEGER_DTYPES:
        v = _stream(case, kind, "inputs", shape, prod(shape)).reshape(shape)
        values = recipes.integers(v, kind.base or case.operands, case.dtype)
        return _marked_at(case, kind, "inputs", values)
    few = kind.inputs is recipes.specials and known.is_convolution
    recipe = recipes.few_specials if few else kind.inputs
    return _place(case, kind, "inputs", _values(case, kind, "inputs", shape, recipe))


def _weight(known: Facts, kind: Kind, role: str, shape: tuple[int, ...]) -> Array:
    recipe = kind.kernel if role == "kernel" else kind.bias
    values = _values(known.case, kind, role, shape, recipe)
    values *= 2.0 ** -(kind.damping * ((known.products.bit_length() + 1) // 2))
    return _place(known.case, kind, role, values)


def _upstream(known: Facts, kind: Kind) -> Array:
    """The gradient with respect to the output, made with its channels last."""
    shape = known.output_shape
    if known.channels_first and known.rank:
        shape = (shape[0], *shape[2:], shape[1])
    array = _values(known.case, kind, "upstream", shape, kind.upstream or kind.kernel)
    array = _marked_at(known.case, kind, "upstream", array)
    if known.channels_first and known.rank:
        array = np.ascontiguousarray(np.moveaxis(array, -1, 1))
    return array


def _place(case: Case, kind: Kind, role: str, values: Values) -> Values:
    """Place the kind's one value, or its mark, if it belongs here."""
    values = _marked_at(case, kind, role, values)
    array, _, name = kind.place.partition(":")
    if array == role and values.size:
        word = _stream(case, kind, "place", values.shape, 1)
        spike = 2.0 ** NUMBERS[case.dtype].spike_exponent
        nans = dict.fromkeys(("nan", "negative-nan"), np.nan)
        value = recipes.sign(word)[0] * (nans | {"infinity": np.inf, "spike": spike})[name]
        position = int(recipes.high(word, values.size)[0])
        values.reshape(-1)[position] = np.copysign(value, -1) if name == "negative-nan" else value
    return values


def _marked_at(case: Case, kind: Kind, role: str, values: Array) -> Array:
    """Set the kind's mark, if it belongs here."""
    if kind.mark == role and values.size:
        values.reshape(-1)[case.seed % values.size] = 1
    return values


def _dtype(name: str) -> np.dtype[Any]:
    if name != "bfloat16":
        return np.dtype(name)
    try:
        from ml_dtypes import bfloat16
    except ImportError as error:
        raise ImportError(
            "dtype 'bfloat16' needs the package ml_dtypes (pip install ml_dtypes)"
        ) from error
    dtype: np.dtype[Any] = np.dtype(bfloat16)
    return dtype
