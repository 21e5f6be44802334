"""The binary floating-point formats in which layers compute.

A format with precision p holds the numbers ``m 2**q`` with ``|m| < 2**p``, ``q`` at least the
quantum exponent, and magnitude below ``2**max_exponent`` (IEEE 754-2019, section 3.3; bfloat16 has
float32's exponents with 8 significant bits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Format:
    """One binary format.

    Attributes:
        name: the dtype's name.
        precision: p, significant bits, the hidden one included.
        quantum_exponent: q of the smallest positive number ``2**q``.
        max_exponent: every finite number is below ``2**max_exponent``.
    """

    name: str
    precision: int
    quantum_exponent: int
    max_exponent: int

    @property
    def unit_roundoff(self) -> float:
        """``u = 2**-p``: the largest relative error of one rounding in the normal range."""
        return 2.0**-self.precision

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number with p significant bits."""
        return 2.0 ** (self.quantum_exponent + self.precision - 1)

    @property
    def largest(self) -> float:
        """The largest finite number, ``(1 - u) 2**max_exponent``."""
        return (1.0 - self.unit_roundoff) * 2.0 ** (self.max_exponent - 1) * 2.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype.

        Raises:
            ImportError: for bfloat16 without the package ml_dtypes.
        """
        return bfloat16() if self.name == "bfloat16" else np.dtype(self.name)


FLOAT16: Final = Format("float16", 11, -24, 16)
BFLOAT16: Final = Format("bfloat16", 8, -133, 128)
FLOAT32: Final = Format("float32", 24, -149, 128)
FLOAT64: Final = Format("float64", 53, -1074, 1024)

FORMATS: Final = {format.name: format for format in (FLOAT16, BFLOAT16, FLOAT32, FLOAT64)}
"""The formats by the name of their dtype."""


_FORMATS_BY_DTYPE: Final[dict[Any, Format]] = {
    np.dtype(format.name): format for format in (FLOAT16, FLOAT32, FLOAT64)
}
"""The formats of NumPy's own dtypes; the name of a dtype is slow to come by."""


def bfloat16() -> np.dtype[Any]:
    """The bfloat16 dtype of ml_dtypes, which is imported here and nowhere else.

    Raises:
        ImportError: saying what to install.
    """
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError(
            "dtype 'bfloat16' needs the package ml_dtypes, which is not installed: "
            "install ml_dtypes, or use float16, float32 or float64"
        ) from error
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def format_of(dtype: Any) -> Format:
    """The format of a dtype, given as a name, a NumPy dtype or a scalar type.

    Raises:
        TypeError: if `dtype` is not one of the four floating-point types.
    """
    try:
        return _FORMATS_BY_DTYPE[dtype]
    except (KeyError, TypeError):
        name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in FORMATS:
        raise TypeError(f"dtype {name!r} is not supported: use {', '.join(FORMATS)}")
    return FORMATS[name]


def widened(array: NDArray[Any]) -> NDArray[np.float64]:
    """The elements of an array in float64, in a new array.

    Signalling NaNs become quiet ones, which NumPy would warn about.
    """
    with np.errstate(invalid="ignore"):
        return array.astype(np.float64)
