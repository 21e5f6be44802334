"""The first wrong layer as a program of its own, with what the candidate gave it and made of it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance.judge.running_error import Floats
from conformance.models.source import Step
from conformance.models.stand_in import DECLARED, Opaque, StandIn


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a wrong layer was judged by.

    Attributes:
        layer: its name.
        steps: it, and those that were judged with it, in order.
        inputs: what the candidate gave the first of them.
        got: what it made.
        expected: what it should have made.
        bound: how far that may be off.
        dtype: of the inputs.
    """

    layer: str
    steps: tuple[Step, ...]
    inputs: tuple[Floats, ...]
    got: Floats
    expected: Floats
    bound: Floats
    dtype: str

    @property
    def can_be_told(self) -> bool:
        """Whether each layer behind the first takes the one before it alone, and can be written."""
        pairs = zip(self.steps, self.steps[1:], strict=False)
        in_a_row = all(b.sources == (a.output,) for a, b in pairs)
        return in_a_row and not any(
            isinstance(step.layer, Opaque) or callable(step.operation.settings.get("activation"))
            for step in self.steps
        )


def files(evidence: Evidence, source: Path, candidate: str) -> dict[str, bytes]:
    """The program and its arrays by file name.

    Args:
        evidence: what is repeated.
        source: the source's file, for the program's title.
        candidate: the candidate, likewise.
    """
    name = re.sub(r"\W+", "_", evidence.layer, flags=re.ASCII)
    arrays: dict[str, Any] = {
        f"inputs_{n}": array.astype(evidence.dtype) for n, array in enumerate(evidence.inputs)
    }
    arrays |= {"got": evidence.got, "expected": evidence.expected, "bound": evidence.bound}
    for place, step in enumerate(evidence.steps):
        for number, weight in enumerate(step.layer.get_weights()):
            arrays[f"weight_{place}_{number}"] = weight
    stored = io.BytesIO()
    np.savez_compressed(stored, **arrays)
    return {
        f"{name}.npz": stored.getvalue(),
        f"{name}.py": _program(evidence, name, source, candidate).encode(),
    }


def _program(evidence: Evidence, name: str, source: Path, candidate: str) -> str:
    is_ours = not any(isinstance(step.layer, StandIn) for step in evidence.steps)
    title = f"{evidence.layer} of {source.name} alone, on what {Path(candidate).name} gives"
    lines = [
        f"# {_one_line(title)}",
        "import json",
        "from pathlib import Path",
        "",
        "import reference_impl as keras" if is_ours else "import keras",
        "import numpy as np",
        "",
        f'data = np.load(Path(__file__).with_name("{name}.npz"))',
        f"x = [data[f'inputs_{{n}}'] for n in range({len(evidence.inputs)})]",
        "x = x if len(x) > 1 else x[0]",
    ]
    for place, step in enumerate(evidence.steps):
        lines += _layer(step, place)
    return "\n".join([*lines, *_VERDICT, ""])


_VERDICT = (
    "made = np.asarray(x)",
    'far = np.abs(made - data["got"]) > data["bound"]',
    'print(f"{far.sum()} of {far.size} elements of the candidate are wrong")',
    'print("first at", np.argwhere(far)[:5].tolist())',
)


def _layer(step: Step, place: int) -> Sequence[str]:
    config = {k: v for k, v in step.layer.get_config().items() if k != DECLARED}
    kind = getattr(step.layer, "class_name", "") or type(step.layer).__name__
    count = len(step.layer.get_weights())
    made = [
        f"config = json.loads({json.dumps(config)!r})",
        f"layer = keras.layers.{kind}.from_config(config)",
        "layer(x)",
    ]
    if count:
        made.append(f"layer.set_weights([data[f'weight_{place}_{{n}}'] for n in range({count})])")
    return [*made, "x = layer(x)"]


def _one_line(text: str) -> str:
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()
