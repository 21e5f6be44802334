"""`Model.fit`, `Model.evaluate` and `Model.predict` over arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reference_impl.engine.arguments import (
    ArgumentError,
    as_integer,
    boolean,
    positive_integer,
    unknown_value,
    wrong_value,
)
from reference_impl.engine.batches import Batch, arrays, count_of, sliced
from reference_impl.engine.dtypes import Array
from reference_impl.engine.parameters import real_number
from reference_impl.engine.structure import flatten, pack
from reference_impl.ops.generator import words
from reference_impl.random import unseeded

if TYPE_CHECKING:
    from reference_impl.engine.model import Model
    from reference_impl.engine.training import Step

__all__ = ["Batch", "History", "evaluate", "fit", "predicted", "results"]

BATCH_SIZE: Final = 32
"""Examples per batch where nothing is said."""


class History:
    """What `Model.fit` returns.

    Attributes:
        history: for each name one number per epoch.
        epoch: the epochs' numbers.
        model: the model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def add(self, epoch: int, found: Mapping[str, float]) -> None:
        """Take in an epoch."""
        self.epoch.append(epoch)
        for name, value in found.items():
            self.history.setdefault(name, []).append(value)


def results(step: Step, return_dict: bool) -> Any:
    """What a step found as `Model.train_on_batch` returns it."""
    if return_dict:
        return {"loss": step.loss, **step.losses, **step.metrics}
    return [step.loss, *step.metrics.values()] if step.metrics else step.loss


class _Mean:
    """The means of losses over batches, weighted by the numbers of their examples."""

    def __init__(self) -> None:
        self._sums: dict[str, Any] = {}
        self._examples = 0
        self._metrics: dict[str, float] = {}

    def add(self, step: Step) -> None:
        self._examples += step.examples
        self._metrics = step.metrics
        for name, value in {"loss": step.loss, **step.losses}.items():
            exact = Fraction(value) if np.isfinite(value) else value
            self._sums[name] = self._sums.get(name, Fraction(0)) + exact * step.examples

    def found(self) -> dict[str, float]:
        means = {name: float(value / self._examples) for name, value in self._sums.items()}
        return means | self._metrics


