"""DeZero's switch of the graph is one for all threads: one's gradients switch off another's.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

vars(np).setdefault("int", int)  # which NumPy has no more

import dezero.functions as F  # noqa: E402
from dezero import Variable  # noqa: E402


def _gradient(_):
    for _ in range(300):
        x = Variable(np.ones(100))
        y = F.sum(x * x)
        y.backward()
        assert x.grad is not None
    return True


try:
    with ThreadPoolExecutor(2) as pool:
        print("two threads:", list(pool.map(_gradient, range(2))))
    sys.exit(1)
except (AttributeError, AssertionError) as error:
    print("two threads: ", type(error).__name__, error)
