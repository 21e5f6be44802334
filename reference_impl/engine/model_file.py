"""Model files: ``.keras``, ``.h5`` and ``.weights.h5``, as Keras 3 and Keras 2 write them.

A ``.keras`` file is a zip archive of ``config.json``, ``metadata.json`` and ``model.weights.h5``.
The weights are HDF5 datasets ``layers/<layer>/vars/<number>``, where ``<layer>`` is the layer's
class name in snake case, numbered from the second of a class on, and the attribute ``name`` of
``vars`` is the layer's own name (in files of older versions it is missing).  An ``.h5`` file has
the configuration as the attribute ``model_config``, and the weights as ``model_weights/<name>``
with the attribute ``weight_names``.

Files come from anywhere.  Nothing but plain data sets inside the file itself is read: no external
storage, links or virtual data sets, no more members or elements than the file's own size accounts
for; and what is no model ends in a ValueError that names the file.
"""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from mmap import ACCESS_READ, mmap
from time import strftime
from typing import Any, Final

import numpy as np

from reference_impl import losses, optimizers
from reference_impl.engine import calling
from reference_impl.engine.arguments import boolean, file_path, wrong_value
from reference_impl.engine.base_layer import OWN_ATTRIBUTES, Layer
from reference_impl.engine.damaged_hdf5 import damage, is_text
from reference_impl.engine.dtypes import Array
from reference_impl.engine.model import Model
from reference_impl.engine.naming import snake_case
from reference_impl.engine.saving import LAYERS, serialize
from reference_impl.engine.structure import map_structure
from reference_impl.showing import shown

_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
_WEIGHTS: Final = "model.weights.h5"

_LARGEST_CONFIG: Final = 64 << 20
"""Bytes that a configuration may have."""

_RATIO: Final = 1032
"""The most that a deflated member can grow by."""

_DEEPEST: Final = 40
"""Models within models, and groups within groups, that are followed."""

_CONTAINER: Final = "container"
_LAYERS: Final = "layers"
"""The name of a list or a dictionary within another."""

_DAMAGED: Final = (
    *(OSError, RuntimeError, LookupError, TypeError, AttributeError, OverflowError, MemoryError),
    *(AssertionError, UnicodeError),
)
"""What h5py raises of damaged files."""

Path = str | os.PathLike[str]


# Reading


def parsed_config(path: Path) -> dict[str, Any]:
    """The configuration of a ``.keras`` or ``.h5`` file, whatever layers it names.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such file.
    """
    return _h5_config(path) if _is_h5(path) else _json(path, _archived_config(path))