def _options(owner: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a call with their defaults.

    Raises:
        TypeError: if one is unknown.
        ValueError: if callbacks are given.
    """
    unknown = sorted(set(given) - set(defaults) - {"verbose", "callbacks"})
    if unknown:
        raise ArgumentError(
            f"{owner}: unrecognised arguments {', '.join(unknown)}; expected "
            f"{', '.join(sorted(defaults))}"
        )
    if given.get("callbacks"):
        raise wrong_value(
            owner, "callbacks", given["callbacks"], "None: they are outside this oracle"
        )
    return {**defaults, **given}


def _batches(count: int, size: int, steps: Any, order: Array | None) -> Iterator[Any]:
    """The examples of each batch: slices, or their numbers in an order."""
    starts = [*range(0, count, size)] or [0]
    for start in starts if steps is None else starts[:steps]:
        stop = min(start + size, count)
        yield slice(start, stop) if order is None else order[start:stop]


def _order(owner: str, given: Any, count: int) -> Array | None:
    """The order of the examples in an epoch; None for that in which they are given.

    Raises:
        ValueError: if it is neither a truth value nor a permutation.
    """
    if given is None or isinstance(given, (bool, np.bool_)):
        if not given:
            return None
        return np.argsort(words(unseeded(), count), kind="stable")
    order = np.asarray(given)
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order.ravel()), np.arange(count)):
        allowed = f"True, False, or an order: a permutation of the numbers 0 to {count - 1}"
        raise wrong_value(owner, "shuffle", given, allowed)
    return order


_FIT: Final = {
    "batch_size": None,
    "epochs": 1,
    "validation_split": 0.0,
    "validation_data": None,
    "shuffle": True,
    "class_weight": None,
    "sample_weight": None,
    "initial_epoch": 0,
    "steps_per_epoch": None,
    "validation_steps": None,
    "validation_batch_size": None,
    "validation_freq": 1,
}


def fit(model: Model, x: Any, y: Any, **given: Any) -> History:
    """See `Model.fit`."""
    owner = f"{model.name}.fit"
    o = _options(owner, given, _FIT)
    training = model._compiled()
    epochs, first = (_count(owner, name, o[name]) for name in ("epochs", "initial_epoch"))
    size = _size(owner, "batch_size", o["batch_size"])
    steps = _steps(owner, "steps_per_epoch", o["steps_per_epoch"])
    data = _data(model, x, y, o["sample_weight"])
    held = _held_out(model, data, o)
    if held is not None and o["validation_data"] is None:
        data = sliced(data, slice(0, count_of(owner, data) - count_of(owner, held)))
    count = count_of(owner, data)
    history = History(model)
    frequency = positive_integer(owner, "validation_freq", o["validation_freq"])
    for epoch in range(first, epochs):
        mean = _Mean()
        training.compiled_metrics.reset()
        order = _order(owner, o["shuffle"], count)
        for chosen in _batches(count, size, steps, order):
            inputs, targets, weights = sliced(data, chosen)
            batch = Batch.of(model, inputs, targets, weights, o["class_weight"])
            mean.add(training.step(model, batch))
        found = mean.found()
        if held is not None and (epoch + 1) % frequency == 0:
            found |= _validated(model, held, o)
        history.add(epoch, found)
    return history


def _validated(model: Model, held: Any, o: Mapping[str, Any]) -> dict[str, float]:
    size = o["validation_batch_size"] or o["batch_size"]
    x, y, weights = held
    found = evaluate(
        model,
        x,
        y,
        sample_weight=weights,
        batch_size=size,
        steps=o["validation_steps"],
        return_dict=True,
    )
    return {f"val_{name}": value for name, value in found.items()}


def _held_out(model: Model, data: Any, o: Mapping[str, Any]) -> Any:
    """The examples for validation: as given, or the last ones; None for none."""
    owner = f"{model.name}.fit"
    given = o["validation_data"]
    if given is not None:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise wrong_value(owner, "validation_data", given, "(x, y) or (x, y, sample_weight)")
        return _data(model, *given, *[None] * (3 - len(given)))
    share = float(real_number(owner, "validation_split", o["validation_split"], least=0))
    if not share:
        return None
    count = count_of(owner, data)
    kept = int(count * (1 - share))
    if not 0 < kept < count:
        allowed = f"a share that leaves some of the {count} examples on both sides"
        raise wrong_value(owner, "validation_split", share, allowed)
    return sliced(data, slice(kept, None))


_EVALUATE: Final = {"batch_size": None, "sample_weight": None, "steps": None, "return_dict": False}


def evaluate(model: Model, x: Any, y: Any, **given: Any) -> Any:
    """See `Model.evaluate`."""
    from reference_impl.engine.training import Step

    owner = f"{model.name}.evaluate"
    o = _options(owner, given, _EVALUATE)
    training = model._compiled()
    data = _data(model, x, y, o["sample_weight"])
    steps = _steps(owner, "steps", o["steps"])
    mean = _Mean()
    training.compiled_metrics.reset()
    size = _size(owner, "batch_size", o["batch_size"])
    for chosen in _batches(count_of(owner, data), size, steps, None):
        mean.add(training.evaluate(model, Batch(*sliced(data, chosen))))
    training_metrics = training.compiled_metrics.results()
    training.compiled_metrics.reset()
    found = mean.found()
    losses = {name: value for name, value in found.items() if name not in training_metrics}
    loss = losses.pop("loss")
    return results(
        Step(loss, losses, training_metrics, 0), boolean(owner, "return_dict", o["return_dict"])
    )


def _data(model: Model, x: Any, y: Any, weights: Any) -> tuple[Any, Any, Any]:
    owner = model.name
    given = arrays(owner, "x", x), arrays(owner, "y", y)
    count_of(owner, given)
    weights = (
        weights
        if weights is None or np.ndim(weights) == 0
        else arrays(owner, "sample_weight", weights)
    )
    return (*given, weights)


def _count(owner: str, argument: str, value: Any) -> int:
    number = as_integer(value)
    if number is None or number < 0:
        raise unknown_value(owner, argument, value, "an integer that is not negative")
    return number


def _size(owner: str, argument: str, value: Any) -> int:
    return BATCH_SIZE if value is None else positive_integer(owner, argument, value)


def _steps(owner: str, argument: str, value: Any) -> int | None:
    return None if value is None else positive_integer(owner, argument, value)


def predicted(model: Model, x: Any, batch_size: Any, steps: Any, callbacks: Any) -> Any:
    """See `Model.predict`."""
    owner = f"{model.name}.predict"
    _options(owner, {"callbacks": callbacks}, {})
    size, most = _size(owner, "batch_size", batch_size), _steps(owner, "steps", steps)
    if x is None:
        return model(x)
    given = arrays(owner, "x", x)
    count = count_of(owner, given)
    parts = [model(sliced(given, chosen)) for chosen in _batches(count, size, most, None)]
    columns = zip(*map(flatten, parts), strict=True)
    joined = [column[0] if len(column) == 1 else np.concatenate(column) for column in columns]
    return pack(parts[0], joined)
