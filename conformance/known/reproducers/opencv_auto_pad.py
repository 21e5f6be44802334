"""OpenCV's SAME_UPPER pads strided windows as if they were not strided.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import cv2
import numpy as np
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,4] x) => (float[a,b,c,d] y) <float[1,1,1,3] w = {1,1,1}>
{ y = Conv<auto_pad = "SAME_UPPER", strides = [1, 2]>(x, w) }"""
network = cv2.dnn.readNetFromONNX(
    np.frombuffer(parser.parse_model(MODEL).SerializeToString(), np.uint8)
)
x = np.array([[[[1.0, 2.0, 3.0, 4.0]]]], np.float32)
network.setInput(x, "x")
y = network.forward().ravel()
print("1 + 2 + 3 and 3 + 4 are", y, "but should be [6. 7.]")
sys.exit(int(np.array_equal(y, [6, 7])))
