"""A plug-in that kills a process above its own: ``KILLER=SHAPE:GENERATIONS[:FILE]``.

It does so at inputs of that shape, and where a file is named once only, when it is not there.
Each call takes ``KILLER_PAUSE`` seconds longer.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

version = "1.0"


def ancestor(generations: int) -> int:
    """The process so many generations above this one."""
    process = os.getpid()
    for _ in range(generations):
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        process = int(stat.rpartition(")")[2].split()[1])
    return process


def kill(generations: str, mark: str = "") -> None:
    if not mark or not Path(mark).exists():
        if mark:
            Path(mark).touch()
        os.kill(ancestor(int(generations)), signal.SIGKILL)


def flatten(inputs: Any, weights: Any, config: Any) -> Any:
    shape, *what = os.environ.get("KILLER", "").split(":")
    if os.environ.get("KILLER_LOG"):
        with Path(os.environ["KILLER_LOG"]).open("a", encoding="utf-8") as log:
            log.write(f"{os.getpid()} {os.getppid()} {ancestor(2)}\n")
        time.sleep(0.03)
    time.sleep(float(os.environ.get("KILLER_PAUSE", "0")))
    if what and "x".join(map(str, inputs.shape)) == shape:
        kill(*what)
    if config["data_format"] == "channels_first" and inputs.ndim > 2:
        inputs = np.moveaxis(inputs, 1, -1)
    return inputs.reshape(inputs.shape[0], int(np.prod(inputs.shape[1:])))


Flatten = flatten
