"""OpenCV's MaxPool gives the lowest finite number for -infinity beside padding.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import cv2
import numpy as np
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,1] x) => (float[a,b,c,d] y)
{ y = MaxPool<kernel_shape = [1, 2], pads = [0, 0, 0, 1]>(x) }"""
network = cv2.dnn.readNetFromONNX(
    np.frombuffer(parser.parse_model(MODEL).SerializeToString(), np.uint8)
)
x = np.full((1, 1, 1, 1), -np.inf, np.float32)
network.setInput(x, "x")
y = network.forward().ravel()
print("the maximum of -inf and padding is", y[0], "but should be -inf")
sys.exit(int(y[0] == -np.inf))
