"""Runs for the tests of reports: records as JSON lines hold them, hostile texts among them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HOSTILE = (
    "<script>document.title='broken'</script><img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x00 \x7f \x9b31m",
    "a lone surrogate \udc80, \ufffe, \uffff, \u202e reversed \u2028 separated",
    "::error::injected\n::add-mask::x\n##[error]injected",
    "`code` | @somebody #1 ]]> --> </script> {{data}} \\",
    "long " * 200_000,
    '"\'"\'"' * 100,
    "é\u0301" * 300,
)
"""What names and messages of implementations may hold."""

CASES = (
    "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2/padding:same",
    "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2/strides:2x1",
    "MaxPooling1D/inputs:2x9x3/pool_size:3/padding:same",
    "Flatten/inputs:2x3x4",
)
CLAUSES = {
    "Conv2D": ["conv2d.padding.same", "conv2d.filters.output-channels"],
    "MaxPooling1D": ["maxpooling1d.output.maximum"],
    "Flatten": ["flatten.output.order"],
}
WRONG = (
    "3 of 448 elements are wrong; the worst, [1, 2, 3, 1], is 4.5 but should be 1.25, an error of "
    "12.5 times the bound 0.001."
)


def header(**implementations: str) -> dict[str, Any]:
    return {
        "kind": "header",
        "suite_version": "0.1.0",
        "spec_sha256": "0" * 64,
        "platform": "Linux",
        "python": "3.13.1",
        "implementations": implementations,
        "grid": "smoke",
        "started": "2026-01-02T03:04:05+00:00",
    }


def record(case: str = CASES[0], verdict: str = "conforms", **fields: Any) -> dict[str, Any]:
    name = fields.get("implementation", "mine")
    ratio = 0.25 if verdict == "conforms" else None
    return {
        "kind": "result",
        "case": case,
        "clauses": CLAUSES.get(case.partition("/")[0], []),
        "implementation": name,
        "verdict": verdict,
        "ratio": ratio,
        "message": "",
        "reproduce": f"conformance run --implementation {name} --case {case}",
        "diagnosis": None,
    } | fields


def wrong(case: str = CASES[0], **fields: Any) -> dict[str, Any]:
    given = {"message": WRONG, "ratio": 12.5, "diagnosis": "the extra SAME padding goes first"}
    return record(case, "deviates", **(given | fields))


def write(path: Path, first: dict[str, Any], records: Iterable[Any], *, whole: bool = True) -> Path:
    records = list(records)
    verdicts: dict[str, int] = {}
    for one in records:
        verdicts[one["verdict"]] = verdicts.get(one["verdict"], 0) + 1
    footer = {"kind": "footer", "results": len(records), "verdicts": verdicts}
    lines = [first, *records, *([footer] if whole else [])]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path
