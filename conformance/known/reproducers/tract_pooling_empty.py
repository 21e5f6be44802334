"""tract's MaxPool of no elements, which are padded, gives one.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnx
import tract

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,0] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape = [2], pads = [0, 0]>(x) }"""
onnx.save(onnx.parser.parse_model(MODEL), "/tmp/tract_reproducer.onnx")
plan = tract.onnx().load("/tmp/tract_reproducer.onnx").into_model().into_runnable()
x = np.empty((1, 1, 0), np.float32)
y = plan.run([x])[0].to_numpy()
print("the maxima of nothing are", y.ravel(), "but there should be none")
sys.exit(int(not y.size))
