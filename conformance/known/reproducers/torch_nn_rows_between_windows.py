"""A convolution of one column with strides beyond its window overruns oneDNN's memory (AVX-512).

channels_last, float32 or float16, 80 KiB of inputs or more: the process ends by a signal, or
hangs.  Exit status 0 while the defect is there, 1 once it is gone.
"""

import subprocess
import sys

PROGRAM = """
import torch

torch.manual_seed(0)
inputs = torch.randn(1, 1, 32773, 1).contiguous(memory_format=torch.channels_last)
layer = torch.nn.Conv2d(1, 2, (3, 1), stride=(8, 1)).to(memory_format=torch.channels_last)
with torch.no_grad():
    for _ in range(5):
        layer(inputs)
"""

command = [sys.executable, "-c", PROGRAM]
try:
    status = subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=60).returncode
except subprocess.TimeoutExpired:
    print("the process that convolves did not end within 60 seconds", flush=True)
    sys.exit(0)
print(f"the process that convolves ended with {status}", flush=True)
sys.exit(int(status >= 0))
