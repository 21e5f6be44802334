"""Functions of TensorFlow in models of Keras 2, as layers and operators of Keras 3.

Keras 2 writes ``x + y`` between layers as a ``TFOpLambda`` of ``__operators__.add``, whose second
operand stands among the keyword arguments of the call.
"""

from __future__ import annotations

from typing import Any, Final

from conformance.models.operators import ACTIVATIONS
from reference_impl.engine.operations import OPERATIONS

_OPERATORS: Final = {
    "add": "Add",
    "sub": "Subtract",
    "subtract": "Subtract",
    "mul": "Multiply",
    "multiply": "Multiply",
    "truediv": "TrueDivide",
    "divide": "TrueDivide",
}
_CONSTANT: Final = "_CONSTANT_VALUE"


def rewrite(entry: dict[str, Any]) -> None:
    """Change an entry in place if it is such a function of one or two operands."""
    config, calls = entry.get("config"), entry.get("inbound_nodes")
    if entry.get("class_name") != "TFOpLambda" or not isinstance(config, dict):
        return
    name = str(config.get("function")).rpartition(".")[2]
    operands = _operands(calls[0]) if isinstance(calls, list) and len(calls) == 1 else []
    if None in operands:
        return
    activations = {kind.lower(): given for kind, given in ACTIVATIONS.items()}
    if name in _OPERATORS and len(operands) == 2:
        entry |= {"class_name": _OPERATORS[name], "module": OPERATIONS.module}
        entry["registered_name"] = _OPERATORS[name]
        entry["config"] = {"name": config.get("name")}
    elif name in activations and len(operands) == 1:
        entry["class_name"] = "Activation"
        entry["config"] = {"name": config.get("name"), "activation": activations[name]}
    else:
        return
    entry["inbound_nodes"] = [{"args": operands, "kwargs": {}}]


def _operands(call: Any) -> list[Any]:
    """The operands of a call in Keras 3's form; None for one that is neither tensor nor number."""
    place = call[0] if isinstance(call, list) and len(call) == 1 else call
    if not isinstance(place, list) or len(place) != 4 or not isinstance(place[3], dict):
        return [None]
    keywords = {key: value for key, value in place[3].items() if key != "name"}
    if not keywords.keys() <= {"y"}:
        return [None]
    return [_operand(item) for item in (place[:3], *keywords.values())]


def _operand(given: Any) -> Any:
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return given
    if not isinstance(given, list) or len(given) < 3 or not isinstance(given[0], str):
        return None
    if given[0] == _CONSTANT:
        return _operand(given[2])
    return {"class_name": "__keras_tensor__", "config": {"keras_history": given[:3]}}
