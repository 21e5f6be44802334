"""TensorFlow.js' layers, in JavaScript or WebAssembly."""

from __future__ import annotations

from typing import Final

from conformance.implementations.families import Family
from conformance.implementations.options import Effect, Options, one_of

_BACKEND: Final = one_of(
    "backend",
    "on its backend {}",
    {name: Effect(arguments={"arguments": (name,)}) for name in ("cpu", "wasm")},
)

FAMILY: Final = Family(
    name="tensorflow.js",
    summary="TensorFlow.js' layers on Node.js",
    loader="conformance.implementations.field.node_programs:load",
    arguments={"script": "tensorflow_js.cjs"},
    distributions=("npm:@tensorflow/tfjs", "npm:@tensorflow/tfjs-backend-wasm"),
    options=Options((_BACKEND,)),
    variants=("backend=wasm",),
    modules=("node",),
    extra="field-tensorflow-js",
)
