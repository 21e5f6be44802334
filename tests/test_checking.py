"""A descriptor with a slip of the pen is refused with what was meant, and never judged."""

from __future__ import annotations

import pytest

from conformance.cases.case import DescriptorError
from conformance.cases.checking import check, parse_checked
from conformance.cases.grids import grid
from conformance.command_line import main

SLIPS = {
    "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3/stride:2": "did you mean 'strides'?",
    "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3/input:2x7x8x3": "did you mean 'inputs'?",
    "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3/padding:sam": "padding='sam': 'valid' or 'same'",
    "Conv2D/input:2x7x8x3/filters:4/kernel_size:3": "input: did you mean 'inputs'?",
    "Conv2d/inputs:2x7x8x3/filters:4/kernel_size:3": "did you mean 'Conv2D'?",
    "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3/padding:smae": "did you mean 'same'?",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/activation:rellu": "did you mean 'relu'?",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/bias_initializer:zeroes": "did you mean 'zeros'?",
    "MaxPooling1D/inputs:2x5x3/data_format:channel_last": "did you mean 'channels_last'?",
    "Conv2D/inputs:2x7/filters:4/kernel_size:3": "inputs of shape (2, 7): 4 axes are expected",
    "Conv1D/inputs:2x5x3/filters:2": "kernel_size: the argument has no default",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:()": "kernel_size=(): a positive integer",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/observe:[]": "there is no such observe",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/observe:gradient": "did you mean 'gradients'?",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/operands:integer": "did you mean 'integers'?",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/dtype:float23": "did you mean 'float32'?",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/seed:a": "an integer is expected",
    "Conv1D/inputs:2x5x3/filters:2/kernel_size:2/activation:zap": "an activation's name",
    "Flatten": "inputs is missing",
    "Flatten/inputs:0": "or (4,) for a single axis",
    "Flatten/inputs:1x1000000000": "at most 134217728 can be judged",
    "MaxPooling1D/inputs:1x5x1/pool_size:1000000000/padding:same": "at most 1048576 can be judged",
    "Conv1D/inputs:1x1x3/filters:100000000/kernel_size:1": "the kernel has 300000000 elements",
    "Conv1D/inputs:8x9x1/filters:10000000/kernel_size:2": "the output has 640000000 elements",
    "Input/shape:(3,)": "observe:output: Input computes nothing",
    "Input/shape:(3,)/observe:gradients": "observe:gradients: Input computes nothing",
}


@pytest.mark.parametrize("descriptor", SLIPS)
def test_a_slip_is_refused_with_what_is_meant(descriptor: str) -> None:
    with pytest.raises(DescriptorError) as refused:
        parse_checked(descriptor)
    assert SLIPS[descriptor] in str(refused.value)
    assert descriptor in str(refused.value)


def test_a_slip_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    slip = next(iter(SLIPS))
    assert main(["run", "--implementation", "reference", "--case", slip]) == 2
    assert "did you mean 'strides'?" in capsys.readouterr().err
    assert main(["shrink", "--implementation", "reference", slip]) == 2


def test_a_rejection_may_have_any_arguments() -> None:
    parse_checked("Conv2D/observe:rejection/inputs:2x7x8x3/filters:4/kernel_size:3/stride:2")


@pytest.mark.parametrize("level", ["standard", "full"])
def test_no_case_of_the_grid_is_refused(level: str) -> None:
    for case in grid(level):
        check(case)
