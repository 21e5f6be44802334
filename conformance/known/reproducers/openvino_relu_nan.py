"""OpenVINO gives 0 for the Relu of a convolution's NaN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import openvino
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,2,2] x) => (float[a,b,c,d] y) <float[1,1,1,1] w = {1}> { z = Conv(x, w)
 y = Relu(z) }"""
core = openvino.Core()
model = core.read_model(parser.parse_model(MODEL).SerializeToString())
compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
x = np.full((1, 1, 2, 2), np.nan, np.float32)
y = compiled([x])[0]
print("relu of nan is", y.ravel()[0], "but should be nan")
sys.exit(int(np.isnan(y).all()))
