"""Weights and the optimizer's state, from a model file into a model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from reference_impl import optimizers
from reference_impl.engine.arguments import boolean, file_path
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import Array
from reference_impl.engine.files.container import (
    DEEPEST,
    RATIO,
    WEIGHTS,
    Path,
    decoded,
    h5py_for,
    is_h5,
    member,
    name_of,
    opened,
    plain,
    text_attribute,
)
from reference_impl.engine.files.layer_paths import LAYERS_GROUP, inner_layers
from reference_impl.engine.model import Model
from reference_impl.showing import shown


def load_weights(model: Model, path: Path, skip_mismatch: bool = False) -> None:
    """Give a model the weights of a file; all of them, or none.

    Args:
        model: the model, built.
        path: a ``.keras``, ``.weights.h5`` or ``.h5`` file.
        skip_mismatch: whether layers whose weights do not fit are left as they are, with a
            warning each.

    Raises:
        ImportError: if h5py is not installed.
        OSError: if the file cannot be read.
        ValueError: if a layer's weights are missing, or do not fit.
    """
    file_path("load_weights", "filepath", path)
    source: Any = path if is_h5(path) else BytesIO(member(path, WEIGHTS))
    size = os.path.getsize(path) if source is path else len(source.getvalue())
    with opened(path, source) as file:
        reader = _Reader(path, size, boolean("load_weights", "skip_mismatch", skip_mismatch))
        if "layer_names" in file.attrs or "model_weights" in file:
            _fill_old(model, file, reader)
            state = _old_state(file, reader)
        else:
            _fill(model, file, reader, 0)
            state = _state(file, reader)
    if state is not None and isinstance(model.optimizer, optimizers.SGD):
        _fit_state(model, state, reader)
    reader.assign()


def _state(file: Any, reader: _Reader) -> list[Array] | None:
    """The state of an optimizer in a Keras 3 file; None without one."""
    group = reader.member(file, "optimizer") if "optimizer" in file else {}
    if "vars" not in group:
        return None
    entry = reader.member(group, "vars")
    return [reader.array(entry, str(number)) for number in range(len(entry))]


def _old_state(file: Any, reader: _Reader) -> list[Array] | None:
    """The same of an ``.h5`` file."""
    if "optimizer_weights" not in file:
        return None
    entry = reader.member(file, "optimizer_weights")
    names = [decoded(name) for name in _listed(reader.path, entry)]
    return [_old_array(entry, name, reader) for name in names]


def _fit_state(model: Model, state: Sequence[Array], reader: _Reader) -> None:
    """Let the optimizer go on from a state, or start anew, with a warning, if it is another's."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    try:
        reader._found.append((optimizer, optimizer.fitting(state)))
    except (TypeError, ValueError) as error:
        warnings.warn(f"{name_of(reader.path)}: {error}; it starts anew", stacklevel=2)


class _Reader:
    """Collects arrays for layers, and assigns them once all are known to fit.

    Args:
        path: the file, for messages.
        size: its length in bytes.
        skips: whether layers that do not fit are left out.
    """

    def __init__(self, path: Path, size: int, skips: bool) -> None:
        self.path = path
        self._skips = skips
        self._left = RATIO * size + 4096
        self._found: list[tuple[Any, Any]] = []

    def member(self, group: Any, key: str) -> Any:
        """What a group holds itself under a name: no link elsewhere, nothing stored elsewhere.

        Raises:
            ValueError: if it is missing, or a link.
        """
        h5py = h5py_for(self.path)
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(
                f"{name_of(self.path)}: `{plain(key)}` is {type(link).__name__}; expected data in "
                "the file itself, no link"
            )
        return group[key]

    def array(self, group: Any, key: str) -> Array:
        """A data set as an array.

        Raises:
            ValueError: if it is none, is stored elsewhere, or claims more than the file can hold.
        """
        h5py = h5py_for(self.path)
        found = self.member(group, key)
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise ValueError(
                f"{name_of(self.path)}: {plain(key)} of {plain(group.name)} is no data set stored "
                "in the file itself; expected the elements of a weight"
            )
        is_brain = found.dtype.str == "|V2" and found.attrs.get("dtype") == "bfloat16"
        if not is_brain and found.dtype.kind not in "fiub" and found.dtype.name != "bfloat16":
            raise ValueError(
                f"{name_of(self.path)}: a weight is of dtype {shown(str(found.dtype))}; expected "
                "real numbers"
            )
        self._left -= found.size * found.dtype.itemsize
        if self._left < 0:
            raise ValueError(
                f"{name_of(self.path)}: data sets claim more elements than the file can hold"
            )
        return _brain_floats(np.asarray(found)) if is_brain else np.asarray(found)

    def keep(self, layer: Layer, arrays: Mapping[str, Array]) -> None:
        """Take in the arrays of a layer's own weights, by number.

        A layer with a `load_own_variables` of its own gets them by it, as in Keras.

        Raises:
            ValueError: if they do not fit; the file and the layer are named.
        """
        if type(layer).load_own_variables is not Layer.load_own_variables:
            layer.load_own_variables(arrays)
            return
        hint = layer._unbuilt_hint()
        try:
            ordered = [arrays[key] for key in sorted(arrays, key=int)]
        except ValueError as error:
            raise self._refusal(layer, error) from error
        self.keep_all(layer, layer._own_weights, ordered, hint)

    def keep_all(
        self, layer: Layer, weights: Sequence[Any], arrays: Sequence[Array], hint: str = ""
    ) -> None:
        """Take in arrays for a layer's weights, in their order; all of them, or none.

        Raises:
            ValueError: as `keep`, unless layers that do not fit are left out.
        """
        try:
            if len(arrays) != len(weights):
                raise ValueError(f"{len(arrays)} arrays are stored; expected {len(weights)}{hint}")
            pairs = zip(weights, arrays, strict=True)
            self._found += [(weight, weight.fitting(array)) for weight, array in pairs]
        except (TypeError, ValueError) as error:
            refusal = self._refusal(layer, error)
            if not self._skips:
                raise refusal from error
            warnings.warn(f"{refusal}; they are left as they are", stacklevel=2)

    def _refusal(self, layer: Layer, error: Exception) -> ValueError:
        return ValueError(f"{name_of(self.path)}, weights of the layer {layer.name!r}: {error}")

    def assign(self) -> None:
        """Give the weights their values."""
        for weight, array in self._found:
            weight.assign(array)


