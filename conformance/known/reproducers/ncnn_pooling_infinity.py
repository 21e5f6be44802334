"""ncnn's Pooling gives the lowest finite number for -infinity beside padding.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import ncnn
import numpy as np

net = ncnn.Net()
net.load_param_mem("7767517\n2 2\nInput x 0 1 x\nPooling y 1 1 x y 0=0 1=2 11=1 2=1 12=1 5=2\n")
net.load_model_mem("")
x = np.full((1, 1, 1), -np.inf, np.float32)
extractor = net.create_extractor()
extractor.input("x", ncnn.Mat(x).clone())
y = np.array(extractor.extract("y")[1])
print("the maximum of -inf and padding is", y, "but should be -inf")
sys.exit(int((y == -np.inf).all()))
