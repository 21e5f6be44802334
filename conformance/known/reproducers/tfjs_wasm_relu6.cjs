// Relu6 of TensorFlow.js on wasm turns NaN into 0.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const folder = require("node:path").dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));

async function main() {
  wasm.setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  const y = tf.relu6(tf.tensor([NaN, 1])).dataSync();
  console.log(`relu6 of [NaN, 1] is ${y}`);
  process.exit(Number.isNaN(y[0]) ? 1 : 0);
}

main();
