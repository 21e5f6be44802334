"""tract's MaxPool leaves NaN out.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnx
import tract

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,4] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape = [2], strides = [2]>(x) }"""
onnx.save(onnx.parser.parse_model(MODEL), "/tmp/tract_reproducer.onnx")
plan = tract.onnx().load("/tmp/tract_reproducer.onnx").into_model().into_runnable()
x = np.array([[[np.nan, 1.0, 1.0, np.nan]]], np.float32)
y = plan.run([x])[0].to_numpy()
print("the maxima of (nan, 1) and (1, nan) are", y.ravel(), "but should be nan")
sys.exit(int(np.isnan(y).all()))
