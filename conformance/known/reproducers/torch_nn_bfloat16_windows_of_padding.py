"""A convolution in bfloat16 whose windows hold only padding ends the process (AMX).

Rows alone: each window holds columns.  Exit status 0 while the defect is there, 1 once it is gone.
"""

import subprocess
import sys

PROGRAM = """
import torch

inputs = torch.ones(2, 2, 2, 4, dtype=torch.bfloat16)
layer = torch.nn.Conv2d(2, 4, (2, 3), dilation=(4, 1), padding=(2, 1)).to(torch.bfloat16)
with torch.no_grad():
    for _ in range(5):
        layer(inputs)
"""

command = [sys.executable, "-c", PROGRAM]
status = subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode
print(f"the process that convolves ended with {status}", flush=True)
sys.exit(int(status >= 0))