def read_config(path: Path, custom: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The model's configuration.

    Args:
        path: a ``.keras`` or ``.h5`` file.
        custom: the user's own classes by name.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such file, or holds a layer that is not documented.
    """
    content = parsed_config(path)
    known = {*LAYERS.names("keras3"), *(custom or {})}
    for entry in _layer_configs(path, content, 0):
        given = entry.get("config")
        name = given.get("name") if isinstance(given, Mapping) else None
        class_name = entry.get("class_name")
        is_known = isinstance(class_name, str) and class_name in known
        if not is_known and not _is_registered(entry):
            documented = ", ".join(sorted(n for n in LAYERS.names("keras3") if n[0].isupper()))
            raise ValueError(
                f"{_name(path)} holds the layer {shown(name)} of class "
                f"{_plain(class_name)}; expected the documented layers only: {documented}"
            )
    return content


def _plain(name: Any) -> str:
    return name if isinstance(name, str) and name.isidentifier() else shown(name)


def _is_registered(entry: Mapping[str, Any]) -> bool:
    """Whether a configuration names a class that the user registered, or an operator."""
    from reference_impl.engine.identifiers import known_to_user
    from reference_impl.engine.operations import OPERATIONS

    module = entry.get("module")
    if isinstance(module, str) and module.startswith(OPERATIONS.module):
        return entry.get("class_name") in OPERATIONS.names("keras3")
    return any(known_to_user(entry.get(key)) for key in ("registered_name", "class_name"))


def _name(path: Path) -> str:
    return shown(os.fspath(path)).strip("'\"")


_ENDINGS = (".keras", ".h5", ".hdf5")


def _is_h5(path: Path) -> bool:
    name = os.fspath(path)
    if not os.path.exists(name) and not name.endswith(_ENDINGS):
        raise ValueError(
            f"{shown(name)} does not exist, and is of no format that is known; expected a path "
            f"that ends in {', '.join(_ENDINGS)}"
        )
    with open(path, "rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _member(path: Path, name: str, most: int | None = None) -> bytes:
    """A member of the archive.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no archive, or has no such member, or a damaged or an oversized one.
    """
    import zlib
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive:
            info = archive.getinfo(name)
            if info.header_offset < 0:
                raise BadZipFile(f"the member {name} lies before the file")
            limit = _RATIO * info.compress_size + 1024 if most is None else most
            if info.file_size > limit:
                raise ValueError(
                    f"{_name(path)}: the member {name} claims {info.file_size} bytes; expected at "
                    f"most {limit}"
                )
            return archive.read(name)
    except KeyError:
        raise ValueError(
            f"{_name(path)} has no member {name}; expected a .keras file, as Keras 3 saves it"
        ) from None
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f"{_name(path)} is no zip archive, or a damaged one ({shown(str(error))}); expected a "
            ".keras file, as Keras 3 saves it"
        ) from None


def _layer_configs(
    path: Path, config: Mapping[str, Any], depth: int
) -> Iterator[Mapping[str, Any]]:
    """The configurations of all layers, those of models inside models included."""
    if depth > _DEEPEST:
        raise ValueError(f"{_name(path)}: models within models, deeper than {_DEEPEST}")
    content = config.get("config")
    layers = content.get("layers", ()) if isinstance(content, Mapping) else ()
    if not isinstance(layers, (list, tuple)) or not all(isinstance(e, Mapping) for e in layers):
        raise ValueError(
            f"{_name(path)}: the configuration's `layers` is {shown(layers)}; expected a list of "
            "the layers' configurations"
        )
    for entry in layers:
        yield entry
        yield from _layer_configs(path, entry, depth + 1)


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"the weights of {_name(path)} are HDF5 and need h5py, which is not installed: "
            "install layerproof[models]"
        ) from error
    return h5py


@contextmanager
def _opened(path: Path, source: Any) -> Iterator[Any]:
    """The HDF5 file of a path, or of the bytes of a member of it.

    Raises:
        ValueError: if it is damaged; whatever h5py raises, inside the block as well.
    """
    h5py = _h5py(path)
    damaged = _damage(source)
    if damaged is not None:
        raise ValueError(f"{_name(path)}: the HDF5 data is damaged: {damaged}")
    try:
        with h5py.File(source, "r") as file:
            yield file
    except _DAMAGED as error:
        raise ValueError(
            f"{_name(path)}: the HDF5 data is damaged, or not as Keras writes it "
            f"({type(error).__name__}: {shown(str(error))})"
        ) from error


def _damage(source: Any) -> str | None:
    """What is wrong with the strings of a file, or of the bytes of one."""
    if isinstance(source, BytesIO):
        return damage(source.getvalue())
    with open(source, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return damage(data)


def _text(path: Path, item: Any, name: str) -> Any:
    """An attribute that is a string, or an array of strings; None where there is none.

    Raises:
        ValueError: if it is something else, or larger than any configuration.
    """
    if name not in item.attrs:
        return None
    h5py = _h5py(path)
    attribute = h5py.h5a.open(item.id, name.encode())
    if not is_text(h5py, attribute) or attribute.get_storage_size() > _LARGEST_CONFIG:
        raise ValueError(f"{_name(path)}: the attribute `{name}` holds no text, or too much of it")
    return item.attrs[name]


def _archived_config(path: Path) -> bytes:
    return _member(path, _CONFIG, _LARGEST_CONFIG)


def _json(path: Path, text: Any) -> dict[str, Any]:
    """An object of JSON text.

    Raises:
        ValueError: if it is none.
    """
    try:
        content = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{_name(path)}: the configuration is no JSON ({shown(str(error))})"
        ) from None
    if not isinstance(content, dict):
        raise ValueError(
            f"{_name(path)}: the configuration holds {shown(content)}; expected an object"
        )
    return content


def _h5_config(path: Path) -> dict[str, Any]:
    """The configuration of an ``.h5`` file, with ``compile_config`` from ``training_config``."""
    with _opened(path, path) as file:
        text, training = (_text(path, file, f"{what}_config") for what in ("model", "training"))
    if text is None:
        raise ValueError(f"{_name(path)} has no attribute `model_config`: it holds weights alone")
    content = _json(path, text)
    if training is not None:
        compiled = _json(path, training)
        compiled["optimizer"] = compiled.pop("optimizer_config", None)
        names = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
        content["compile_config"] = {name: compiled.get(name) for name in names}
    return content


@contextmanager
def limited(path: Path) -> Iterator[None]:
    """Within the block, layers make no weights of more elements than a file can hold.

    Raises:
        OSError: if the file cannot be read.
    """
    with calling.limited_to(_RATIO * os.path.getsize(path)):
        yield


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
    source: Any = path if _is_h5(path) else BytesIO(_member(path, _WEIGHTS))
    size = os.path.getsize(path) if source is path else len(source.getvalue())
    with _opened(path, source) as file:
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
    names = [_decoded(name) for name in _listed(reader.path, entry)]
    return [_old_array(entry, name, reader) for name in names]


def _fit_state(model: Model, state: Sequence[Array], reader: _Reader) -> None:
    """Let the optimizer go on from a state, or start anew, with a warning, if it is another's."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    try:
        reader._found.append((optimizer, optimizer.fitting(state)))
    except (TypeError, ValueError) as error:
        warnings.warn(f"{_name(reader.path)}: {error}; it starts anew", stacklevel=2)


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
        self._left = _RATIO * size + 4096
        self._found: list[tuple[Any, Any]] = []

    def member(self, group: Any, key: str) -> Any:
        """What a group holds itself under a name: no link elsewhere, nothing stored elsewhere.

        Raises:
            ValueError: if it is missing, or a link.
        """
        h5py = _h5py(self.path)
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(
                f"{_name(self.path)}: `{_plain(key)}` is {type(link).__name__}; expected data in "
                "the file itself, no link"
            )
        return group[key]

    def array(self, group: Any, key: str) -> Array:
        """A data set as an array.

        Raises:
            ValueError: if it is none, is stored elsewhere, or claims more than the file can hold.
        """
        h5py = _h5py(self.path)
        found = self.member(group, key)
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise ValueError(
                f"{_name(self.path)}: {_plain(key)} of {_plain(group.name)} is no data set stored "
                "in the file itself; expected the elements of a weight"
            )
        if found.dtype.kind not in "fiub" and found.dtype.name != "bfloat16":
            raise ValueError(
                f"{_name(self.path)}: a weight is of dtype {shown(str(found.dtype))}; expected "
                "real numbers"
            )
        self._left -= found.size * found.dtype.itemsize
        if self._left < 0:
            raise ValueError(
                f"{_name(self.path)}: data sets claim more elements than the file can hold"
            )
        return np.asarray(found)

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
        return ValueError(f"{_name(self.path)}, weights of the layer {layer.name!r}: {error}")

    def assign(self) -> None:
        """Give the weights their values."""
        for weight, array in self._found:
            weight.assign(array)


def _fill(layer: Layer, group: Any, reader: _Reader, depth: int) -> None:
    """The weights of a layer, then of those that it is made of, from a group of a Keras 3 file."""
    if depth > _DEEPEST:
        raise ValueError(f"{_name(reader.path)}: groups within groups, deeper than {_DEEPEST}")
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
    for path, inner in _inner_layers(layer):
        place = group
        for key in path.split("/"):
            place = reader.member(place, key) if place is not None and key in place else None
        yield inner, named.get(inner.name, place)


def _by_name(layer: Layer, group: Any, reader: _Reader) -> dict[str, Any]:
    """The groups of a graph's layers by the names that the file gives them, if it has them all.

    Of a model whose file says how it is made they stand by their names, whatever stands in for
    the class that they are numbered by; those of another instance by their places.
    """
    if not (isinstance(layer, Model) and layer._is_functional) or _LAYERS not in (group or ()):
        return {}
    stored = reader.member(group, _LAYERS)
    found: dict[str, Any] = {}
    for key in stored:
        entry = reader.member(stored, key)
        variables = reader.member(entry, "vars") if "vars" in entry else None
        name = None if variables is None else _text(reader.path, variables, "name")
        if name is not None:
            found[_decoded(name)] = entry
    members = layer.layers if layer.built else layer._members()
    return found if all(inner.name in found for inner in members if inner.weights) else {}


def _inner_layers(layer: Layer) -> list[tuple[str, Layer]]:
    """The layers that a layer is made of, by the paths of their groups.

    As in Keras, those of a graph come first; then attributes in alphabetical order, private ones
    last, and among them the list `Model.layers`.  A layer in a container goes by its class,
    numbered from the second on, and a container in another by ``container``; of a layer that is
    met twice the first path counts.
    """
    seen: set[int] = set()
    attributes = {name: value for name, value in vars(layer).items() if name not in OWN_ATTRIBUTES}
    if not isinstance(layer, Model):
        first: list[tuple[str, Layer]] = []
    elif layer._is_functional:
        members = layer.layers if layer.built else layer._members()
        first = [*_places(_LAYERS, members, seen)]
    else:
        first, attributes[_LAYERS] = [], layer.layers
    ordered = sorted(attributes, key=lambda name: (name.startswith("_"), name))
    own = {id(item) for item in layer._layers}
    found = [place for name in ordered for place in _places(name, attributes[name], seen)]
    return [*first, *((path, inner) for path, inner in found if id(inner) in own)]


def _numbered(layer: Layer, counts: Counter[str]) -> str:
    kind = snake_case(type(layer).__name__)
    counts[kind] += 1
    return f"{kind}_{counts[kind] - 1}" if counts[kind] > 1 else kind


def _places(path: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Layer]]:
    """The layers in a value that were not seen before, by their paths."""
    if not isinstance(value, (Layer, list, tuple, dict)) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Layer):
        yield path, value
        return
    counts: Counter[str] = Counter()
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, Layer):
            yield from _places(f"{path}/{_numbered(item, counts)}", item, seen)
        elif isinstance(item, (list, tuple, dict)):
            counts[_CONTAINER] += 1
            number = f"_{counts[_CONTAINER] - 1}" if counts[_CONTAINER] > 1 else ""
            yield from _places(f"{path}/{_CONTAINER}{number}", item, seen)


