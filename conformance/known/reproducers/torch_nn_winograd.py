"""Without oneDNN, a 3x3 convolution of integers is exact in a batch of 15 and inexact in one of 16.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch

torch.manual_seed(0)
inputs = torch.randint(-4, 5, (16, 1, 6, 7)).float()
kernel = torch.randint(-3, 4, (2, 1, 3, 3)).float()
exact = torch.nn.functional.conv2d(inputs.double(), kernel.double(), padding=1)
with torch.backends.mkldnn.flags(enabled=False):
    wrong = torch.nn.functional.conv2d(inputs, kernel, padding=1).double() != exact
    fewer = torch.nn.functional.conv2d(inputs[:15], kernel, padding=1).double() != exact[:15]
print(
    f"{int(wrong.sum())} of {wrong.numel()} wrong in a batch of 16, {int(fewer.sum())} in one of 15"
)
sys.exit(int(not wrong.any()))
