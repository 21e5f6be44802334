"""MLX pools a window that is larger than the input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import mlx.core as mx
from mlx import nn

try:
    outputs = nn.MaxPool1d(5, 5)(mx.ones((2, 3, 3)))
except ValueError as error:
    print(f"a window of 5 over 3 elements is refused: {error}")
    sys.exit(1)
print(f"a window of 5 over 3 elements gives an array of shape {outputs.shape}")
