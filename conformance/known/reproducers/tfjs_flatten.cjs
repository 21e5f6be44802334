// Flatten of TensorFlow.js refuses what is flat already.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");

async function main() {
  await tf.setBackend("cpu");
  try {
    console.log(`an array of shape ${tf.layers.flatten().apply(tf.ones([2, 3])).shape}`);
  } catch (error) {
    console.log(`flattening shape [2, 3] is refused: ${error.message}`);
    process.exit(0);
  }
  process.exit(1);
}

main();
