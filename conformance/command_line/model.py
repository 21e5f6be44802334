"""``conformance run --model``: the other name of ``conformance model FILE --against tf.keras``."""

from __future__ import annotations

import argparse

from conformance.command_line.converted import run_converted
from conformance.command_line.errors import UsageError
from conformance.models.candidates import keras_entry
from conformance.models.errors import ModelError


def run_model(options: argparse.Namespace) -> int:
    """Judge every layer of a saved model on Keras.

    Raises:
        UsageError: if the model, the inputs or the implementation cannot be used, or an option
            is given that is for cases.
    """
    refused = ("case", "layer", "clause", "shard", "known", "resume", "markdown", "badge")
    for name in (*refused, "cluster"):
        if getattr(options, name):
            raise UsageError(f"--model judges one model and takes no --{name}")
    for spec in options.implementation or []:
        try:
            entry = keras_entry(spec)
        except ModelError as error:
            raise UsageError(str(error)) from error
        if entry is None:
            raise UsageError(
                f"--implementation {spec}: --model runs files on tf.keras or keras[backend=...]; "
                f"for what a converter has made of it: conformance model {options.model} --against "
                "CANDIDATE"
            )
    return run_converted(
        argparse.Namespace(
            source=options.model,
            against=options.implementation,
            inputs=[str(path) for path in options.inputs or ()],
            map=[],
            save=None,
            verbose=options.verbose,
            quiet=options.quiet,
            timeout=options.timeout,
            jsonl=options.jsonl,
            junit=options.junit,
            html=options.html,
        )
    )
