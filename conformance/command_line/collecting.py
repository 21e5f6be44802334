"""Collecting garbage later, or more seldom, where many objects are made that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SELDOM: Final = (50_000, 20, 100)
"""After so many new objects the young are collected; after so many of these, the older ones."""


@contextmanager
def collecting_later() -> Iterator[None]:
    """Collect no cycles in the block; a fifth of the time of importing this package goes there."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Collect cycles more seldom in the block: a run keeps its results, and hardly makes any."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
