"""``conformance selftest``: what the suite notices and names of the faults that it knows."""

from __future__ import annotations

import argparse

from conformance.cases.grids import grid
from conformance.command_line.errors import UsageError
from conformance.diagnosis.faults import FAULTS, Fault
from conformance.diagnosis.selftest import CORRECT_VARIANTS, Bench, Score


def selftest(options: argparse.Namespace) -> int:
    """Plant the faults one by one and print the score; 0 where it is full, else 1.

    Raises:
        UsageError: for a fault that is not in the catalogue.
    """
    faults = _selected(options.fault)
    bench = Bench(grid(options.grid))
    scores = []
    for fault in faults:
        scores.append(bench.score(fault))
        print(_line(scores[-1]), flush=True)
    alarms = {name: len(bench.failures(compute)) for name, compute in CORRECT_VARIANTS.items()}
    for name, count in alarms.items():
        print(f"correct: {name}: {f'{count} FALSE ALARMS' if count else 'no false alarm'}")
    detected, named = sum(s.is_detected for s in scores), sum(s.is_named for s in scores)
    quiet = sum(not count for count in alarms.values())
    print(
        f"{detected} of {len(scores)} faults detected, {named} diagnosed; {quiet} of "
        f"{len(alarms)} correct implementations without a false alarm "
        f"({len(bench.cases)} cases of the {options.grid} grid)"
    )
    return 0 if detected == named == len(scores) and quiet == len(alarms) else 1


def _selected(identifiers: list[str] | None) -> list[Fault]:
    for identifier in identifiers or ():
        if identifier not in FAULTS:
            raise UsageError(f"--fault {identifier!r} is unknown: expected one of {_known()}")
    return [FAULTS[name] for name in identifiers or FAULTS]


def _known() -> str:
    return ", ".join(FAULTS)


def _line(score: Score) -> str:
    fault = score.fault
    if not score.is_detected:
        found = "NOT DETECTED"
    elif score.is_named or score.diagnosis is None:
        found = f"{score.failures} failures, diagnosed"
    else:
        found = f"{score.failures} failures, NOT DIAGNOSED:\n{score.diagnosis.message}"
    return f"{fault.identifier}: {fault.sentence}: {found}"
