"""OpenVINO's MaxPool loses a NaN that shares its window with a number.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import openvino
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,4] x) => (float[a,b,c,d] y)
{ y = MaxPool<kernel_shape = [1, 2], strides = [1, 2]>(x) }"""
core = openvino.Core()
model = core.read_model(parser.parse_model(MODEL).SerializeToString())
compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
x = np.array([[[[np.nan, 1.0, 1.0, np.nan]]]], np.float32)
y = compiled([x])[0]
print("the maxima of (nan, 1) and (1, nan) are", y.ravel(), "but should be nan")
sys.exit(int(np.isnan(y).all()))
