"""MaxPool by SAME_UPPER crops the input where the strides exceed the window, in TVM.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tvm
from onnx import parser
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,4] x) => (float[a,b,c] y) {
    y = MaxPool<kernel_shape = [1], strides = [2], auto_pad = "SAME_UPPER">(x) }"""
module = from_onnx(parser.parse_model(MODEL), keep_params_in_input=False)
machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
x = np.array([[[1.0, 2.0, 3.0, 4.0]]], np.float32)
y = machine["main"](tvm.runtime.tensor(x)).numpy().ravel().tolist()
print("every second of (1, 2, 3, 4) is", y, "but should be 1 and 3")
sys.exit(int(y == [1, 3]))