def _brain_floats(stored: Array) -> Array:
    """Numbers of bfloat16, as Keras stores them: two bytes each, the upper ones of float32."""
    bits: Array = stored.view("<u2").astype(np.uint32) << 16
    return bits.view(np.float32)


def _fill(layer: Layer, group: Any, reader: _Reader, depth: int) -> None:
    """The weights of a layer, then of those that it is made of, from a group of a Keras 3 file."""
    if depth > DEEPEST:
        raise ValueError(f"{name_of(reader.path)}: groups within groups, deeper than {DEEPEST}")
    entry = reader.member(group, "vars") if group is not None and "vars" in group else None
    arrays = {key: reader.array(entry, key) for key in entry} if entry is not None else {}
    if not isinstance(layer, Model) or layer._own_weights or arrays:
        reader.keep(layer, arrays)
    for inner, place in _inner_groups(layer, group, reader):
        if place is not None or inner.weights:
            _fill(inner, place, reader, depth + 1)


def _inner_groups(layer: Layer, group: Any, reader: _Reader) -> Iterator[tuple[Layer, Any]]:
    """The inner layers with their groups; None where there is none."""
    named = _by_name(layer, group, reader)
    for path, inner in inner_layers(layer):
        place = group
        for key in path.split("/"):
            place = reader.member(place, key) if place is not None and key in place else None
        yield inner, named.get(inner.name, place)


def _by_name(layer: Layer, group: Any, reader: _Reader) -> dict[str, Any]:
    """The groups of a graph's layers by the names that the file gives them, if it has them all.

    Of a model whose file says how it is made they stand by their names, whatever stands in for
    the class that they are numbered by; those of another instance by their places.
    """
    if not (isinstance(layer, Model) and layer._is_functional) or LAYERS_GROUP not in (group or ()):
        return {}
    stored = reader.member(group, LAYERS_GROUP)
    found: dict[str, Any] = {}
    for key in stored:
        entry = reader.member(stored, key)
        variables = reader.member(entry, "vars") if "vars" in entry else None
        name = None if variables is None else text_attribute(reader.path, variables, "name")
        if name is not None:
            found[decoded(name)] = entry
    members = layer.layers if layer.built else layer._members()
    return found if all(inner.name in found for inner in members if inner.weights) else {}


def _fill_old(model: Model, file: Any, reader: _Reader) -> None:
    """The weights of an ``.h5`` file of Keras 2, or of Keras 3 in that form."""
    group = reader.member(file, "model_weights") if "model_weights" in file else file
    for layer in model.layers:
        weights = layer.weights
        if not weights:
            continue
        if layer.name not in group:
            raise ValueError(
                f"{name_of(reader.path)} has no weights of the layer {layer.name!r}; expected them "
                f"beside those of {shown(sorted(group))}"
            )
        entry = reader.member(group, layer.name)
        names = [decoded(name) for name in _listed(reader.path, entry)]
        arrays = [_old_array(entry, name, reader) for name in names]
        reader.keep_all(layer, weights, arrays)


def _listed(path: Path, group: Any) -> Any:
    names = text_attribute(path, group, "weight_names")
    return () if names is None else np.atleast_1d(names)


def _old_array(group: Any, name: str, reader: _Reader) -> Array:
    *groups, last = name.split("/")
    for part in groups:
        group = reader.member(group, part)
    return reader.array(group, last)
