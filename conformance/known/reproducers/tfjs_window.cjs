// TensorFlow.js takes a window that is larger than the input.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const tf = require("@tensorflow/tfjs");

async function main() {
  await tf.setBackend("cpu");
  try {
    const y = tf.layers.maxPooling1d({ poolSize: 5 }).apply(tf.ones([2, 3, 3]));
    console.log(`a window of 5 over 3 elements gives an array of shape ${y.shape}`);
  } catch (error) {
    console.log(`a window of 5 over 3 elements is refused: ${error.message}`);
    process.exit(1);
  }
}

main();
