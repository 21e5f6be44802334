"""TVM adds the products of a float16 convolution in float16.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tvm
from onnx import parser
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float16[1,3,1] x) => (float16[a,b,c] y) <float16[1,3,1] w = {15360,15360,15360}>
{ y = Conv(x, w) }"""
module = from_onnx(parser.parse_model(MODEL), keep_params_in_input=False)
machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
x = np.array([[[1.0], [2048.0], [1.0]]], np.float16)
y = machine["main"](tvm.runtime.tensor(x)).numpy()
print("1 + 2048 + 1 is", y.ravel()[0], "but should be 2050")
sys.exit(int(y.ravel()[0] == 2050))
