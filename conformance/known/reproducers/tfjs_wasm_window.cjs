// TensorFlow.js on wasm reads out of bounds for a window larger than the input.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const folder = require("node:path").dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));

async function main() {
  wasm.setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  try {
    const y = tf.maxPool(tf.ones([1, 1, 2, 1]), [1, 3], 1, "valid");
    console.log(`a window of 3 over 2 elements gives an array of shape ${y.shape}`);
  } catch (error) {
    console.log(`a window of 3 over 2 elements raises ${error.constructor.name}: ${error.message}`);
    process.exit(error instanceof WebAssembly.RuntimeError ? 0 : 1);
  }
}

main();
