"""TVM's MaxPool gives the lowest finite number for a window of nothing but -infinity.

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
x = np.full((1, 1, 2), -np.inf, np.float32)
y = machine["main"](tvm.runtime.tensor(x)).numpy()
print("the maximum of (-inf, -inf) is", y.ravel()[0], "but should be -inf")
sys.exit(int(y.ravel()[0] == -np.inf))
