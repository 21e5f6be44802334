"""torch's hardswish of more than a sixth of the largest number is infinite, not its argument.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import torch

wrong = 0
for dtype in (torch.float32, torch.bfloat16, torch.float64):
    x = torch.tensor([torch.finfo(dtype).max / 2], dtype=dtype)
    found = torch.nn.functional.hardswish(x)
    wrong += int(torch.isinf(found).all())
    print(f"hardswish({x.item():.5g}) is {found.item():.5g} in {dtype}, but should be its argument")
sys.exit(int(not wrong))
