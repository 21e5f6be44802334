// Runtimes of ONNX graphs in JavaScript, by lines of JSON: {id, model, inputs} -> {id, output}.
//
// node graphs.cjs onnxruntime-web|onnxjs; the model is base64.
"use strict";

console.log = console.info = console.warn = console.error;
const { elements, encoded, serve } = require("./protocol.cjs");
const which = process.argv[2];
const onnx = require(which);

if (which === "onnxruntime-web") onnx.env.wasm.numThreads = Number(process.argv[3] || 1);

async function run(model, inputs) {
  if (which === "onnxruntime-web") {
    const session = await onnx.InferenceSession.create(model, { executionProviders: ["wasm"] });
    const x = new onnx.Tensor(inputs.dtype, elements(inputs), inputs.shape);
    const { outputs } = await session.run({ inputs: x });
    await session.release();
    return outputs;
  }
  const session = new onnx.InferenceSession({ backendHint: process.argv[3] || "cpu" });
  await session.loadModel(model.buffer.slice(model.byteOffset, model.byteOffset + model.length));
  const x = new onnx.Tensor(elements(inputs), inputs.dtype, inputs.shape);
  return (await session.run([x])).get("outputs");
}

async function answer({ model, inputs }) {
  const found = await run(Buffer.from(model, "base64"), inputs);
  return { output: encoded(found.data, found.dims) };
}

serve(() => ({ name: which, layers: [] }), answer);
