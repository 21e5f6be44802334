// TensorFlow.js on wasm divides by zero where it transposes an array without elements.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const folder = require("node:path").dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));

async function main() {
  wasm.setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  try {
    tf.transpose(tf.ones([0, 3, 4]), [0, 2, 1]).dataSync();
  } catch (error) {
    console.log(`transposing shape [0, 3, 4] raises ${error.constructor.name}: ${error.message}`);
    process.exit(error instanceof WebAssembly.RuntimeError ? 0 : 1);
  }
  console.log("transposing shape [0, 3, 4] gives an array");
  process.exit(1);
}

main();
