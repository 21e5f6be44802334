"""``conformance explain``: a case, a layer on an input shape, a clause, or a module of torch."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any, Final

from conformance.cases.case import Case, DescriptorError, parse, parse_value
from conformance.command_line.errors import UsageError
from conformance.explain import documented
from conformance.explain.code import NOTATIONS, Unsayable
from conformance.explain.explanation import Explanation, explain_case
from conformance.explain.text import as_text, labelled
from conformance.report.files import write_atomically

_PREFIX: Final = "layer_"
_FAMILIES: Final = {"torch": ("torch.nn", "torch.nn.functional"), "all": NOTATIONS}
"""Names of several notations."""


def explain(options: argparse.Namespace) -> int:
    """Print what is asked for.

    Raises:
        UsageError: for a subject that does not exist, or arguments that a layer refuses.
    """
    if (options.subject is None) == (options.from_torch is None):
        raise UsageError(
            "explain takes a case, a layer or a clause, or --from-torch, one of them: conformance "
            "explain Conv2D --input 1,7,9,3 --filters 4 --kernel-size 3 --padding same"
        )
    if options.from_torch is not None:
        return _from_torch(options)
    layer, is_descriptor, _ = options.subject.partition("/")
    if layer in documented.layers():
        case = _given(options) if is_descriptor else _written(options)
        return _layer(case, options)
    return _clauses(options)


def _from_torch(options: argparse.Namespace) -> int:
    from conformance.explain.torch_call import answer
    from conformance.explain.torch_module import TorchCallError

    _refuse(options, "svg", "code")
    try:
        answered = answer(options.from_torch, _shape(options))
    except TorchCallError as error:
        raise UsageError(f"--from-torch: {error}") from error
    _print(answered, options)
    return 0


def _clauses(options: argparse.Namespace) -> int:
    from conformance.explain.clause import explain_clauses

    try:
        found = explain_clauses(options.subject.removesuffix("*").removesuffix("."))
    except KeyError as error:
        raise UsageError(
            f"explain {options.subject!r}: {error.args[0]}; a case begins with one of "
            f"{', '.join(documented.layers())}"
        ) from error
    _refuse(options, "input", "svg", "code")
    if options.json:
        entries = [clause.as_dict() for clause in found]
        print(
            json.dumps(entries[0] if len(entries) == 1 else entries, ensure_ascii=False, indent=1)
        )
    else:
        print("\n\n\n".join(map(str, found)))
    return 0


def _layer(case: Case, options: argparse.Namespace) -> int:
    """Explain a case; one that looks at something else than an output, by what it tests."""
    try:
        explanation = explain_case(case)
    except (TypeError, ValueError) as error:
        if case.observe not in ("output", "shape"):
            return _tested(case, options)
        raise UsageError(f"explain {options.subject!r}: {error}") from error
    if options.svg is not None:
        drawn = explanation.svg()
        if not drawn:
            raise UsageError(f"--svg: {case.descriptor} has no window of known length to draw")
        try:
            write_atomically(options.svg, drawn.encode("utf-8"))
        except OSError as error:
            raise UsageError(f"--svg {options.svg}: {error.strerror}") from error
    if options.code is not None:
        _print_code(explanation, options.code)
    elif options.json:
        _print(explanation, options)
    else:
        _print_text(explanation, options)
    return 0


def _print_text(explanation: Explanation, options: argparse.Namespace) -> None:
    encoding = (sys.stdout.encoding or "ascii").lower()
    ascii_only = options.ascii or not encoding.startswith("utf")
    print(as_text(explanation, ascii_only=ascii_only))


def _tested(case: Case, options: argparse.Namespace) -> int:
    """Print what the oracle makes of a case, the clauses that it tests, and who deviates."""
    from conformance.explain.deviations import as_lines, deviations_of
    from conformance.explain.example import worked
    from conformance.spec.clauses import clauses
    from conformance.spec.coverage import clauses_of

    _refuse(options, "svg", "code")
    tested = [clauses()[identifier] for identifier in clauses_of(case)]
    if not tested:
        raise UsageError(f"explain {options.subject!r}: no clause is tested by it")
    outcome, deviations = worked(case), as_lines(deviations_of(case))
    if options.json:
        known = {"case": case.descriptor, "outcome": outcome, "clauses": [c.id for c in tested]}
        print(json.dumps(known | {"known_deviations": deviations}, ensure_ascii=False, indent=1))
        return 0
    print(f"{case.descriptor}\n\n{outcome}\n")
    print("\n".join(labelled("tests", f"{c.id}: {c.reading or c.paraphrase}") for c in tested))
    print("\n".join(["", *(labelled("deviates", line) for line in deviations)]).rstrip())
    return 0


def _print_code(explanation: Explanation, asked: str) -> None:
    """The programs of the notations asked for, each with the reason where there is none.

    Raises:
        UsageError: for an unknown notation, or the only one asked for has nothing for the case.
    """
    names = _FAMILIES.get(asked, (asked,))
    if not set(names) <= set(NOTATIONS):
        expected = ", ".join([*NOTATIONS, *_FAMILIES])
        raise UsageError(f"--code {asked!r} is unknown: expected one of {expected}")
    programs = []
    for name in names:
        try:
            programs.append((name, explanation.code(name)))
        except Unsayable as error:
            if len(names) == 1:
                raise UsageError(f"--code {name}: {error}") from error
            programs.append((name, f"# {error}\n"))
    if len(programs) == 1:
        print(programs[0][1], end="")
    else:
        print("\n".join(f"# {name}\n\n{program}" for name, program in programs), end="")


def _print(explained: Any, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(explained.as_dict(), ensure_ascii=False, indent=1))
    else:
        print(explained)


def _given(options: argparse.Namespace) -> Case:
    """The case of a descriptor.

    Raises:
        UsageError: if it does not parse, or arguments are given besides.
    """
    _refuse(options, "input")
    if _arguments(options):
        raise UsageError("a descriptor holds its arguments; give a layer's name to write them so")
    try:
        return parse(options.subject)
    except DescriptorError as error:
        raise UsageError(str(error)) from error


def _written(options: argparse.Namespace) -> Case:
    """The case of a layer's name and arguments.

    Raises:
        UsageError: for an argument that the layer does not have, or that is missing.
    """
    layer, arguments = options.subject, _arguments(options)
    allowed = {*documented.signature(layer), *documented.BESIDES, "dtype"}
    for name in arguments:
        if name not in allowed:
            expected = ", ".join(f"--{n.replace('_', '-')}" for n in sorted(allowed))
            raise UsageError(f"{layer} has no argument {name!r}; expected {expected}")
    for name in documented.required(layer):
        if name not in arguments:
            raise UsageError(f"{layer} needs --{name.replace('_', '-')}")
    declares = {"shape", "batch_shape"} & set(documented.signature(layer))
    if declares and options.input is None:
        return Case.of(layer, None, **arguments)
    return Case.of(layer, _shape(options), **arguments)


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    """The layer's arguments that are given, as values."""
    given = {
        name.removeprefix(_PREFIX): text
        for name, text in vars(options).items()
        if name.startswith(_PREFIX) and text is not None
    }
    return {name: _value(name, text) for name, text in given.items()}


