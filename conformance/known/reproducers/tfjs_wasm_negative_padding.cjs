// TensorFlow.js on wasm computes nothing where SAME padding would be negative.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const folder = require("node:path").dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));

async function main() {
  wasm.setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  const x = tf.tensor([1, 2, 3], [1, 1, 3, 1]);
  const y = tf.conv2d(x, tf.tensor([1, 10], [1, 2, 1, 1]), [1, 5], "same").dataSync()[0];
  console.log(`1 * 1 + 2 * 10 is ${y}, but should be 21`);
  process.exit(y === 21 ? 1 : 0);
}

main();
