// TensorFlow.js on wasm gives no gradient to a maximum that is not positive.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const folder = require("node:path").dirname(require.resolve("@tensorflow/tfjs-backend-wasm"));

async function main() {
  wasm.setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  const x = tf.tensor([-1, -2, -4, -3], [1, 1, 4, 1]);
  const pool = (t) => tf.sum(tf.maxPool(t, [1, 2], [1, 2], "valid"));
  const gradient = [...tf.grad(pool)(x).dataSync()];
  console.log(`the gradient of the maxima of [-1, -2] and [-4, -3] is ${gradient}, not 1,0,0,1`);
  process.exit(gradient.join() === "1,0,0,1" ? 1 : 0);
}

main();
