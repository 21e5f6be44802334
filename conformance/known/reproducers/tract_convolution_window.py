"""tract's Conv takes a kernel that is larger than its input, and gives nothing.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnx
import tract

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1] x) => (float[a,b,c] y) <float[1,1,4] w = {1,1,1,1}>
{ y = Conv<strides = [2]>(x, w) }"""
onnx.save(onnx.parser.parse_model(MODEL), "/tmp/tract_reproducer.onnx")
plan = tract.onnx().load("/tmp/tract_reproducer.onnx").into_model().into_runnable()
x = np.ones((1, 1, 1), np.float32)
y = plan.run([x])[0].to_numpy()
print("a kernel of 4 over 1 element gives", y.shape, "but fits nowhere")
sys.exit(0)
