"""Max pooling of int8 in the channels_last format refuses planes of more than 127 positions.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch

x = torch.zeros((1, 3, 12, 12), dtype=torch.int8).contiguous(memory_format=torch.channels_last)
try:
    y = torch.nn.functional.max_pool2d(x, 2)
except RuntimeError as error:
    print("refused:", str(error).partition("\n")[0])
    sys.exit(0)
print("pooled to", tuple(y.shape))
sys.exit(1)
