"""Global settings: those of ``keras.json``, the reading of Keras, and certification.

The file is ``$KERAS_HOME/keras.json`` where that variable is set, else ``~/.keras/keras.json``.
It is read once, when a setting is first needed, and never written.  Its keys:

* ``image_data_format``: ``"channels_last"`` or ``"channels_first"``; where it is absent, Keras 1's
  ``image_dim_ordering`` (``"tf"`` or ``"th"``) stands for it;
* ``floatx``: ``"float16"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``;
* ``epsilon``: a positive float.

Other keys (``backend``) are ignored.  A file that holds no JSON object is ignored with a warning
that names it; a key with a value that is not allowed raises ValueError at each use until the file
is right.  Keras ignores the first silently and refuses the second, as here.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from reference_impl.showing import shown

DATA_FORMATS: Final = ("channels_last", "channels_first")
"""The allowed values of ``data_format``."""

DIM_ORDERINGS: Final = {"tf": "channels_last", "th": "channels_first"}
"""Keras 1's names of the data formats."""

FLOATX: Final = ("float16", "bfloat16", "float32", "float64")
"""The floating-point types that a layer may have."""

READINGS: Final = ("keras3", "keras2")
"""The versions of Keras between which the documentation may be read differently."""

_DEFAULTS: Final[dict[str, Any]] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}
_settings: dict[str, Any] = {}
_switches: Final[dict[str, Any]] = {"reading": "keras3", "certification": True}


def configuration_file() -> str:
    """Path of the configuration file, whether or not it exists."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    return os.path.join(home, "keras.json")


def reload() -> None:
    """Forget every setting, so that the configuration file is read again at the next use."""
    _settings.clear()


@contextmanager
def as_never_set() -> Iterator[None]:
    """Within the block, the settings are the defaults, whatever the configuration file says."""
    kept = dict(_settings)
    _settings.clear()
    _settings.update(_DEFAULTS)
    try:
        yield
    finally:
        _settings.clear()
        _settings.update(kept)


def _setting(name: str) -> Any:
    if not _settings:
        _settings.update(_DEFAULTS | _read_file(configuration_file()))
    return _settings[name]


def _read_file(path: str) -> dict[str, Any]:
    """The valid settings of the file; none where it is absent or is no JSON object."""
    if not os.path.isfile(path):
        return {}
    import json

    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except (OSError, ValueError) as error:
        return _ignored(path, f"it cannot be read as JSON ({error})")
    if not isinstance(content, dict):
        return _ignored(path, f"it holds {shown(content)} instead of a JSON object")
    return _checked(path, content)


def _ignored(path: str, reason: str) -> dict[str, Any]:
    warnings.warn(
        f"the configuration file {path} is ignored: {reason}; the defaults {_DEFAULTS} are used",
        UserWarning,
        stacklevel=2,
    )
    return {}


def _checked(path: str, content: dict[str, Any]) -> dict[str, Any]:
    """The known keys of the file with their values.

    Raises:
        ValueError: naming the file, the key, its value and what is allowed.
    """
    found: dict[str, Any] = {}
    where = f" in {path}"
    if "image_data_format" in content:
        found["image_data_format"] = _data_format(content["image_data_format"], where)
    elif "image_dim_ordering" in content:
        found["image_data_format"] = _dim_ordering(content["image_dim_ordering"], where)
    if "floatx" in content:
        found["floatx"] = _one_of("floatx", content["floatx"], FLOATX, where)
    if "epsilon" in content:
        found["epsilon"] = _epsilon(content["epsilon"], where)
    return found


def _one_of(name: str, value: Any, allowed: tuple[str, ...], where: str = "") -> str:
    if isinstance(value, str) and value in allowed:
        return value
    expected = ", ".join(map(repr, allowed))
    raise ValueError(f"`{name}` is {shown(value)}{where}; expected one of {expected}")


def _data_format(value: Any, where: str = "") -> str:
    if isinstance(value, str) and value.lower() in DATA_FORMATS:
        return value.lower()
    return _one_of("image_data_format", value, DATA_FORMATS, where)


def _dim_ordering(value: Any, where: str = "") -> str:
    return DIM_ORDERINGS[_one_of("image_dim_ordering", value, tuple(DIM_ORDERINGS), where)]


def _epsilon(value: Any, where: str = "") -> float:
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise ValueError(f"`epsilon` is {shown(value)}{where}; expected a float between 0 and 1")


def image_data_format() -> str:
    """The data format of layers that are constructed without one."""
    return str(_setting("image_data_format"))


def set_image_data_format(data_format: str) -> None:
    """Set the data format of the layers constructed from now on.

    Raises:
        ValueError: if it is neither ``channels_last`` nor ``channels_first`` (in any case).
    """
    checked = _data_format(data_format)
    _setting("image_data_format")
    _settings["image_data_format"] = checked


def image_dim_ordering() -> str:
    """`image_data_format` by Keras 1's name: ``tf`` (channels last) or ``th`` (first)."""
    return "tf" if image_data_format() == "channels_last" else "th"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """`set_image_data_format` by Keras 1's name.

    Raises:
        ValueError: if it is neither ``tf`` nor ``th``.
    """
    set_image_data_format(_dim_ordering(dim_ordering))


