"""``conformance shrink``: the smallest case that fails for the same reason, as a program."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from dataclasses import replace
from functools import partial
from typing import Final

from conformance.cases.case import Case, DescriptorError
from conformance.cases.checking import parse_checked
from conformance.cases.histories import history_of
from conformance.command_line.errors import UsageError
from conformance.diagnosis.order_words import command_of
from conformance.diagnosis.questions.asking import asked
from conformance.diagnosis.shrink import Shrinker, Shrunk
from conformance.diagnosis.shrink_sequence import SequenceShrinker
from conformance.diagnosis.snippet import snippet, snippet_of_sequence
from conformance.implementations.protocol import ImplementationError
from conformance.report.text import say
from conformance.running.limits import Limits
from conformance.running.order import in_fresh_process
from conformance.running.session import Session

_AROUND: Final = {
    "threads": "calls of two threads at the same time; the command repeats them",
    "weights": "the weights of one layer, replaced between its calls",
    "inputs": "the inputs of one layer, replaced between its calls",
    "sizes": "one layer, called on inputs of several sizes",
}
"""What a case of a history is about, where no program shows it."""


def shrink(options: argparse.Namespace) -> int:
    """Shrink the case and print what it comes to; 0 where it does not fail, else 1.

    Raises:
        UsageError: for a descriptor or an implementation that does not exist.
    """
    if len(options.descriptors) > 1:
        return _shrink_sequence(options)
    try:
        case = parse_checked(options.descriptors[0])
        with Session(Limits(timeout=options.timeout)) as session:
            ask = partial(session.judge, options.implementation)
            shrunk = Shrinker(ask, options.seconds).shrink(case)
            if shrunk is not None:
                shrunk = replace(shrunk, diagnosis=asked(shrunk.diagnosis, (), ask))
    except (DescriptorError, ImplementationError) as error:
        raise UsageError(str(error)) from error
    if shrunk is None:
        say(
            f"{options.implementation} does not fail in {case}: there is nothing to shrink (a case "
            "that fails after others alone is shrunk with them: give them before it)"
        )
        return 0
    say(_report(case, shrunk, options.implementation))
    return 1


def _shrink_sequence(options: argparse.Namespace) -> int:
    try:
        cases = [parse_checked(descriptor) for descriptor in options.descriptors]
        fails = in_fresh_process(options.implementation, Limits(timeout=options.timeout), ())
        shrinker = SequenceShrinker(fails, options.seconds)
        shrunk = shrinker.shrink(cases)
    except (DescriptorError, ImplementationError) as error:
        raise UsageError(str(error)) from error
    if shrunk is None:
        say(
            f"The last of these cases does not fail after the others in {options.implementation}, "
            "or fails alone as well: there is no sequence to shrink"
        )
        return 0
    tried = f"({shrinker.tried} sequences tried)"
    lines = [
        f"{len(shrunk)} cases, of which the last fails, and conforms when it is run alone {tried}",
        "",
        command_of(shrunk, options.implementation),
        "",
    ]
    program = snippet_of_sequence(shrunk, options.implementation)
    if program is None:
        lines.append("No program: a case is about more than one layer's output or gradients.")
    else:
        lines += ["As a program of its own:", "", textwrap.indent(program, "    ")]
    say("\n".join(lines))
    return 1


def _report(case: Case, shrunk: Shrunk, implementation: str) -> str:
    evidence = shrunk.result.evidence
    program = snippet(shrunk.case, implementation, evidence.stage if evidence else "")
    command = ["conformance", "run", "--implementation", implementation, "--case"]
    lines = [
        f"from  {case.descriptor}",
        f"to    {shrunk.case.descriptor}  ({shrunk.judged} cases judged)",
        shrunk.result.message,
        f"diagnosis: {shrunk.diagnosis.message}",
    ]
    lines += ["", shlex.join([*command, shrunk.case.descriptor]), ""]
    if program is None:
        about = "more than one layer's output or gradients"
        about = _AROUND.get(history_of(shrunk.case), about)
        return "\n".join([*lines, f"No program: the case is about {about}."])
    return "\n".join([*lines, "As a program of its own:", "", textwrap.indent(program, "    ")])
