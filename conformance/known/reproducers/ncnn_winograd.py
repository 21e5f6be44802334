"""ncnn takes Winograd's algorithm unasked, whose sums of small integers are not exact.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys
import tempfile

import ncnn
import numpy as np

LAYER = "Convolution y 1 1 x y 0=16 1=3 11=3 5=0 6=2304"
net = ncnn.Net()
net.load_param_mem(f"7767517\n2 2\nInput x 0 1 x\n{LAYER}\n")
with tempfile.NamedTemporaryFile() as file:
    file.write(bytes(4) + np.arange(2304, dtype=np.float32).tobytes())
    file.flush()
    net.load_model(file.name)
extractor = net.create_extractor()
extractor.input("x", ncnn.Mat(np.ones((16, 8, 8), np.float32)).clone())
y = np.array(extractor.extract("y")[1])[:, 0, 0]
exact = np.arange(2304).reshape(16, 144).sum(axis=1)
print("sums of integers below 2**24 are", y, "but should be", exact)
sys.exit(int(np.array_equal(y, exact)))
