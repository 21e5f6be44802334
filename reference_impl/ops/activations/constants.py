"""The constants of formulas that are the doubles nearest to those of a paper."""

from __future__ import annotations

from typing import Final

SELU_ALPHA: Final = 1.6732632423543772
SELU_SCALE: Final = 1.0507009873554805
