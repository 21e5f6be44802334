"""OpenVINO's MaxPool gives the lowest finite number for a window of nothing but -infinity.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import openvino
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,2] x) => (float[a,b,c,d] y) { y = MaxPool<kernel_shape = [1, 2]>(x) }"""
core = openvino.Core()
model = core.read_model(parser.parse_model(MODEL).SerializeToString())
compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
x = np.full((1, 1, 1, 2), -np.inf, np.float32)
y = compiled([x])[0]
print("the maximum of (-inf, -inf) is", y.ravel()[0], "but should be -inf")
sys.exit(int(y.ravel()[0] == -np.inf))
