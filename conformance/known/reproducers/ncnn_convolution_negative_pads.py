"""ncnn's SAME padding is not clipped to zero in a convolution, so that kernels stand elsewhere.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys
import tempfile

import ncnn
import numpy as np

LAYER = "Convolution y 1 1 x y 0=1 1=3 11=3 2=1 12=1 3=5 13=1 4=-233 5=0 6=9"
net = ncnn.Net()
net.load_param_mem(f"7767517\n2 2\nInput x 0 1 x\n{LAYER}\n")
with tempfile.NamedTemporaryFile() as file:
    file.write(bytes(4) + np.ones(9, np.float32).tobytes())
    file.flush()
    net.load_model(file.name)
extractor = net.create_extractor()
x = np.broadcast_to(np.arange(10, dtype=np.float32), (1, 3, 10)).copy()
extractor.input("x", ncnn.Mat(x).clone())
y = np.array(extractor.extract("y")[1])[0, 1]
print("3 (0 + 1 + 2) and 3 (5 + 6 + 7) are", y, "but should be [9. 54.]")
sys.exit(int(np.array_equal(y, [9, 54])))
