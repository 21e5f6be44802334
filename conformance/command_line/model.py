"""``conformance run --model``: a saved model, judged layer by layer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from conformance.command_line.errors import UsageError
from conformance.implementations import registry
from conformance.implementations.protocol import ImplementationError
from conformance.model_files import ModelError, judge_calls, observe_model, operands_for
from conformance.report.text import say

EXIT_DEVIATES = 1
EXIT_NOTHING_JUDGED = 3


def run_model(options: argparse.Namespace) -> int:
    """Judge every layer of the model on the input that it was given; name the first that departs.

    Raises:
        UsageError: if the model, the inputs or the implementation cannot be used.
    """
    from reference_impl.models import load_model

    _refuse_reports(options)
    try:
        model = load_model(options.model)
        inputs = _inputs(options.inputs, model)
    except (EOFError, ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(f"--model: {error}") from error
    statuses = [
        _judge(model, options.model, inputs, _entry(name), options.timeout)
        for name in options.implementation or ["tf.keras"]
    ]
    return max(statuses, key=[0, EXIT_NOTHING_JUDGED, EXIT_DEVIATES].index)


def _refuse_reports(options: argparse.Namespace) -> None:
    refused = ("case", "layer", "clause", "shard", "known", "jsonl", "resume", "junit", "cluster")
    given = [name for name in refused if getattr(options, name)]
    if given:
        raise UsageError(f"--model judges one model and takes no --{given[0]}")


def _entry(name: str) -> registry.Entry:
    try:
        entry = registry.resolve(name)
    except ImplementationError as error:
        raise UsageError(str(error)) from error
    if entry.name.partition("[")[0] != "tf.keras":
        raise UsageError(f"--implementation {name!r}: a .keras model is run by tf.keras alone")
    if not registry.installed(entry):
        raise UsageError(f"{name} needs {', '.join(entry.distributions)}, which is not installed")
    return entry


def _inputs(paths: list[Path] | None, model: Any) -> list[Any]:
    """The arrays of ``--inputs``, or operands made for the model's inputs.

    Raises:
        ValueError: if there are not as many as the model has inputs, or one is no array.
    """
    if not paths:
        return operands_for(model)
    arrays = [np.load(path, allow_pickle=False) for path in paths]
    if len(arrays) != len(model.inputs):
        raise ValueError(
            f"--inputs is given {len(arrays)} times; expected once for each of the model's "
            f"{len(model.inputs)} inputs"
        )
    return arrays


def _judge(model: Any, path: Path, inputs: list[Any], entry: registry.Entry, timeout: float) -> int:
    try:
        calls = observe_model(path, inputs, entry, timeout)
        judged = list(judge_calls(model, calls))
    except ModelError as error:
        say(f"{entry.name}: {error}", sys.stderr)
        return EXIT_DEVIATES
    if not judged:
        print("conformance: nothing was judged", file=sys.stderr)
        return EXIT_NOTHING_JUDGED
    for call in judged:
        say(f"{entry.name}: {'ok      ' if call.problem is None else 'DEVIATES'} {call.summary}")
    first = next((call for call in judged if call.problem is not None), None)
    if first is None:
        return 0
    say(f"{entry.name}: the first layer that departs is {first.layer!r}: {first.problem}")
    return EXIT_DEVIATES