def _value(name: str, text: str) -> Any:
    """A value as people write it: ``3``, ``3,2``, ``3x2``, ``same``, ``True``."""
    if re.fullmatch(r"(\d+|None)(,(\d+|None))*,?", text) and "," in text:
        return tuple(None if part == "None" else int(part) for part in text.split(",") if part)
    try:
        return parse_value(text)
    except DescriptorError as error:
        raise UsageError(f"--{name.replace('_', '-')} {text!r} is no value: {error}") from error


def _shape(options: argparse.Namespace) -> tuple[int | None, ...]:
    """The input's shape.

    Raises:
        UsageError: if it is not given or no shape.
    """
    if options.input is None:
        raise UsageError("the input's shape is not given; expected --input with the batch: 1,7,9,3")
    parts = re.split(r"[,x]", options.input.strip("()[] ").removesuffix(","))
    try:
        return tuple(_length(part.strip()) for part in parts)
    except ValueError as error:
        raise UsageError(
            f"--input {options.input!r} is no shape; expected lengths such as 1,7,9,3, with None "
            "for a free one"
        ) from error


def _length(text: str) -> int | None:
    if text == "None":
        return None
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _refuse(options: argparse.Namespace, *names: str) -> None:
    """Refuse options that have no meaning for what is explained.

    Raises:
        UsageError: naming the first.
    """
    for name in names:
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is for a layer, not for what is explained here")
