"""TVM's MaxPool loses a NaN that stands before a number.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tvm
from onnx import parser
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,2] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape = [2]>(x) }"""
module = from_onnx(parser.parse_model(MODEL), keep_params_in_input=False)
machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
x = np.array([[[np.nan, 1.0]]], np.float32)
y = machine["main"](tvm.runtime.tensor(x)).numpy()
print("the maximum of (nan, 1) is", y.ravel(), "but should be nan")
sys.exit(int(np.isnan(y).all()))
