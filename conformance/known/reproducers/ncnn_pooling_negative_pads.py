"""ncnn's SAME padding is not clipped to zero in pooling, and reads beside its input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import ncnn
import numpy as np

net = ncnn.Net()
net.load_param_mem("7767517\n2 2\nInput x 0 1 x\nPooling y 1 1 x y 0=0 1=2 11=3 2=5 12=1 5=2\n")
net.load_model_mem("")
x = np.array([[[9, 1, 1, 1, 1, 8, 1, 1, 1, 1]] * 3], np.float32)
extractor = net.create_extractor()
extractor.input("x", ncnn.Mat(x).clone())
y = np.array(extractor.extract("y")[1])
print("windows from 0 and from 5 give", y[0, 0], "but should give [9. 8.]")
sys.exit(int(np.array_equal(y[0, 0], [9, 8])))
