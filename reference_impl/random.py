"""Seeds for successive draws, as ``keras.random`` has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference_impl.engine.arguments import as_integer, configuration, wrong_type, wrong_value
from reference_impl.engine.identifiers import publish
from reference_impl.engine.naming import automatic_name

__all__ = ["SeedGenerator"]


def seed_of(owner: str, seed: Any) -> int:
    """An integer seed, at least ``-2**63`` and below ``2**64``.

    Raises:
        ValueError: if it is out of range, or no integer (as Keras has it).
    """
    number = as_integer(seed)
    if number is None or not -(2**63) <= number < 2**64:
        allowed = "None, an integer from -2**63 to 2**64 - 1, or a SeedGenerator"
        raise wrong_value(owner, "seed", seed, allowed)
    return number


def unseeded() -> int:
    """The seed of what is given none: an integer from 1 to 10**9 of Python's ``random``.

    So ``random.seed(n)`` makes the values that follow reproducible, as in Keras.
    """
    import random

    return random.randint(1, 10**9)


class SeedGenerator:
    """A seed for several draws: each takes the next stream of the same seed, so all differ.

    Where an initializer takes a seed, an integer gives the same values at every call, and a
    SeedGenerator other values at every call.
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        """Start at stream 0.

        Args:
            seed: an integer, or None to draw one.
            name: by default ``seed_generator``, numbered.

        Raises:
            ValueError: if the seed is no integer, or out of range.
            TypeError: if the name is no string.
        """
        if name is not None and not isinstance(name, str):
            raise wrong_type("SeedGenerator", "name", name, "a string or None")
        self.name = name if name is not None else automatic_name("seed_generator")
        self._given = seed
        self._seed = unseeded() if seed is None else seed_of("SeedGenerator", seed)
        self._stream = 0

    def next(self) -> tuple[int, int]:
        """The seed, and the number of the next stream."""
        self._stream += 1
        return self._seed, self._stream - 1

    def get_config(self) -> dict[str, Any]:
        """``{"seed": ..., "name": ...}``; the number of draws made is not kept."""
        return {"seed": self._given, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SeedGenerator:
        """The generator with these constructor arguments."""
        return cls(**configuration(cls.__name__, config))


publish(SeedGenerator, "keras.random")
