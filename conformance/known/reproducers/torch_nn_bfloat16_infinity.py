"""A bfloat16 convolution of one channel spreads an infinity beyond its receptive field.

The input holds one infinity; an output whose window does not contain it must be finite.
Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch

torch.manual_seed(0)
length, window = 40, 11
inputs = torch.ones(1, 1, length, dtype=torch.bfloat16)
inputs[0, 0, 20] = float("inf")
kernel = torch.ones(4, 1, window, dtype=torch.bfloat16)
outputs = torch.nn.functional.conv1d(inputs, kernel, padding=window // 2)[0, 0]
outside = [i for i in range(length) if abs(i - 20) > window // 2 and not outputs[i].isfinite()]
print(f"outputs {outside} are not finite, though their windows hold finite numbers only")
sys.exit(int(not outside))
