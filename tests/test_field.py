"""Protects the adapters of the field: what each declares, and what they share.

No framework is needed: declarations are read without one, and what is shared between adapters is
held against the oracle with an engine that is written here.
"""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from conformance.cases.case import Case
from conformance.cases.operands import operands
from conformance.command_line.field import selected
from conformance.implementations import field, registry
from conformance.implementations.engine import Takes
from conformance.implementations.field.adapted import everywhere
from conformance.implementations.field.functions import Functions, Window
from conformance.judge.activations import ACTIVATIONS
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Verdict
from conformance.outcomes import Unsupported, Value
from reference_impl.engine.dtypes import FLOATS, INTEGERS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FAMILIES = field.families()
"""The adapters' declarations."""


def adapter(family: Any) -> Any:
    module, _, name = family.loader.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
class TestDeclarations:
    def test_it_is_found_by_its_name(self, family):
        assert registry.FAMILIES[family.name] is family
        assert registry.resolve(family.name).options["name"] == family.name
        for variant in family.variants:
            assert registry.resolve(f"{family.name}[{variant}]").name.startswith(family.name)

    def test_it_says_what_it_takes(self, family):
        takes = getattr(adapter(family), "takes", None)
        if takes is None:
            pytest.skip(f"{family.name} has Keras' surface and declares case by case")
        assert set(takes.dtypes) == {"convolution", "pooling", "flatten"}
        assert set().union(*takes.dtypes.values()) <= {*FLOATS, *INTEGERS}
        assert takes.activations <= set(ACTIVATIONS)
        assert "linear" in takes.activations
        assert takes.empty in ("any", "batch", "none")

    def test_an_extra_installs_what_it_needs(self, family):
        extras = PROJECT["project"]["optional-dependencies"]
        assert family.extra in extras
        asked = {name(d).lower() for d in installed_by(extras, family.extra)}
        assert {d.lower() for d in family.distributions if not d.startswith(OF_NODE)} <= asked
        text = (ROOT / "tox.ini").read_text(encoding="utf-8")
        packages = {d.removeprefix(OF_NODE) for d in family.distributions if d.startswith(OF_NODE)}
        assert packages <= {word.rpartition("@")[0] for word in text.split()}

    def test_an_environment_of_its_own_judges_it(self, family):
        text = (ROOT / "tox.ini").read_text(encoding="utf-8")
        assert family.extra in environments(text)

    def test_what_it_imports_is_imported_nowhere_else(self, family):
        own = Path(importlib.import_module(family.loader.partition(":")[0]).__file__ or "")
        found = [
            str(path)
            for path in (ROOT / "conformance").rglob("*.py")
            if path != own and "reproducers" not in path.parts
            if set(imported(path)) & (set(family.modules) - SHARED)
        ]
        assert not found

    def test_nothing_is_imported_to_read_it(self, family):
        assert family.summary
        assert family.modules


OF_NODE = "npm:"
"""Before the name of a package that npm installs, as tox.ini has it."""

SHARED = {"jax", "keras", "tensorflow", "torch"}
"""What several adapters are built on; import-linter says which."""


def name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0]


def installed_by(extras: dict[str, list[str]], extra: str) -> Iterator[str]:
    for requirement in extras[extra]:
        if requirement.startswith("layerproof["):
            for other in requirement.removeprefix("layerproof[").rstrip("]").split(","):
                yield from installed_by(extras, other)
        yield requirement


def environments(text: str) -> set[str]:
    """The environments ``field-{...}``."""
    inside = text.partition("[testenv:field-{")[2].partition("}]")[0]
    return {f"field-{factor.strip()}" for factor in inside.split(",")}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


