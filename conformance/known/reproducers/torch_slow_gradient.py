"""torch refuses the gradient of a float64 kernel that is a transposed view, as Keras has it.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch

x = torch.ones(3, 8, 5, 2, dtype=torch.float64).permute(0, 3, 1, 2)
kernel = torch.ones(5, 3, 2, 1, dtype=torch.float64, requires_grad=True)
y = torch.nn.functional.conv2d(x, kernel.permute(3, 2, 0, 1), stride=(1, 3))
try:
    y.sum().backward()
except RuntimeError as error:
    print(f"refused: {error}")
    sys.exit(0)
print("the gradient is computed")
sys.exit(1)
