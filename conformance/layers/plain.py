"""What a documented layer is asked, where nothing is special about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from conformance.cases.case import Case
from conformance.layers.layer import Layer

if TYPE_CHECKING:
    from conformance.judge.definition import Operands
    from conformance.judge.expectation import Expectation
    from conformance.judge.verdict import Judgement
    from conformance.layers.layer import Array, GradientJudge


class Plain(Layer):
    """A layer that must be refused what any must, and of which equality is asked."""

    def objections(self, case: Case) -> Iterator[str]:
        """Why the case must be rejected, as ``argument=value: what is allowed``."""
        from conformance.judge.definition.arguments import objections_to_values

        yield from objections_to_values(self, case.keywords)
        for name in self.required:
            if name not in case.keywords:
                yield f"{name}: the argument has no default"
        yield from self.objections_together(case)
        if case.inputs is not None:
            yield from self.objections_to_input(case)

    def judge_output(
        self, case: Case, operands: Operands, expectation: Expectation, actual: Array
    ) -> Judgement:
        """Judge an output of the right shape and dtype that is not equal to the expected one."""
        from conformance.judge.elements import judge_equality

        del case, operands
        return judge_equality(actual, expectation.value)

    def gradient_judge(self, case: Case, operands: Operands) -> GradientJudge:
        """What judges a gradient that is not equal to the expected one: name, actual, expected."""
        del case, operands
        return equality_of_gradients


def equality_of_gradients(name: str, actual: Any, expected: Any) -> Judgement:
    """Judge a gradient that must be equal to the expected one."""
    from conformance.judge.elements import judge_equality

    del name
    return judge_equality(actual, expected)
