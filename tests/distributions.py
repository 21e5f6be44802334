"""Goodness of fit with a stated false-alarm probability.

By the Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant (Annals of Probability 18,
1990), the empirical distribution function of n independent draws is further than d from the true
one, anywhere, with probability at most ``2 exp(-2 n d**2)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

FALSE_ALARM = 1e-12
"""Of one test.  There are fewer than 200 in all of this project's tests: below 1e-9 together."""


def allowed_distance(count: int) -> float:
    """The distance that a correct sampler exceeds with probability `FALSE_ALARM`."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * count))


def detected_distance(count: int) -> float:
    """A wrong distribution this far from the right one is found with probability 1 - 1e-12.

    Its draws are within `allowed_distance` of their own distribution with that probability, and so
    beyond it from the right one.
    """
    return 2 * allowed_distance(count)


def distance(values: np.ndarray, cumulative: Callable[[np.ndarray], np.ndarray]) -> float:
    """The Kolmogorov-Smirnov distance between values and a distribution function."""
    ordered = np.sort(np.asarray(values, np.float64).reshape(-1))
    expected = cumulative(ordered)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))


def uniform(low: float, high: float) -> Callable[[np.ndarray], np.ndarray]:
    """The uniform distribution function on an interval."""
    return lambda x: np.clip((x - low) / (high - low), 0, 1)


def normal(mean: float, stddev: float, cut: float = math.inf) -> Callable[[np.ndarray], np.ndarray]:
    """The normal distribution function, cut at so many standard deviations from the mean."""
    mass = math.erf(cut / math.sqrt(2))

    def cumulative(x: np.ndarray) -> np.ndarray:
        z = np.clip((x - mean) / (stddev * math.sqrt(2)), -cut / math.sqrt(2), cut / math.sqrt(2))
        return 0.5 + 0.5 * np.array([math.erf(value) for value in z.tolist()]) / mass

    return cumulative
