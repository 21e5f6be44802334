"""TVM's Relu gives 0 for NaN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tvm
from onnx import parser
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[2] x) => (float[n] y) { y = Relu(x) }"""
module = from_onnx(parser.parse_model(MODEL), keep_params_in_input=False)
machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
x = np.array([np.nan, 1.0], np.float32)
y = machine["main"](tvm.runtime.tensor(x)).numpy()
print("relu of nan is", y[0], "but should be nan")
sys.exit(int(np.isnan(y[0])))
