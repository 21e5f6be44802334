"""A process that judges: it derives expectations, and holds the isolated processes of its pair.

Started as ``python -m conformance.running.judging_process`` by `pool`.  Its requests are messages
of `wire`: first the setting, then batches of cases; it answers

* ``("ready", subjects)`` once the implementations are loaded, or ``("failed", message)``;
* ``("results", results)`` for each case, one result for each implementation, in order;
* ``("error", message)`` where this project itself failed.
"""

from __future__ import annotations

import dataclasses
import os
import traceback
from collections.abc import Sequence
from typing import Any

from conformance import known as deviations
from conformance.cases.case import Case, of_own_descriptor
from conformance.implementations import wire
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.results import Evidence, Result
from conformance.running.attendant import SuiteError
from conformance.running.case_judge import CaseJudge
from conformance.running.child import end_all
from conformance.running.judging import Subject
from conformance.running.limits import Limits
from conformance.running.serving import Connection
from reference_impl.config import as_never_set


def setting(
    specs: Sequence[str], limits: Limits, known: Sequence[str], keep: bool, own: Sequence[str]
) -> bytes:
    """The first request; `own` names the variables of its environment that are for it alone."""
    return wire.encode([list(specs), dataclasses.asdict(limits), list(known), keep, list(own)])


def batch(cases: Sequence[Case]) -> bytes:
    """A request to judge some cases."""
    return wire.encode([case.descriptor for case in cases])


def main() -> None:
    """Serve the parent until it closes the requests."""
    connection = Connection(wire.read_message, end_all)
    specs, limits, known, keep, own = connection.next()
    for name in own:  # NumPy's library has read them; isolated processes are not to inherit them
        os.environ.pop(name, None)
    with as_never_set():
        try:
            records = deviations.load(known)
            judge = CaseJudge(specs, Limits(**limits), records, keep=keep)
            _serve(connection, judge)
        except ImplementationError as error:
            connection.answer("failed", str(error))
        except SuiteError as error:
            connection.answer("error", str(error))
        except Exception:
            connection.answer("error", traceback.format_exc())
        connection.next()


def _serve(connection: Connection, judge: CaseJudge) -> None:
    judge.start()
    coming: list[Case] = []
    introduced = False
    while True:
        while (request := connection.next(wait=not coming)) is not None:
            cases = [of_own_descriptor(descriptor) for descriptor in request]
            judge.foresee(cases)
            coming += cases
        if not introduced:
            connection.answer("ready", [_subject_fields(one) for one in judge.subjects])
            introduced = True
        connection.answer("results", [_packed(result) for result in judge.judge(coming.pop(0))])


def _subject_fields(subject: Subject) -> dict[str, Any]:
    return {field.name: getattr(subject, field.name) for field in dataclasses.fields(Subject)}


def subject_of(fields: dict[str, Any]) -> Subject:
    """A subject from its answer."""
    return Subject(**fields)


def _packed(result: Result) -> list[Any]:
    evidence = result.evidence
    return [
        list(result.clauses),
        result.implementation,
        str(result.verdict),
        result.ratio,
        result.message,
        result.reproduce,
        result.diagnosis,
        result.stage,
        result.seconds,
        list(result.concerned),
        None if evidence is None else [evidence.spec, evidence.outcome],
        result.rejection,
    ]


def unpacked(fields: list[Any], case: Case) -> Result:
    """A result from its answer, with the case that it is of."""
    clauses, implementation, verdict, ratio, message, reproduce, *rest = fields
    diagnosis, stage, seconds, concerned, evidence, rejection = rest
    return Result(
        case=case,
        clauses=tuple(clauses),
        implementation=implementation,
        verdict=Verdict(verdict),
        ratio=ratio,
        message=message,
        reproduce=reproduce,
        diagnosis=diagnosis,
        stage=stage,
        seconds=seconds,
        concerned=tuple(concerned),
        evidence=None if evidence is None else Evidence(evidence[0], case, evidence[1], stage),
        rejection=rejection,
    )


if __name__ == "__main__":
    main()
