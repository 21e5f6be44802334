"""The kernel's gradient of a pointwise convolution with strides overruns oneDNN's workspace.

channels_last, float32, 2 to 7 channels (to 15 with AVX-512), a batch of 2 or more, sizes that the
strides divide: wrong on two threads and AVX2.  Exit status 0 while the defect is there, 1 once it
is gone.
"""

import os

os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"

import torch

torch.set_num_threads(2)
wrong = 0
for _ in range(5):
    inputs = torch.ones(2, 3, 10, 10).contiguous(memory_format=torch.channels_last)
    kernel = torch.zeros(4, 3, 1, 1).contiguous(memory_format=torch.channels_last).requires_grad_()
    torch.nn.functional.conv2d(inputs, kernel, stride=2).sum().backward()
    wrong += int((kernel.grad != 50).sum())
print(f"{wrong} of {5 * 12} elements of the kernel's gradient are not 50", flush=True)
os._exit(int(not wrong))