def _fill_old(model: Model, file: Any, reader: _Reader) -> None:
    """The weights of an ``.h5`` file of Keras 2, or of Keras 3 in that form."""
    group = reader.member(file, "model_weights") if "model_weights" in file else file
    for layer in model.layers:
        weights = layer.weights
        if not weights:
            continue
        if layer.name not in group:
            raise ValueError(
                f"{_name(reader.path)} has no weights of the layer {layer.name!r}; expected them "
                f"beside those of {shown(sorted(group))}"
            )
        entry = reader.member(group, layer.name)
        names = [_decoded(name) for name in _listed(reader.path, entry)]
        arrays = [_old_array(entry, name, reader) for name in names]
        reader.keep_all(layer, weights, arrays)


def _listed(path: Path, group: Any) -> Any:
    names = _text(path, group, "weight_names")
    return () if names is None else np.atleast_1d(names)


def _decoded(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _old_array(group: Any, name: str, reader: _Reader) -> Array:
    *groups, last = name.split("/")
    for part in groups:
        group = reader.member(group, part)
    return reader.array(group, last)


# Writing


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
        raise FileExistsError(f"{_name(path)} exists; expected `overwrite=True`, or another path")
    buffer = BytesIO()
    write(buffer)
    with open(path, "wb") as file:
        file.write(buffer.getvalue())


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
        archive.writestr(_CONFIG, json.dumps(config))
        archive.writestr(_WEIGHTS, _weights(model, path))


def _weights(model: Model, path: Path) -> bytes:
    """The weights as the bytes of an HDF5 file."""
    buffer = BytesIO()
    with _h5py(path).File(buffer, "w") as file:
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
    for name, member in _inner_layers(layer):
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
    with _h5py(path).File(target, "w") as file:
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
