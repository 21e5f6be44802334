// TensorFlow.js' layers, by the protocol of conformance/implementations/program.py.
//
// node tensorflow_js.cjs cpu|wasm, beside a folder node_modules or with NODE_PATH.
"use strict";

console.log = console.info = console.warn = console.error;
const path = require("node:path");
const { Unsupported, elements, encoded, serve } = require("./protocol.cjs");
const tf = require("@tensorflow/tfjs");

const BACKEND = process.argv[2] || "cpu";
const ACTIVATIONS = {
  elu: "elu", linear: "linear", mish: "mish", relu: "relu", relu6: "relu6", selu: "selu",
  sigmoid: "sigmoid", silu: "swish", softmax: "softmax", softplus: "softplus",
  softsign: "softsign", swish: "swish", tanh: "tanh",
};

async function hello() {
  if (BACKEND === "wasm") {
    const wasm = require("@tensorflow/tfjs-backend-wasm");
    wasm.setWasmPaths(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + "/");
  }
  await tf.setBackend(BACKEND);
  await tf.ready();
  return { name: `tensorflow.js on ${tf.getBackend()}`, version: tf.version_core, gradients: true };
}

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function layerOf({ layer, config, inputs }) {
  if (inputs.dtype !== "float32") throw new Unsupported(`no layers in ${inputs.dtype}`);
  const name = config.activation || "linear";
  if (!(name in ACTIVATIONS)) throw new Unsupported(`no activation ${name}`);
  if ((config.groups || 1) > 1) throw new Unsupported("no convolution in groups");
  const given = { batchInputShape: inputs.shape };
  for (const key of ["filters", "kernel_size", "pool_size", "strides", "padding",
    "dilation_rate", "use_bias", "data_format"]) {
    if (key in config) given[camel(key)] = config[key];
  }
  given.dataFormat = camel(config.data_format);
  if (layer.startsWith("Conv")) given.activation = ACTIVATIONS[name];
  if (layer.endsWith("1D")) delete given.dataFormat;
  if (layer.endsWith("1D") && config.data_format === "channels_first") {
    throw new Unsupported("layers of one axis take no data_format");
  }
  const method = layer[0].toLowerCase() + layer.slice(1).replace(/D$/, "d");
  return tf.layers[method](given);
}

function tensor(array) {
  return tf.tensor(elements(array), array.shape, array.dtype);
}

function answer(request) {
  return tf.tidy(() => {
    const layer = layerOf(request);
    const x = tensor(request.inputs);
    layer.build(request.inputs.shape);
    const names = ["kernel", "bias"].filter((name) => name in request.weights);
    layer.setWeights(names.map((name) => tensor(request.weights[name])));
    if (request.observe === "gradients") {
      return { gradients: gradients(layer, x, names, tensor(request.upstream)) };
    }
    const y = layer.apply(x);
    return { output: encoded(y.dataSync(), y.shape) };
  });
}

function gradients(layer, x, names, upstream) {
  const loss = (input) => tf.sum(tf.mul(layer.apply(input), upstream));
  const found = { inputs: tf.grad(loss)(x) };
  const variables = layer.trainableWeights.map((weight) => weight.val);
  if (variables.length) {
    const { grads } = tf.variableGrads(() => loss(x), variables);
    names.forEach((name, i) => { found[name] = grads[variables[i].name]; });
  }
  const pairs = Object.entries(found).map(([name, g]) => [name, encoded(g.dataSync(), g.shape)]);
  return Object.fromEntries(pairs);
}

serve(hello, answer);
