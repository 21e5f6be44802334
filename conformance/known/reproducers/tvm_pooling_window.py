"""TVM's MaxPool takes a window that is larger than its input, and gives nothing.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tvm
from onnx import parser
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,3] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape = [5], strides = [5]>(x) }"""
module = from_onnx(parser.parse_model(MODEL), keep_params_in_input=False)
machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
x = np.ones((1, 1, 3), np.float32)
y = machine["main"](tvm.runtime.tensor(x)).numpy()
print("a window of 5 over 3 elements gives", y.shape, "but fits nowhere")
sys.exit(0)
