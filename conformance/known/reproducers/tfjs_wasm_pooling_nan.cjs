// Max pooling of TensorFlow.js on wasm loses NaN.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const folder = require("node:path").dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));

async function main() {
  wasm.setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  const x = tf.tensor([NaN, 1, 1, NaN], [1, 1, 4, 1]);
  const y = [...tf.maxPool(x, [1, 2], [1, 2], "valid").dataSync()];
  console.log(`the maxima of [NaN, 1] and [1, NaN] are ${y}`);
  process.exit(y.every(Number.isNaN) ? 1 : 0);
}

main();
