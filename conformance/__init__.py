"""Judges implementations of the documented layers against a correctly rounded oracle."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
