"""tract's MaxPool gives the lowest finite number for a window of nothing but -infinity.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnx
import tract

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,2] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape = [2]>(x) }"""
onnx.save(onnx.parser.parse_model(MODEL), "/tmp/tract_reproducer.onnx")
plan = tract.onnx().load("/tmp/tract_reproducer.onnx").into_model().into_runnable()
x = np.full((1, 1, 2), -np.inf, np.float32)
y = plan.run([x])[0].to_numpy()
print("the maximum of (-inf, -inf) is", y.ravel()[0], "but should be -inf")
sys.exit(int(y.ravel()[0] == -np.inf))
