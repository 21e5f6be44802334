"""Protects the benchmark: everything in it can be called, and its files can be compared."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent / "benchmarks"
MODULES = [path.stem for path in HERE.glob("*.py") if path.stem != "__main__"]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def tricks(load: Any) -> ModuleType:
    return load("tricks")


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, str(HERE), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_every_group_runs_on_tiny_sizes_and_names_who_is_left_out(tmp_path: Path):
    """One round of each: every candidate is called, and stands in both files."""
    json_file, markdown = tmp_path / "run.json", tmp_path / "run.md"
    done = benchmarks("--tiny", "--json", str(json_file), "--markdown", str(markdown))
    assert done.returncode == 0, done.stderr
    run, text = json.loads(json_file.read_text(encoding="utf-8")), markdown.read_text()
    groups = list(dict.fromkeys(one["benchmark"].partition("/")[0] for one in run["figures"]))
    assert groups == [
        "convolution float32",
        "convolution float64 of below 64 products",
        "gradients float32",
        "max pooling",
        "gradient of max pooling",
        "activations float64",
        "slopes float64",
        "few elements of tanh",
        "tiny calls",
        "judge float32",
        "suite",
        "tricks",
    ]
    for group in groups:
        assert f"### {group}, as a ratio to the first of each" in text
    named = {one["candidate"] for one in run["figures"]}
    for peer in ("torch", "tensorflow", "onnxruntime", "onnx.reference", "scipy", "loop"):
        assert peer in named or f"{peer} was left out: " in text, peer
    assert [(one["what"], one["count"]) for one in run["growths"]] == [
        ("cases", 10),
        ("elements", 10_000),
    ]
    assert "### In short, geometric means" in text
    assert run["machine"]["threads"]
    assert run["machine"]["processor"] in text
    unchanged = benchmarks("compare", str(json_file), str(json_file))
    assert unchanged.returncode == 0
    assert unchanged.stdout.startswith("0 slower, 0 faster, ")


def test_what_is_asked_for_and_is_not_there_is_refused(tmp_path: Path):
    nothing = benchmarks("nonsense")
    assert nothing.returncode == 2
    assert "there are convolution float32, " in nothing.stderr
    other = tmp_path / "other.json"
    for text in ("", "{}", '{"kind": "benchmarks"}', "[]"):
        other.write_text(text, encoding="utf-8")
        refused = benchmarks("compare", str(other), str(other))
        assert refused.returncode == 2
        assert f"{other} is no file of the benchmarks" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_change_is_told_beyond_the_quartiles_alone(load: Any):
    measuring, writing = load("measuring"), load("writing")
    figure = measuring.Figure("g/a", "b", "a", 2.0, 1.9, 2.1, 1e-3, "", 9)
    run = writing.Run({"cores": "2"}, {"numpy": "1"}, "2026-01-01", {}, [figure])

    def against(*figures: Any, **fields: Any) -> tuple[list[str], bool]:
        return writing.compare(run, dataclasses.replace(run, figures=figures, **fields))

    within = dataclasses.replace(figure, ratio=2.15, low=2.1, high=2.2)
    assert against(within) == (["0 slower, 0 faster, 1 within the spread"], False)
    slower = dataclasses.replace(figure, ratio=2.5, low=2.2, high=2.6)
    lines, is_slower = against(slower)
    assert is_slower
    assert lines == [
        "slower: g/a: b / a: 2 (1.9 to 2.1) before, 2.5 (2.2 to 2.6) now",
        "1 slower, 0 faster, 0 within the spread",
    ]
    faster = dataclasses.replace(figure, ratio=1.0, low=1.0, high=1.1)
    lines, is_slower = against(faster, versions={"numpy": "2"})
    assert not is_slower
    assert lines[0] == "numpy: 1 before, 2 now"
    assert lines[1].startswith("faster: ")
    lines, _ = against(dataclasses.replace(figure, benchmark="g/c"))
    assert lines[:2] == ["only before: g/a: b / a", "only now: g/c: b / a"]


def test_a_peer_that_takes_longer_beside_ours_is_no_loss(load: Any):
    """`compare` is asked what has become of ours, and turns a peer's ratio around."""
    measuring, writing = load("measuring"), load("writing")
    before = measuring.Figure("g/a", "torch", "plain", 2.0, 1.6, 2.5, 1e-3, "", 9, True)
    after = dataclasses.replace(before, ratio=4.0, low=3.2, high=5.0)
    runs = [writing.run_of([one], {}) for one in (before, after)]
    lines, is_slower = writing.compare(*runs)
    assert not is_slower
    assert lines[0] == (
        "faster: g/a: plain / torch: 0.5 (0.4 to 0.625) before, 0.25 (0.2 to 0.312) now"
    )
    lines, is_slower = writing.compare(*reversed(runs))
    assert is_slower
    assert lines[0].startswith("slower: g/a: plain / torch: 0.25 ")


def test_peers_are_told_in_the_file_and_an_older_file_is_read_without(load: Any, tmp_path: Path):
    """A run that did not say who the peers are is compared by what the other one says."""
    measuring, writing = load("measuring"), load("writing")
    setup = measuring.Setup({"plain": int, "torch": int}, peers=("torch",))
    figures = measuring.measured(measuring.Benchmark("g/a", lambda tiny: setup), setup, 0.0, 1)
    assert [one.is_peer for one in figures] == [False, True]
    path = tmp_path / "run.json"
    text = writing.as_json(writing.run_of(figures, {}))
    path.write_text(text.replace('"is_peer": true', '"is_peer": false'), encoding="utf-8")
    assert [one.is_peer for one in writing.read(path).figures] == [False, False]
    older = json.loads(text)
    for record in older["figures"]:
        del record["is_peer"]
    path.write_text(json.dumps(older), encoding="utf-8")
    lines, _ = writing.compare(writing.read(path), writing.run_of(figures, {}))
    assert lines[-1] == "0 slower, 0 faster, 1 within the spread"


