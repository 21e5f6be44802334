"""OpenCV's convolution gives the largest finite number for infinity, and for NaN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import cv2
import numpy as np
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,3] x) => (float[a,b,c,d] y) <float[1,1,1,1] w = {1}> { y = Conv(x, w) }"""
network = cv2.dnn.readNetFromONNX(
    np.frombuffer(parser.parse_model(MODEL).SerializeToString(), np.uint8)
)
x = np.array([[[[1.0, np.inf, np.nan]]]], np.float32)
network.setInput(x, "x")
y = network.forward().ravel()
print("1, inf and nan times 1 are", y, "but should be 1, inf and nan")
sys.exit(int(np.array_equal(y, x.ravel(), equal_nan=True)))
