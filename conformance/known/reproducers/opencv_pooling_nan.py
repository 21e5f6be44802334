"""OpenCV's MaxPool loses a NaN that shares its window with a number.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import cv2
import numpy as np
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,4] x) => (float[a,b,c,d] y)
{ y = MaxPool<kernel_shape = [1, 2], strides = [1, 2]>(x) }"""
network = cv2.dnn.readNetFromONNX(
    np.frombuffer(parser.parse_model(MODEL).SerializeToString(), np.uint8)
)
x = np.array([[[[np.nan, 1.0, 1.0, np.nan]]]], np.float32)
network.setInput(x, "x")
y = network.forward().ravel()
print("the maxima of (nan, 1) and (1, nan) are", y, "but should be nan")
sys.exit(int(np.isnan(y).all()))
