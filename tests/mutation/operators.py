"""Small changes to a Python source, one at a time: what a slip of the pen could have made of it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

Edit = tuple[str, Callable[[], None]]
"""A name, and a function that changes a node of a tree in place."""

_OPERATIONS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_NAMES: Final = {
    "min": "max",
    "minimum": "maximum",
    "floor": "ceil",
    "any": "all",
    "logical_or": "logical_and",
    "zeros": "ones",
    "inf": "nan",
}
_OTHER_NAME: Final = _NAMES | {there: here for here, there in _NAMES.items()}


@dataclass(frozen=True)
class Mutant:
    """A changed source.

    Attributes:
        operator: the kind of change.
        line: where, in the original, for people to find it.
        text: that line, which tells the mutant's place wherever the line goes.
        function: the innermost function that holds the change; empty outside functions.
        change: the changed expression or statement, before and after.
        source: the whole module.
    """

    operator: str
    line: int
    text: str
    function: str
    change: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines; none equals the original."""
    original = ast.unparse(ast.parse(source))
    lines = ["", *(line.strip() for line in source.splitlines())]
    for place, (node, function) in enumerate(_places(ast.parse(source))):
        before = ast.unparse(node)
        for turn in range(len(list(_edits(node)))):
            tree = ast.parse(source)
            changed = list(_places(tree))[place][0]
            operator, edit = list(_edits(changed))[turn]
            edit()
            text = ast.unparse(ast.fix_missing_locations(tree))
            if text != original:
                change = f"{_short(before)} -> {_short(ast.unparse(changed))}"
                line = getattr(node, "lineno", 0)
                yield Mutant(operator, line, lines[line], function, change, text)


def _short(text: str, length: int = 76) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def _places(node: ast.AST, function: str = "") -> Iterator[tuple[ast.AST, str]]:
    """The nodes that compute something, each with the function it stands in.

    Annotations, decorators, docstrings, messages and imports compute nothing; ``strict=True``
    guards against a slip that is no part of the mutation.
    """
    if isinstance(node, ast.FunctionDef):
        function = node.name
    yield node, function
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "exc"):
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST) and not _is_inert(child):
                yield from _places(child, function)


def _is_inert(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True
    return isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.expr_context)


def _edits(node: Any) -> Iterator[Edit]:
    for operator in (_constants, _operations, _names, _slices, _conditions, _statements, _swaps):
        yield from operator(node)


def _set(node: Any, field: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(node, field, value)


def _constants(node: Any) -> Iterator[Edit]:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float):
        return
    if isinstance(node.value, bool):
        yield "constant", _set(node, "value", not node.value)
        return
    for step in (1, -1):
        yield "constant", _set(node, "value", node.value + step)


def _operations(node: Any) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp | ast.AugAssign):
        other = _OPERATIONS.get(type(node.op))
        if other:
            yield "operation", _set(node, "op", other())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
        up = ast.BinOp(ast.BinOp(node.left, ast.Add(), node.right), ast.Sub(), ast.Constant(1))
        yield "rounding", _set(node, "left", up)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert):
        yield "sign", _set(node, "op", ast.UAdd())
    if isinstance(node, ast.Compare):
        for position, operation in enumerate(node.ops):
            ops = [*node.ops]
            ops[position] = _COMPARISONS[type(operation)]()
            yield "comparison", _set(node, "ops", ops)


def _names(node: Any) -> Iterator[Edit]:
    if isinstance(node, ast.Name) and node.id in _OTHER_NAME:
        yield "name", _set(node, "id", _OTHER_NAME[node.id])
    if isinstance(node, ast.Attribute) and node.attr in _OTHER_NAME:
        yield "name", _set(node, "attr", _OTHER_NAME[node.attr])


def _slices(node: Any) -> Iterator[Edit]:
    if not isinstance(node, ast.Slice):
        return
    for field in ("lower", "upper", "step"):
        bound = getattr(node, field)
        if bound is not None:
            yield "slice", _set(node, field, None)
        if bound is not None and not isinstance(bound, ast.Constant):
            yield "slice", _set(node, field, ast.BinOp(bound, ast.Add(), ast.Constant(1)))


def _conditions(node: Any) -> Iterator[Edit]:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield "condition", _set(node, "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension):
        for position in range(len(node.ifs)):
            rest = [*node.ifs[:position], *node.ifs[position + 1 :]]
            yield "condition", _set(node, "ifs", rest)
    if isinstance(node, ast.BoolOp):
        yield "condition", _set(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        yield from (("condition", _set(node, "values", [one])) for one in node.values)


def _statements(node: Any) -> Iterator[Edit]:
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        for position, statement in enumerate(block):
            if _is_removable(statement, node):
                rest = [*block[:position], ast.Pass(), *block[position + 1 :]]
                yield "removal", _set(node, field, rest)


def _is_removable(statement: ast.stmt, parent: ast.AST) -> bool:
    """Whether the rest still runs: no name is left without value."""
    if isinstance(statement, ast.AugAssign | ast.Raise):
        return True
    if isinstance(statement, ast.Return | ast.Assign | ast.Continue):
        return isinstance(parent, ast.If | ast.For) or _sets_a_part(statement)
    return isinstance(statement, ast.Expr) and not _is_inert(statement)


def _sets_a_part(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and not isinstance(statement.targets[0], ast.Name)


def _swaps(node: Any) -> Iterator[Edit]:
    if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
        return
    if isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
        return
    for position in range(len(node.args) - 1):
        args = [*node.args]
        args[position], args[position + 1] = args[position + 1], args[position]
        yield "swap", _set(node, "args", args)
