"""The kernel's gradient in float16 is rounded after each sample, the input's after each tap.

On processors without float16 instructions.  Exit status 0 while the defect is there, 1 once it is
gone.
"""

import sys

import torch

inputs = torch.tensor([2048.0, 1.0, 1.0]).half().reshape(3, 1, 1)
kernel = torch.ones(1, 1, 1).half().requires_grad_()
outputs = torch.nn.functional.conv1d(inputs, kernel)
(gradient,) = torch.autograd.grad(outputs, kernel, torch.ones_like(outputs))
print(f"the sum of 2048, 1 and 1, one in each sample, is {gradient.item()}, but should be 2050")
signal = torch.ones(1, 1, 3).half().requires_grad_()
taps = torch.tensor([[[2048.0, 1.0, 1.0]]]).half()
outputs = torch.nn.functional.conv1d(signal, taps, padding=1)
(shared,) = torch.autograd.grad(outputs, signal, torch.ones_like(outputs))
print(f"the sum of 2048, 1 and 1, one at each tap, is {shared[0, 0, 1].item()}, but should be 2050")
sys.exit(int(gradient.item() == 2050 and shared[0, 0, 1].item() == 2050))
