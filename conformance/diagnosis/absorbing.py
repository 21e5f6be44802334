"""Failures that a fault explains by chance, while all that they have in common with more is told.

An answer of zeros, or of one element, is what many faults give.  Where most failures of a kind are
told by which terms their sums leave out, and those terms tell such a failure as well, it is one of
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conformance.diagnosis.attribution import left_out, left_out_of_outputs
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.wording import wrong_and_right_gradients


def absorbed(groups: Sequence[Group]) -> list[Group]:
    """The groups; what few failures are explained by is left to larger ones that tell them too."""
    made = list(groups)
    for larger in [group for group in groups if group.stage == "terms"]:
        for group in list(made):
            if not group.faults or 2 * len(group.failures) > len(larger.failures):
                continue
            if all(larger.what in words_of_terms(failure) for failure in group.failures):
                made.remove(group)
                whole = next(one for one in made if one.what == larger.what)
                every = (*whole.failures, *group.failures)
                made[made.index(whole)] = replace(whole, failures=every)
    return made


def words_of_terms(failure: Failure) -> Iterator[str]:
    """All that can be said of the terms which a failure leaves out."""
    if failure.case.observe == "output":
        yield from map(of_outputs, left_out_of_outputs(failure))
    elif failure.case.observe == "gradients":
        wrong, _ = wrong_and_right_gradients(failure)
        if len(wrong) == 1:
            yield from (of_gradient(wrong[0], words) for words in left_out(failure, wrong[0]))


def of_outputs(words: str) -> str:
    """What is said of the terms of outputs."""
    return f"in the sums of the outputs, {words}"


def of_gradient(name: str, words: str) -> str:
    """What is said of the terms of one gradient."""
    return f"in the sums of the gradient of the {name}, {words}"
