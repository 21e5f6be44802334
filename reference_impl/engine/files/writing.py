"""Models and weights, written as Keras 3 reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from shutil import copymode
from time import strftime
from typing import Any, Final

import numpy as np

from reference_impl import losses, optimizers
from reference_impl.engine.arguments import file_path, wrong_value
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import Array
from reference_impl.engine.files.container import CONFIG, WEIGHTS, Path, h5py_for, name_of
from reference_impl.engine.files.layer_paths import inner_layers
from reference_impl.engine.model import Model
from reference_impl.engine.saving import serialize
from reference_impl.engine.structure import map_structure

_METADATA: Final = "metadata.json"


def save_model(model: Model, path: Path, overwrite: bool = True) -> None:
    """Write a model to a ``.keras`` or ``.h5`` file, a ``.keras`` file with its optimizer's state.

    Keras 3.15 cannot train a model further that it read with such a state from an ``.h5`` file.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if the path ends in something else.
        FileExistsError: if the file exists and is not to be overwritten.
    """
    file_path("save", "filepath", path)
    name = os.fspath(path)
    if name.endswith((".h5", ".hdf5")):
        _write(path, overwrite, lambda target: _save_old(model, target, path))
    elif name.endswith(".keras"):
        _write(path, overwrite, lambda target: _save_archive(model, target, path))
    else:
        raise wrong_value("save", "filepath", name, "a path that ends in .keras or .h5")


def save_weights(model: Model, path: Path, overwrite: bool = True) -> None:
    """Write a model's weights to a ``.weights.h5`` file.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if the path ends in something else, or the model is not built.
        FileExistsError: if the file exists and is not to be overwritten.
    """
    file_path("save_weights", "filepath", path)
    if not os.fspath(path).endswith(".weights.h5"):
        allowed = "a path that ends in .weights.h5"
        raise wrong_value("save_weights", "filepath", os.fspath(path), allowed)
    if not model.built:
        raise ValueError(
            f"{model.name}: the model is not built and has no weights to save; expected a call or "
            "`build` before"
        )
    _write(path, overwrite, lambda target: target.write(_weights(model, path)))


def _write(path: Path, overwrite: bool, write: Callable[[Any], Any]) -> None:
    """Write a file as a whole: what fails leaves the one before as it was."""
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{name_of(path)} exists; expected `overwrite=True`, or another path")
    buffer = BytesIO()
    write(buffer)
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):  # a device or a pipe
        _fill(target, buffer)
        return
    beside = f"{target}.{os.getpid()}.part"
    try:
        _fill(beside, buffer)
        if os.path.exists(target):
            copymode(target, beside)
        os.replace(beside, target)
    except BaseException as error:
        with suppress(OSError):
            os.remove(beside)
        if isinstance(error, OSError):
            error.filename = os.fspath(path)
        raise


def _fill(path: str, buffer: BytesIO) -> None:
    with open(path, "wb") as file:
        file.write(buffer.getbuffer())


def _save_archive(model: Model, target: Any, path: Path) -> None:
    from zipfile import ZipFile

    from reference_impl.version import __version__

    config = serialize(model) | {"compile_config": model.get_compile_config()}
    saved = strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {
        "keras_version": "3.15.1",
        "date_saved": saved,
        "written_by": f"layerproof {__version__}",
    }
    with ZipFile(target, "w") as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps(config))
        archive.writestr(WEIGHTS, _weights(model, path))


def _weights(model: Model, path: Path) -> bytes:
    """The weights as the bytes of an HDF5 file."""
    buffer = BytesIO()
    with h5py_for(path).File(buffer, "w") as file:
        _put(model, file)
        optimizer = model.optimizer
        if isinstance(optimizer, optimizers.SGD):
            entry = file.create_group("optimizer").create_group("vars")
            entry.attrs["name"] = optimizer.name
            for number, value in enumerate(optimizer.variables):
                _put_array(entry, str(number), np.asarray(value))
    return buffer.getvalue()


def _put(layer: Layer, group: Any) -> None:
    entry = group.create_group("vars")
    entry.attrs["name"] = layer.name
    for number, weight in enumerate(layer._own_weights):
        _put_array(entry, str(number), weight.numpy())
    for name, member in inner_layers(layer):
        _put(member, group.create_group(name))


def _put_array(group: Any, name: str, array: Array) -> None:
    """A data set; bfloat16, which HDF5 does not know, as float32, which holds it exactly."""
    if array.dtype.name == "bfloat16":
        group.create_dataset(name, data=array.astype(np.float32))
    else:
        group.create_dataset(name, data=array)


def _full_name(loss: Any) -> Any:
    """Of a loss its full name: ``mse`` in an ``.h5`` file is none that Keras reads back."""
    given = losses.get(loss) if isinstance(loss, str) else None
    return loss if given is None else given.__name__


def _save_old(model: Model, target: Any, path: Path) -> None:
    with h5py_for(path).File(target, "w") as file:
        file.attrs["model_config"] = json.dumps(serialize(model))
        compiled = model.get_compile_config()
        if compiled is not None:
            training = {**compiled, "optimizer_config": compiled["optimizer"]}
            training["loss"] = map_structure(_full_name, compiled["loss"])
            del training["optimizer"]
            file.attrs["training_config"] = json.dumps(training)
        file.attrs["keras_version"] = "3.15.1"
        file.attrs["backend"] = "numpy"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            entry = group.create_group(layer.name)
            entry.attrs["weight_names"] = [weight.path.encode() for weight in layer.weights]
            for weight in layer.weights:
                _put_array(entry, weight.path, weight.numpy())
