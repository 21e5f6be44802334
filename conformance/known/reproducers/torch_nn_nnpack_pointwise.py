"""Without oneDNN, pointwise sums of integers are exact in a batch of 15, inexact in one of 16.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch

torch.manual_seed(0)
inputs = torch.randint(-3, 4, (16, 4, 9)).float()
kernel = torch.randint(-3, 4, (2, 4, 1)).float()
exact = torch.nn.functional.conv1d(inputs.double(), kernel.double())
with torch.backends.mkldnn.flags(enabled=False):
    wrong = torch.nn.functional.conv1d(inputs, kernel).double() != exact
    fewer = torch.nn.functional.conv1d(inputs[:15], kernel).double() != exact[:15]
print(
    f"{int(wrong.sum())} of {wrong.numel()} wrong in a batch of 16, {int(fewer.sum())} in one of 15"
)
sys.exit(int(not wrong.any()))
