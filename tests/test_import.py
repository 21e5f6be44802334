"""What ``import reference_impl as keras`` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import reference_impl as keras
from reference_impl import engine, layers

PATHS = {
    "layers.convolutional.Conv1D": layers.Conv1D,
    "layers.convolutional.Conv2D": layers.Conv2D,
    "layers.pooling.MaxPooling1D": layers.MaxPooling1D,
    "layers.pooling.MaxPooling2D": layers.MaxPooling2D,
    "layers.core.Flatten": layers.Flatten,
    "layers.Flatten": layers.Flatten,
    "engine.input_layer.Input": layers.Input,
    "engine.input_layer.InputLayer": layers.InputLayer,
    "layers.Input": layers.Input,
    "Input": layers.Input,
    "models.Input": layers.Input,
    "layers.Convolution1D": layers.Conv1D,
    "layers.convolutional.Convolution2D": layers.Conv2D,
    "layers.MaxPool1D": layers.MaxPooling1D,
    "layers.pooling.MaxPool2D": layers.MaxPooling2D,
    "Sequential": keras.Sequential,
    "models.Sequential": keras.Sequential,
    "models.Model": keras.Model,
}


def resolve(path):
    found = keras
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("path", PATHS)
def test_the_documented_paths_and_their_short_forms_resolve(path):
    assert resolve(path) is PATHS[path]


@pytest.mark.parametrize(
    "name",
    ["activations", "initializers", "regularizers", "constraints", "backend", "config", "utils"],
)
def test_the_modules_beside_the_layers_resolve(name):
    assert resolve(name).__name__ == f"reference_impl.{name}"


def test_the_engine_is_a_package():
    assert engine.input_layer.Input is keras.Input


def loaded_by_import() -> set[str]:
    """The modules that the import adds to those of NumPy, in a fresh interpreter."""
    program = (
        "import sys, numpy; before = set(sys.modules); import reference_impl; "
        "print(*set(sys.modules) - before)"
    )
    command = [sys.executable, "-c", program]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_the_import_needs_numpy_and_the_standard_library_alone():
    packages = {name.partition(".")[0] for name in loaded_by_import()}
    assert packages <= {"reference_impl", "numpy", *sys.stdlib_module_names}


def test_the_import_leaves_slow_modules_of_the_standard_library_for_later():
    """They would add to the time of every import, and few callers need them."""
    slow = {"decimal", "_decimal", "_pydecimal", "fractions", "json", "difflib", "asyncio"}
    assert not loaded_by_import() & slow


def _imported_by(statements: str) -> set[str]:
    """The packages of the suite that a fresh interpreter has imported after some statements."""
    program = f"import sys\n{statements}\nprint(*sys.modules, file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    names = run.stderr.split()
    return {".".join(name.split(".")[:2]) for name in names if name.startswith("conformance")}


def test_importing_the_suite_imports_nothing_that_it_does_not_use():
    assert _imported_by("import conformance") == {"conformance", "conformance.version"}


@pytest.mark.parametrize("what", ["clauses", "cases"])
def test_a_list_of_the_specification_imports_no_implementation_and_no_engine(what):
    imported = _imported_by(
        f"from conformance.command_line import main\nmain(['list', {what!r}, '--layer', 'Flatten'])"
    )
    unused = ("diagnosis", "golden", "implementations", "known", "models", "running", "suite")
    assert imported.isdisjoint(f"conformance.{package}" for package in unused)
