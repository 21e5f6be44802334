"""Batches of examples, and what belongs to which output of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from reference_impl import metrics as metrics_module
from reference_impl.engine.arguments import as_integer, wrong_type, wrong_value
from reference_impl.engine.dtypes import Array, as_array, is_array
from reference_impl.engine.structure import flatten, map_structure
from reference_impl.showing import shown

if TYPE_CHECKING:
    from reference_impl.engine.model import Model


def output_names(model: Model, predictions: Sequence[Any]) -> list[str]:
    """One name for each output; numbered where the model's ``call`` has none for them."""
    if model.is_graph:
        return model.output_names
    return [f"output_{n}" if n else "output" for n in range(len(predictions))]


def by_output(
    owner: str,
    argument: str,
    given: Any,
    names: Sequence[str],
    repeated: bool = False,
    error: type[Exception] = ValueError,
) -> list[Any]:
    """What a structure or a dictionary by names gives each output; None where it gives nothing.

    Args:
        owner: the model's name.
        argument: what is given, for messages.
        given: one thing, a structure of as many as there are outputs, or a dictionary.
        names: the outputs' names.
        repeated: whether one thing stands for all outputs.
        error: what is raised.

    Raises:
        ValueError: if there are more or fewer things than outputs, or an unknown name; or `error`.
    """
    if isinstance(given, Mapping):
        unknown = sorted(set(map(str, given)) - set(names))
        if not unknown:
            return [_one(given.get(name)) for name in names]
        if any(isinstance(value, (Mapping, list, tuple)) for value in given.values()) or all(
            as_integer(key) is None for key in given
        ):
            items = flatten(given)
            if len(items) == len(names) and len(given) != len(names):
                return items
        raise error(
            f"{owner}: argument `{argument}` is a dictionary with the keys {unknown}; expected "
            f"the outputs' names {[*names]}"
        )
    items = flatten(given)
    if len(items) == 1 and (repeated or len(names) == 1):
        return items * len(names)
    if len(items) != len(names):
        raise error(
            f"{owner}: argument `{argument}` has {len(items)} items; expected one "
            f"for each of the model's {len(names)} outputs"
        )
    return items


class OutputError(KeyError, ValueError):
    """A loss that belongs to no output: either of the two in Keras, by the form of the outputs."""

    __str__ = Exception.__str__


def losses_by_output(owner: str, given: Any, names: Sequence[str]) -> list[list[Any]]:
    """The losses of each output, of which the sum counts; a list may leave out the last outputs.

    Raises:
        OutputError: if there are more losses than outputs, or one for an unknown name.
    """
    found: Sequence[Any]
    if not isinstance(given, (list, tuple)) or len(flatten(given)) == len(names):
        found = by_output(owner, "loss", given, names, repeated=True, error=OutputError)
    elif len(given) > len(names):
        raise OutputError(
            f"{owner}: argument `loss` has {len(given)} items; expected at most one for each of "
            f"the model's {len(names)} outputs"
        )
    else:
        found = [*given, *[None] * (len(names) - len(given))]
    return [[loss for loss in flatten(item) if loss is not None] for item in found]


def _one(value: Any) -> Any:
    """The thing itself, out of the list of one that it may be in."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


@dataclass(frozen=True, eq=False)
class Batch:
    """Some examples.

    Attributes:
        inputs: arrays in the structure of the inputs.
        given: targets, or None.
        sample_weight: one weight or array for all outputs, or a structure of them; None.
    """

    inputs: Any
    given: Any
    sample_weight: Any

    @classmethod
    def of(cls, model: Model, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Batch:
        """A batch from what `Model.train_on_batch` is given.

        Raises:
            TypeError: if `class_weight` is no dictionary.
            ValueError: if both kinds of weights are given, or a class has none.
        """
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    f"{model.name}: `sample_weight` and `class_weight` are given; expected one"
                )
            sample_weight = _of_classes(model.name, y, class_weight)
        return cls(x, y, sample_weight)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of a call."""
        return () if self.inputs is None else (self.inputs,)

    @property
    def examples(self) -> int:
        """Number of examples: the length of the first array's first axis."""
        arrays = [item for item in flatten((self.inputs, self.given)) if item is not None]
        lengths = [np.shape(item)[0] for item in arrays if np.ndim(item)]
        return lengths[0] if lengths else 1

    def targets(self, owner: str, names: Sequence[str], wanted: Sequence[bool]) -> list[Any]:
        """The target of each output; None where none is wanted.

        Raises:
            ValueError: if they are not as many as the outputs.
        """
        given = self.given
        if len(names) == 1 and not isinstance(given, Mapping):
            if isinstance(given, (list, tuple)) and len(given) == 1 and not np.isscalar(given[0]):
                given = given[0]
            found = [given]
        elif isinstance(given, (list, tuple)) and not any(map(_is_target, given)):
            found = by_output(owner, "y", flatten(given), names)
        else:
            found = by_output(owner, "y", given, names)
        for name, target, is_wanted in zip(names, found, wanted, strict=True):
            if is_wanted and target is None:
                raise ValueError(
                    f"{owner}: argument `y` gives no target for the output {name!r}; expected an "
                    "array"
                )
        return found

    def weights(self, owner: str, names: Sequence[str]) -> list[Any]:
        """The sample weights of each output."""
        given = self.sample_weight
        if given is None or is_array(given) or np.ndim(_leaf(given)) == 0:
            return [given] * len(names)
        return by_output(owner, "sample_weight", given, names, repeated=True)


def _leaf(value: Any) -> Any:
    """The first item of a structure; numbers in a list are the list."""
    items = flatten(value)
    return items[0] if items else None


def _is_target(value: Any) -> bool:
    return value is None or is_array(value)


