"""In OpenCV's convolution in groups, a NaN of one group is felt in another.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import cv2
import numpy as np
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,4,1,1] x) => (float[a,b,c,d] y) <float[4,2,1,1] w = {1,1,1,1,1,1,1,1}>
{ y = Conv<group = 2>(x, w) }"""
network = cv2.dnn.readNetFromONNX(
    np.frombuffer(parser.parse_model(MODEL).SerializeToString(), np.uint8)
)
x = np.array([np.nan, 1.0, 2.0, 3.0], np.float32).reshape(1, 4, 1, 1)
network.setInput(x, "x")
y = network.forward().ravel()
print("the second group, 2 + 3 twice, is", y[2:], "but should be [5. 5.]")
sys.exit(int(np.array_equal(y[2:], [5, 5])))
