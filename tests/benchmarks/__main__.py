"""The benchmarks of the oracle: times within one run, for a person to read.

    PYTHONPATH=. python tests/benchmarks [NAME [ARGUMENT ...]]

NAME is a module of this directory: ``convolutions``, ``elementwise`` (activations and their
gradients), ``growth`` (of judging, with cases and elements) or ``tricks`` (what each thing done for
speed alone is worth).  Without a name, all run.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NAMES: Final = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "__main__")


def main() -> None:
    """Run one benchmark with its arguments, or all of them without any."""
    sys.path.insert(0, str(HERE))
    name, *arguments = sys.argv[1:] or [""]
    if name and name not in NAMES:
        raise SystemExit(f"there is no benchmark {name!r}: expected one of {', '.join(NAMES)}")
    for chosen in [name] if name else NAMES:
        print(f"{chosen}:", flush=True)
        importlib.import_module(chosen).main(arguments)


if __name__ == "__main__":
    main()