class Loops(Functions):
    """An engine in NumPy, by the definition, in whatever layout it is asked for."""

    maker: ClassVar = "loops"
    distribution: ClassVar = "numpy"
    module: ClassVar = "numpy"
    takes: ClassVar = Takes(everywhere("float32"), frozenset({"linear", "softmax"}), gradients=True)

    def convolve(self, x: Any, kernel: Any, bias: Any, window: Window) -> Any:
        order = [self.kernel.index("o"), self.kernel.index("i")]
        rank = len(window.size)
        star = self.kernel.index("*")
        order = [i + (rank - 1) * (i > star) for i in order]
        w = np.moveaxis(kernel, order, (0, 1)).astype(np.float64)
        parts = []
        share = len(w) // window.groups
        for group, views in self._taps(x, window, 0.0, window.groups):
            here = w[group * share : (group + 1) * share]
            parts.append(sum(self._contracted(v, here[(..., *tap)]) for tap, v in views))
        y = np.concatenate(parts, axis=1)
        y = y if bias is None else y + bias.reshape(-1, *[1] * rank)
        return self._out(y).astype(x.dtype)

    def pool(self, x: Any, window: Window) -> Any:
        ((_, views),) = self._taps(x, window, -np.inf, 1)
        return self._out(np.max([view for _, view in views], axis=0)).astype(x.dtype)

    def activate(self, name: str, y: Any, axis: int) -> Any:
        e = np.exp((y - y.max(axis=axis, keepdims=True)).astype(np.float64))
        return (e / e.sum(axis=axis, keepdims=True)).astype(y.dtype)

    def backward(self, function: Callable[..., Any], given: Any, upstream: Any) -> Any:
        """By differences: what is asked here is linear, and its values are small integers."""
        found = []
        for index, array in enumerate(given):
            gradient = np.zeros(array.shape, np.float32)
            for at in np.ndindex(array.shape):
                moved = [*given]
                moved[index] = array.copy()
                moved[index][at] += 1
                gradient[at] = ((function(*moved) - function(*given)) * upstream).sum()
            found.append(gradient)
        return found

    @staticmethod
    def _contracted(view: Any, weights: Any) -> Any:
        return np.einsum("nc...,oc->no...", view.astype(np.float64), weights)

    def _out(self, y: Any) -> Any:
        return y if self._first else np.moveaxis(y, 1, -1)

    def _taps(self, x: Any, window: Window, beyond: float, groups: int) -> Any:
        if self._pads == "equal":
            assert all(a == b for a, b in window.pads)
        if not self._first:
            x = np.moveaxis(x, -1, 1)
        pads = [(0, 0), (0, 0), *window.pads]
        if window.padding == "same":
            pads = [
                (0, 0),
                (0, 0),
                *map(same, x.shape[2:], window.size, window.strides, window.dilation),
            ]
        x = np.pad(x, pads, constant_values=beyond)
        share = x.shape[1] // groups
        for group in range(groups):
            here = x[:, group * share : (group + 1) * share]
            yield group, list(self._views(here, window))

    @staticmethod
    def _views(x: Any, window: Window) -> Iterator[tuple[tuple[int, ...], Any]]:
        axes = [*zip(window.size, window.strides, window.dilation, x.shape[2:], strict=True)]
        counts = [(n - (k - 1) * d - 1) // s + 1 for k, s, d, n in axes]
        for tap in np.ndindex(*window.size):
            where = [
                slice(t * d, t * d + (c - 1) * s + 1, s)
                for t, c, (_, s, d, _) in zip(tap, counts, axes, strict=True)
            ]
            yield tap, x[(slice(None), slice(None), *where)]


def same(n: int, k: int, s: int, d: int) -> tuple[int, int]:
    total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
    return total // 2, total - total // 2


SHAPES = {
    ("Conv1D", "channels_last"): (2, 9, 4),
    ("Conv1D", "channels_first"): (2, 4, 9),
    ("Conv2D", "channels_last"): (2, 9, 7, 4),
    ("Conv2D", "channels_first"): (2, 4, 9, 7),
    ("MaxPooling1D", "channels_last"): (2, 9, 4),
    ("MaxPooling1D", "channels_first"): (2, 4, 9),
    ("MaxPooling2D", "channels_last"): (2, 9, 7, 4),
    ("MaxPooling2D", "channels_first"): (2, 4, 9, 7),
}


def cases() -> list[Case]:
    made = []
    for (layer, data_format), shape in SHAPES.items():
        common = {"data_format": data_format}
        for padding in ("valid", "same"):
            if layer.startswith("Max"):
                made.append(
                    Case.of(layer, shape, pool_size=4, strides=3, padding=padding, **common)
                )
                continue
            common["padding"] = padding
            made += [
                Case.of(layer, shape, filters=6, kernel_size=2, strides=2, **common),
                Case.of(layer, shape, filters=6, kernel_size=3, groups=2, **common),
                Case.of(layer, shape, filters=3, kernel_size=2, dilation_rate=3, **common),
                Case.of(layer, shape, filters=3, kernel_size=4, activation="softmax", **common),
            ]
    made.append(Case.of("Conv1D", (2, 9, 4), filters=3, kernel_size=3, padding="causal"))
    made += [Case.of("Flatten", (2, 3, 4, 5), data_format=f) for f in ("channels_first", None)]
    return [*made, Case.of("Flatten", (3,))]


LAYOUTS = [
    *product((True, False), ("oi*", "*io", "o*i"), ("pairs", "none"), (False,)),
    (True, "oi*", "equal", True),
    (False, "*io", "same", True),
    (True, "i*o", "same", False),
]


@pytest.mark.parametrize(("first", "kernel", "pads", "planar"), LAYOUTS)
def test_layouts_kernels_and_pads_stand_once(
    first,
    kernel,
    pads,
    planar,
):
    """Whatever an engine's layouts are, the frame brings arrays to them and back."""
    engine = type(
        "Made",
        (Loops,),
        {"channels_first": first, "kernel": kernel, "pads": pads, "planar": planar},
    )("made")
    for case in cases():
        given = operands(case)
        outcome = engine.evaluate(case, given)
        assert isinstance(outcome, Value), (str(case), outcome)
        found = judge(case, given, expect(case, given), outcome)
        assert found.verdict is Verdict.CONFORMS, (str(case), found.message)


LINEAR = [
    Case.of(
        "Conv2D",
        (1, 4, 3, 2),
        filters=2,
        kernel_size=2,
        padding="same",
        observe="gradients",
        operands="integers",
    ),
    Case.of(
        "Conv1D",
        (1, 2, 5),
        filters=2,
        kernel_size=2,
        data_format="channels_first",
        observe="gradients",
    ),
    Case.of("Flatten", (2, 2, 3, 2), data_format="channels_first", observe="gradients"),
]


@pytest.mark.parametrize(("first", "kernel", "pads", "planar"), LAYOUTS[::3])
def test_gradients_come_back_in_the_layouts_of_keras(first, kernel, pads, planar):
    """Zeros that the frame has added are cut off again, and axes are put back."""
    names = {"channels_first": first, "kernel": kernel, "pads": pads, "planar": planar}
    engine = type("Made", (Loops,), names)("made")
    for case in LINEAR:
        given = operands(case)
        outcome = engine.evaluate(case, given)
        found = judge(case, given, expect(case, given), outcome)
        assert found.verdict is Verdict.CONFORMS, (str(case), found.message)


IMAGES = (2, 7, 6, 4)
REFUSED = {
    "dtypes": (Takes(everywhere("float16"), frozenset({"linear"})), {}),
    "activations": (Takes(everywhere("float32"), frozenset()), {}),
    "ranks": (Takes(everywhere("float32"), frozenset({"linear"}), ranks=frozenset({1})), {}),
    "dilation": (
        Takes(everywhere("float32"), frozenset({"linear"}), dilation=False),
        {"dilation_rate": 2},
    ),
    "groups": (Takes(everywhere("float32"), frozenset({"linear"}), groups=False), {"groups": 2}),
    "gradients": (
        Takes(everywhere("float32"), frozenset({"linear"})),
        {"observe": "gradients"},
    ),
    "largest": (Takes(everywhere("float32"), frozenset({"linear"}), largest=11), {}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_an_engine_does_not_take_is_unsupported_with_a_reason(what):
    takes, arguments = REFUSED[what]
    engine = type("Made", (Loops,), {"takes": takes})("made")
    case = Case.of("Conv2D", IMAGES, filters=4, kernel_size=3, **arguments)
    outcome = engine.evaluate(case, operands(case))
    assert isinstance(outcome, Unsupported)
    assert outcome.reason.startswith("loops ")


def test_every_environment_of_the_field_stands_in_the_label():
    """`tox -m field` runs all of them."""
    text = (ROOT / "tox.ini").read_text(encoding="utf-8")
    (label,) = [line for line in text.splitlines() if line.strip().startswith("field =")]
    listed = {one.strip() for one in label.partition("=")[2].split(",")}
    declared = {family.extra for family in registry.FAMILIES.values() if family.extra}
    assert listed - {"field-frameworks"} == environments(text) == declared


def test_what_follows_the_users_settings_is_judged_with_options_alone(monkeypatch):
    """The table could not say which backend a plain `keras` was."""
    monkeypatch.setattr(registry, "installed", lambda entry: True)
    chosen = selected(["keras"])
    assert "keras[backend=torch]" in chosen
    assert "keras" not in chosen
