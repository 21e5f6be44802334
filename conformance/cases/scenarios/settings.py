"""What lies outside a program: keras.json, and the documented import paths."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.scenarios.scenario import Scenario, tabulated
from conformance.layers.registry import LAYERS

_REPORT: Final = """
import importlib, json, sys
keras = importlib.import_module(sys.argv[1])
layers = keras.layers
made = layers.Conv2D(4, 3), layers.MaxPooling2D(), layers.Flatten()
report = {type(layer).__name__: layer.get_config()["data_format"] for layer in made}
print(json.dumps(report | {"setting": keras.backend.image_data_format()}))
"""
"""Prints the data format of layers constructed without one, in a process that reads keras.json."""

_SECONDS: Final = 120


def _folder_of_setting(home: Path, place: str, content: dict[str, str]) -> dict[str, str]:
    """Write keras.json in its place; the environment variables that lead to it."""
    named, default = home / "named", home / ".keras"
    named.mkdir()
    default.mkdir()
    if content:
        folder = {"KERAS_HOME": named, "~/.keras": default}[place]
        (folder / "keras.json").write_text(json.dumps(content), encoding="utf-8")
    environment = {"HOME": str(home), "USERPROFILE": str(home)}
    return environment | ({"KERAS_HOME": str(named)} if place == "KERAS_HOME" else {})


@cache
def _fresh_report(module: str, place: str, content: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """What layers take for their data format in a new process.

    Raises:
        RuntimeError: with the process' last words, if it fails.
    """
    with tempfile.TemporaryDirectory() as home:
        variables = _folder_of_setting(Path(home), place, dict(content))
        inherited = {name: value for name, value in os.environ.items() if name != "KERAS_HOME"}
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        process = subprocess.run(
            [sys.executable, "-c", _REPORT, module],
            cwd=home,
            env=inherited | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"} | variables,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_SECONDS,
            check=False,
        )
    if process.returncode:
        raise RuntimeError(f"importing {module} failed: {process.stderr.strip()[-500:]}")
    report: dict[str, str] = json.loads(process.stdout.splitlines()[-1])
    return report


_CHANNELS_FIRST: Final = (("image_data_format", "channels_first"),)

_SETTINGS: Final[dict[str, tuple[str, tuple[tuple[str, str], ...], str]]] = {
    "keras_json_absent": ("KERAS_HOME", (), "channels_last"),
    "keras_json_in_keras_home": ("KERAS_HOME", _CHANNELS_FIRST, "channels_first"),
    "keras_json_in_home": ("~/.keras", _CHANNELS_FIRST, "channels_first"),
    "keras_json_of_keras_1": ("KERAS_HOME", (("image_dim_ordering", "th"),), "channels_first"),
}
"""Where keras.json stands, what it holds, and the data format that follows from it.

The last is Keras 1's form, in which ``th`` is the name of channels_first.
"""


def _observe_file(keras: Any, case: Case) -> Any:
    place, content, _ = _SETTINGS[case.observe]
    report = _fresh_report(keras.__name__, place, content)
    return [report["setting"], report[case.layer]]


def _expect_file(case: Case) -> Any:
    """The setting, and the layer that follows it (`_SETTINGS`)."""
    return [_SETTINGS[case.observe][2]] * 2


def _file_cases(name: str) -> tuple[Case, ...]:
    """One case a layer; Keras 1's form is stated in the section on Conv2D alone."""
    layers = LAYERS.names(lambda layer: "data_format" in layer.signature)
    layers = layers[:1] if name == "keras_json_of_keras_1" else layers
    return tuple(Case.of(layer, observe=name, **LAYERS[layer].minimal) for layer in layers)


def _follow(keras: Any, path: str) -> Any:
    """The object at a dotted path below a module, importing modules on the way; else None."""
    found = keras
    for depth, part in enumerate(path.split("."), 1):
        if not hasattr(found, part):
            name = ".".join([keras.__name__, *path.split(".")[:depth]])
            try:
                importlib.import_module(name)
            except ImportError:
                return None
        found = getattr(found, part, None)
    return found


def _observe_import_path(keras: Any, case: Case) -> Any:
    found = _follow(keras, f"{LAYERS[case.layer].module}.{case.layer}")
    if found is None:
        return "absent"
    return "the layer" if found is getattr(keras.layers, case.layer) else "something else"


SCENARIOS: Final = (
    *(Scenario(name, _observe_file, _expect_file, _file_cases(name)) for name in _SETTINGS),
    tabulated(
        "import_path",
        _observe_import_path,
        {
            Case.of(name, observe="import_path", **layer.minimal): "the layer"
            for name, layer in LAYERS.items()
        },
    ),
)
