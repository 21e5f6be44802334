"""The constants of tinygrad's selu have five and six digits.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import os
import sys

os.environ.setdefault("DEV", "PYTHON")

from tinygrad import Tensor

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
given = Tensor([1.0, -1.0]).selu().tolist()
wanted = [SCALE, SCALE * ALPHA * math.expm1(-1.0)]
units = [abs(g - w) / abs(w) * 2**23 for g, w in zip(given, wanted, strict=True)]
print(f"selu of 1 and -1 is {given}, but should be {wanted}: {units} units in the last place")
sys.exit(int(max(units) < 4))
