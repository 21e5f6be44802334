"""Without oneDNN, the kernel's gradient in bfloat16 is accumulated in bfloat16 over the batch.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch


def gradient(kernel, inputs):
    """The kernel's gradient of the sum of all outputs."""
    kernel = kernel.clone().requires_grad_()
    torch.nn.functional.conv1d(inputs, kernel).sum().backward()
    return kernel.grad


torch.manual_seed(0)
inputs = torch.randint(0, 9, (64, 1, 8)).bfloat16()
kernel = torch.ones(1, 1, 3).bfloat16()
with torch.backends.mkldnn.flags(enabled=False):
    got = gradient(kernel, inputs).flatten().tolist()
expected = gradient(kernel.double(), inputs.double()).bfloat16().flatten().tolist()
print(f"the gradient is {got}, but rounded once it is {expected}")
sys.exit(int(got == expected))