def test_a_file_holds_what_was_measured(load: Any, tmp_path: Path):
    measuring, writing = load("measuring"), load("writing")
    figure = measuring.Figure("g/a", "b", "a", 2.0, 1.9, 2.1, 1e-3, "cases", 9)
    growth = measuring.Growth("elements", 10, 1e-3, 9e-4, 2e-3, 60.0, 2.5)
    run = writing.run_of([figure], {"torch": "torch is not installed"}, (growth,))
    path = tmp_path / "run.json"
    path.write_text(writing.as_json(run), encoding="utf-8")
    assert writing.read(path) == run
    text = writing.as_markdown(run)
    assert "| a | b | 2 (1.9 to 2.1) | 1 ms each of the cases, 1,000 in a second |" in text
    assert "torch was left out: torch is not installed." in text
    assert "10 elements  1000 us each (900 to 2000), 60 MB, 2.5 times inputs and outputs" in text


def test_memory_that_has_grown_by_more_than_a_tenth_is_told(load: Any):
    measuring, writing = load("measuring"), load("writing")
    growth = measuring.Growth("cases", 1000, 1e-3, 9e-4, 2e-3, 60.0, 0.0)
    before = writing.run_of([], {}, (growth,))
    for megabytes, slower, faster in ((65.0, 0, 0), (67.0, 1, 0), (54.0, 0, 1)):
        now = (dataclasses.replace(growth, megabytes=megabytes),)
        lines, is_slower = writing.compare(before, dataclasses.replace(before, growths=now))
        unchanged = 1 - slower - faster
        told = f"{slower} slower, {faster} faster, {unchanged} within the spread"
        assert (lines[-1], is_slower) == (told, bool(slower))


def test_what_it_comes_to_is_the_mean_over_layers_that_have_both(load: Any):
    measuring, writing = load("measuring"), load("writing")

    def figure(layer: str, candidate: str, ratio: float) -> Any:
        name = f"max pooling/{layer}"
        return measuring.Figure(name, candidate, "ours", ratio, ratio, ratio, 1e-3, "", 9)

    figures = [
        *(figure("a", "ours", 1.0), figure("a", "torch", 0.5)),
        *(figure("b", "ours", 1.0), figure("b", "torch", 2.0)),
        *(figure("c", "ours", 1.0), figure("c", "copy", 0.1)),
    ]
    assert "| max pooling / torch | 1 | 2 |" in writing.in_short(figures)
    assert writing.in_short(figures[-2:]) == []


def test_candidates_take_turns_and_a_ratio_is_of_one_round(load: Any):
    """What slows a whole round down changes no ratio."""
    measuring = load("measuring")
    clock, order = [0.0], []

    def call(name: str, seconds: float) -> Any:
        def called() -> None:
            order.append(name)
            clock[0] += seconds * (10 if len(order) > 4 else 1)

        return called

    setup = measuring.Setup({"a": call("a", 1.0), "b": call("b", 3.0)})
    benchmark = measuring.Benchmark("g/x", lambda tiny: setup)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "processor_seconds", lambda: clock[0])
        base, other = measuring.measured(benchmark, setup, 0.0, 3)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert (base.ratio, base.low, base.high) == (1.0, 1.0, 1.0)
    assert other.ratio == 3.0
    assert other.rounds == 3


def test_every_trick_can_be_switched_off_and_names_its_benchmark(tricks: ModuleType):
    for trick in tricks.TRICKS:
        assert trick.serves
        before = [getattr(module, name) for module, name, _ in trick.without]
        with trick.switched_off():
            values = [value for _, _, value in trick.without]
            assert [getattr(module, name) for module, name, _ in trick.without] == values
        assert [getattr(module, name) for module, name, _ in trick.without] == before


def test_a_trick_changes_no_value(tricks: ModuleType):
    """Of those whose benchmark is short; the others' sizes are tested where they stand."""
    short = [one for one in tricks.TRICKS if "element" in one.serves and "262144" not in one.serves]
    assert len(short) == 2
    for trick in short:
        call = trick.call()
        expected = call().tobytes()
        with trick.switched_off():
            assert call().tobytes() == expected


def test_peers_compute_the_same_layer(load: Any):
    """What is compared for time gives the same values, as far as peers are installed."""
    import numpy as np

    convolutions, peers = load("convolutions"), load("peers")
    window, _ = convolutions.operands("tiny", np.float32)
    expected = convolutions.plain("tiny", np.float32)()
    products = np.abs(window.kernel).sum(axis=(0, 1, 2)).max() * np.abs(window.inputs).max()
    bound = 28 * 2.0**-24 * products  # gamma(28) of 27 products, for each of the two
    for name, make in peers.CONVOLUTIONS.items():
        if name in peers.missing():
            continue
        value = make(window)()
        if name == "scipy":
            value = np.moveaxis(np.asarray(value)[..., 0], 1, -1)
        elif name not in {"loop", "tensorflow"}:
            value = np.moveaxis(np.asarray(value).reshape(2, 4, 5, 6), 1, -1)
        assert np.abs(np.asarray(value) - expected).max() <= 2 * bound, name
