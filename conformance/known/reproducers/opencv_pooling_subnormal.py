"""OpenCV's MaxPool gives zero for subnormal numbers.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import cv2
import numpy as np
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,2] x) => (float[a,b,c,d] y) { y = MaxPool<kernel_shape = [1, 2]>(x) }"""
network = cv2.dnn.readNetFromONNX(
    np.frombuffer(parser.parse_model(MODEL).SerializeToString(), np.uint8)
)
x = np.full((1, 1, 1, 2), 2.0**-130, np.float32)
network.setInput(x, "x")
y = network.forward().ravel()
print("the maximum of (2**-130, 2**-130) is", y[0], "but should be", x.max())
sys.exit(int(y[0] == x.max()))