def floatx() -> str:
    """The dtype of layers and inputs that are constructed without one."""
    return str(_setting("floatx"))


def set_floatx(value: str) -> None:
    """Set the dtype of the layers and inputs constructed from now on.

    Raises:
        ValueError: if it is not one of `FLOATX`.
    """
    checked = _one_of("floatx", value, FLOATX)
    _setting("floatx")
    _settings["floatx"] = checked


def epsilon() -> float:
    """The small number that keeps divisions finite."""
    return float(_setting("epsilon"))


def set_epsilon(value: float) -> None:
    """Set the small number that keeps divisions finite.

    Raises:
        ValueError: if it is not a float between 0 and 1.
    """
    checked = _epsilon(value)
    _setting("epsilon")
    _settings["epsilon"] = checked


def reading() -> str:
    """The version of Keras whose reading is followed where two versions differ.

    What depends on it, ``keras3`` (the default) against ``keras2``:

    * ``data_format=None`` of Conv1D and MaxPooling1D: `image_data_format` against always
      ``channels_last``;
    * the dtype of the input that ``input_shape`` puts before a first layer: `floatx` against the
      layer's own;
    * automatic names: ``functional`` and ``input_layer``, ``input_layer_1`` against ``model`` and
      ``input_1``, ``input_2``;
    * `tensor` of `Input`: only a symbolic tensor against an array as well;
    * names of initializers, regularizers and constraints that one of the two alone knows;
    * the activation ``hard_sigmoid``: relu6(x + 3) / 6 against clip(0.2 x + 0.5, 0, 1).

    A layer follows the reading that was set when it was constructed.
    """
    return str(_switches["reading"])


def set_reading(version: str) -> None:
    """Choose the reading, ``keras3`` or ``keras2``; see `reading`.

    Raises:
        ValueError: if it is another one.
    """
    _switches["reading"] = _one_of("reading", version, READINGS)


@contextmanager
def reading_as(version: str) -> Iterator[None]:
    """Follow a reading within a ``with`` block."""
    before = reading()
    set_reading(version)
    try:
        yield
    finally:
        set_reading(before)


def certification() -> bool:
    """Whether layers return the correctly rounded value (else the plain floating-point one)."""
    return bool(_switches["certification"])


def set_certification(wanted: bool) -> None:
    """Choose between correctly rounded values (True) and plain ones, faster (False).

    Raises:
        TypeError: if `wanted` is not a bool.
    """
    if not isinstance(wanted, bool):
        raise TypeError(f"`wanted` is {shown(wanted)}; expected True or False")
    _switches["certification"] = wanted


@contextmanager
def uncertified() -> Iterator[None]:
    """Let layers return plain floating-point values within a ``with`` block."""
    before = certification()
    set_certification(False)
    try:
        yield
    finally:
        set_certification(before)