def _of_classes(owner: str, targets: Any, weights: Any) -> Array:
    """The weights of examples by their classes: integers, or the largest of several elements."""
    if not isinstance(weights, Mapping):
        raise wrong_type(owner, "class_weight", weights, "a dictionary from classes to numbers")
    array = as_array(owner, targets, "y")
    if array.ndim > 1 and array.shape[-1] > 1:
        array = array.argmax(-1)
    classes = array.reshape(len(array), -1)[:, 0].astype(np.int64).tolist()
    missing = sorted(set(classes) - set(weights))
    if missing:
        raise ValueError(
            f"{owner}: argument `class_weight` has no weight for the classes {missing}; expected "
            "one for each class of the targets"
        )
    return np.array([float(weights[item]) for item in classes])


class Metrics:
    """The metrics that `Model.compile` chose, by output.

    Raises:
        ValueError: if an identifier means none.
    """

    def __init__(self, owner: str, given: Mapping[str, Any]) -> None:
        self._owner = owner
        self._given = {
            argument: map_structure(partial(_metric, owner, argument), value)
            for argument, value in given.items()
            if value is not None
        }
        self._named: dict[str, tuple[int, bool, Any]] | None = None

    def __bool__(self) -> bool:
        return bool(self._given)

    def reset(self) -> None:
        """Forget all examples."""
        for _, _, metric in (self._named or {}).values():
            metric.reset_state()

    def update(self, names: Sequence[str], predictions: Sequence[Array], batch: Batch) -> None:
        """Add a batch."""
        if not self._given:
            return
        if self._named is None:
            self._named = self._by_name(names)
        targets = batch.targets(self._owner, names, [False] * len(names))
        weights = batch.weights(self._owner, names)
        for place, is_weighted, metric in self._named.values():
            if targets[place] is not None:
                used = weights[place] if is_weighted else None
                metric.update_state(targets[place], predictions[place], used)

    def results(self) -> dict[str, float]:
        """The metrics by name."""
        return {name: float(item[2].result()) for name, item in (self._named or {}).items()}

    def _by_name(self, names: Sequence[str]) -> dict[str, tuple[int, bool, Any]]:
        """Place of the output, whether it is weighted, and the metric, by the name shown."""
        found: dict[str, tuple[int, bool, Any]] = {}
        for argument, given in self._given.items():
            is_weighted = argument == "weighted_metrics"
            for place, metrics in enumerate(self._of_outputs(argument, given, names)):
                for label, metric in metrics:
                    prefix = f"{names[place]}_" if len(names) > 1 else ""
                    name = prefix + label
                    name = f"{prefix}weighted_{label}" if name in found and is_weighted else name
                    found[name] = place, is_weighted, metric
        return found

    def _of_outputs(self, argument: str, given: Any, names: Sequence[str]) -> list[list[Any]]:
        if isinstance(given, Mapping):
            unknown = sorted(set(given) - set(names))
            if unknown:
                raise ValueError(
                    f"{self._owner}: argument `{argument}` is a dictionary with the keys {unknown};"
                    f" expected the outputs' names {[*names]}"
                )
            return [_listed(given.get(name)) for name in names]
        if len(names) == 1:
            return [[item for part in _list(given) for item in _listed(part)]]
        if len(_list(given)) != len(names):
            raise ValueError(
                f"{self._owner}: argument `{argument}` has {len(_list(given))} items; expected one "
                f"for each of the model's {len(names)} outputs"
            )
        return [_listed(item) for item in given]


class _Named:
    """A metric with the name that it is shown by."""

    def __init__(self, label: str, metric: Any) -> None:
        self.label, self.metric = label, metric


def _metric(owner: str, argument: str, identifier: Any) -> _Named | None:
    if identifier is None:
        return None
    metric = metrics_module.get(identifier, owner, argument)
    if not hasattr(metric, "update_state"):
        allowed = "'mse' or a reference_impl.metrics.MeanSquaredError; others are outside"
        raise wrong_value(owner, argument, identifier, allowed + " this oracle")
    return _Named(identifier if isinstance(identifier, str) else str(metric.name), metric)


def _list(value: Any) -> list[Any]:
    return [*value] if isinstance(value, (list, tuple)) else [value]


def _listed(value: Any) -> list[Any]:
    named = [item for item in flatten(value) if item is not None]
    return [(item.label, item.metric) for item in named]


def sliced(structure: Any, chosen: Any) -> Any:
    """Some examples of every array of a structure; what is None or one number stays."""
    return map_structure(
        lambda item: item if item is None or np.ndim(item) == 0 else item[chosen], structure
    )


def arrays(owner: str, argument: str, structure: Any) -> Any:
    """A structure with arrays for all that can be made one.

    Raises:
        ValueError: if something is a data set, a generator, or no array at all.
    """

    def made(item: Any) -> Any:
        if item is None:
            return None
        if not is_array(item):
            raise wrong_value(
                owner,
                argument,
                item,
                "arrays (data sets and generators are outside this oracle: take their arrays)",
            )
        return as_array(owner, item, argument)

    if isinstance(structure, (list, tuple)) and structure and not _holds_arrays(structure):
        return as_array(owner, structure, argument)
    return map_structure(made, structure)


def _holds_arrays(structure: Any) -> bool:
    return any(item is None or is_array(item) for item in flatten(structure))


def count_of(owner: str, structure: Any) -> int:
    """The number of examples, which all arrays of a structure have in common.

    Raises:
        ValueError: if they have not.
    """
    lengths = {len(item) for item in flatten(structure) if item is not None and np.ndim(item)}
    if len(lengths) > 1:
        raise ValueError(
            f"{owner}: the arrays have {shown(sorted(lengths))} examples; expected as many in each"
        )
    return lengths.pop() if lengths else 0
