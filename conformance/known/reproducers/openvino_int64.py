"""OpenVINO on the CPU cuts 64-bit integers to 32 bits, even where they are only moved.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import openvino
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (int64[1,2] x) => (int64[a,b] y) { y = Flatten(x) }"""
core = openvino.Core()
model = core.read_model(parser.parse_model(MODEL).SerializeToString())
compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
x = np.array([[2**40 + 7, 1]], np.int64)
y = compiled([x])[0]
print(x[0, 0], "moved is", y.ravel()[0])
sys.exit(int(np.array_equal(x, y)))
