"""What Keras has and this oracle has not: one sentence instead of a bare error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn


def refuser(module: str, offered: Sequence[str]) -> Callable[[str], NoReturn]:
    """The ``__getattr__`` of a module: it says what is not here, and what is.

    ``from module import name`` ends in an ImportError with that sentence; any other access in an
    AttributeError, so that ``hasattr`` is False.

    Args:
        module: the module's name in Keras (``keras.layers``).
        offered: the names that it has here.
    """
    names = ", ".join(name for name in offered if not name.startswith("_"))

    def refuse(name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        sentence = (
            f"{module}.{name} is outside this oracle, which has {names} there; use Keras for it"
        )
        raise (ImportError if _is_import(sys._getframe(1)) else AttributeError)(sentence)

    return refuse


def _is_import(frame: object) -> bool:
    """Whether the frame that looks a name up is at a ``from ... import`` statement."""
    from opcode import opname

    code, position = getattr(frame, "f_code", None), getattr(frame, "f_lasti", -1)
    if code is None:
        return False
    if code.co_name == "_handle_fromlist":
        return True
    return position >= 0 and opname[code.co_code[position]] == "IMPORT_FROM"
