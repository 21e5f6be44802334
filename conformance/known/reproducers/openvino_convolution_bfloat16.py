"""OpenVINO rounds down to bfloat16 from an even number, on a processor with AVX2 alone.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import openvino
from ml_dtypes import bfloat16
from onnx import parser

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (bfloat16[1,1,2] x) => (bfloat16[1,1,1] y) <bfloat16[1,1,2] w = {1,1}> { y = Conv(x, w) }"""
core = openvino.Core()
compiled = core.compile_model(core.read_model(parser.parse_model(MODEL).SerializeToString()), "CPU")
x = np.array([[[1.0, 3 * 2.0**-9]]], bfloat16)
y = float(compiled([x])[0].view(bfloat16).item())
print("1 + 0.005859375 is", y, "in bfloat16 but should be 1.0078125")
sys.exit(int(y == 1.0078125))
