"""Max pooling of negative integers in the channels_last format gives 0, before PyTorch 2.6.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch

x = torch.full((1, 3, 4, 4), -5, dtype=torch.int32).contiguous(memory_format=torch.channels_last)
y = torch.nn.functional.max_pool2d(x, 2)
print("the maxima of nothing but -5 are", y.unique().tolist())
sys.exit(int(torch.equal(y, torch.full_like(y, -5))))
