"""Plug-ins that answer with tensors of a framework."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.cases.case import Case
from conformance.judge.verdict import Verdict
from conformance.running.runner import run

pytestmark = pytest.mark.live

PLUGINS = {
    "torch with a gradient": (
        "import torch\n"
        "def Flatten(inputs, weights, config):\n"
        "    tensor = torch.tensor(inputs.copy(), requires_grad=True)\n"
        "    return (tensor * 1).reshape(len(inputs), -1)\n"
    ),
    "torch, not contiguous": (
        "import torch\n"
        "def Flatten(inputs, weights, config):\n"
        "    rows = torch.tensor(inputs.copy()).reshape(len(inputs), -1)\n"
        "    return rows.repeat_interleave(2, 1)[:, ::2]\n"
    ),
    "tensorflow": (
        "import tensorflow as tf\n"
        "def Flatten(inputs, weights, config):\n"
        "    return tf.reshape(tf.constant(inputs), (len(inputs), -1))\n"
    ),
    "a variable of tensorflow": (
        "import tensorflow as tf\n"
        "def Flatten(inputs, weights, config):\n"
        "    return tf.Variable(tf.reshape(tf.constant(inputs), (len(inputs), -1)))\n"
    ),
}


@pytest.mark.parametrize("text", PLUGINS.values(), ids=list(PLUGINS))
def test_tensors_are_taken(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tensors.py"
    path.write_text(text, encoding="utf-8")
    cases = [Case.of("Flatten", (2, 3, 4)), Case.of("Flatten", (3, 5))]
    results = list(run(cases, [str(path)]))
    assert [(r.verdict, r.message) for r in results] == [(Verdict.CONFORMS, "")] * 2


def test_bfloat16_tensors_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "tensors.py"
    path.write_text(
        "import numpy as np, torch\n"
        "def Flatten(inputs, weights, config):\n"
        "    wide = torch.tensor(inputs.astype(np.float32))\n"
        "    return wide.bfloat16().reshape(len(inputs), -1)\n",
        encoding="utf-8",
    )
    (result,) = run([Case.of("Flatten", (2, 3, 4), dtype="bfloat16")], [str(path)])
    assert (result.verdict, result.message) == (Verdict.CONFORMS, "")
