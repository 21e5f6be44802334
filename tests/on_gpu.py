"""torch.nn on a CUDA device, in the modes in which people run it: `python tests/on_gpu.py FOLDER`.

About five minutes on one device.  Each mode is judged on the grid ``smoke``, forward and backward,
float16 and bfloat16 included; FOLDER gets the reports (``MODE.jsonl``) and what is stored of them
(``stored/``).  Without a device every case is unsupported, and the status is 3.
"""

from __future__ import annotations

import sys
from pathlib import Path

from conformance.command_line import main

MODES = {
    "plain": "",
    "tf32": "tf32=on",
    "no-tf32": "tf32=off",
    "no-cudnn": "tf32=off,cudnn=off",
    "benchmark": "tf32=off,cudnn=benchmark",
    "deterministic": "tf32=off,cudnn=deterministic",
    "channels-last": "channels_last,tf32=off",
    "channels-last-deterministic": "channels_last,tf32=off,cudnn=deterministic",
}
"""What is set besides ``device=cuda``."""


def name_of(options: str) -> str:
    """The implementation with the options of a mode."""
    return f"torch.nn[{','.join(filter(None, ('device=cuda', options)))}]"


def judged(folder: Path, mode: str, grid: str) -> int:
    """Judge one mode, and store it; the exit status of the run."""
    report = folder / f"{mode}.jsonl"
    chosen = ["--implementation", name_of(MODES[mode]), "--grid", grid]
    status = main(["run", *chosen, "-n", "2", "--timeout", "30", "--jsonl", str(report)])
    if status in (0, 1):
        main(["field", "record", str(report), "--directory", str(folder / "stored")])
    return status


def run(folder: Path, grid: str = "smoke") -> int:
    """Judge every mode; the worst status."""
    folder.mkdir(parents=True, exist_ok=True)
    return max(judged(folder, mode, grid) for mode in MODES)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), *sys.argv[2:3]))
