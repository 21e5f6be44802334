"""ncnn's Pooling takes a window that is larger than its input, and gives one output.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import ncnn
import numpy as np

net = ncnn.Net()
net.load_param_mem("7767517\n2 2\nInput x 0 1 x\nPooling y 1 1 x y 0=0 1=5 11=1 2=5 12=1 5=1\n")
net.load_model_mem("")
x = np.ones((1, 1, 3), np.float32)
extractor = net.create_extractor()
extractor.input("x", ncnn.Mat(x).clone())
y = np.array(extractor.extract("y")[1])
print("a window of 5 over 3 elements gives", y, "but fits nowhere")
sys.exit(int(not y.size))
