// ConvNetJS, by the protocol of conformance/implementations/program.py.
//
// It computes sample by sample in float64, channels last, with the same stride and the same padding
// along both axes; outputs are rounded to float32 where the inputs are.
"use strict";

const { Unsupported, elements, encoded, serve } = require("./protocol.cjs");
const convnet = require("convnetjs");
const { version } = require("convnetjs/package.json");

const ACTIVATIONS = {
  linear: null, relu: convnet.ReluLayer, sigmoid: convnet.SigmoidLayer, tanh: convnet.TanhLayer,
};

function padding(config, lengths, size) {
  if (config.padding === "valid") return 0;
  const pads = size.map((k, i) => {
    const n = lengths[i], s = config.strides[i];
    return Math.max((Math.ceil(n / s) - 1) * s + k - n, 0);
  });
  if (pads.some((pad) => pad % 2 || pad !== pads[0])) throw new Unsupported("unequal padding");
  return pads[0] / 2;
}

function layersOf({ layer, config, inputs, weights }) {
  if (!inputs.dtype.startsWith("float") || inputs.dtype === "float16") {
    throw new Unsupported(`no ${inputs.dtype}`);
  }
  if (inputs.shape.length !== 4) throw new Error("four axes are expected");
  if (inputs.shape.includes(0)) throw new Unsupported("arrays without elements");
  if (config.data_format !== "channels_last") throw new Unsupported("channels first");
  if (config.strides[0] !== config.strides[1]) throw new Unsupported("strides that differ");
  const [, rows, columns, channels] = inputs.shape;
  const size = config.kernel_size || config.pool_size;
  const common = {
    in_sx: columns, in_sy: rows, in_depth: channels, sx: size[1], sy: size[0],
    stride: config.strides[0], pad: padding(config, [rows, columns], size),
  };
  if (layer === "MaxPooling2D") return [new convnet.PoolLayer(common)];
  const name = config.activation || "linear";
  if (!(name in ACTIVATIONS)) throw new Unsupported(`no activation ${name}`);
  if (Math.max(...config.dilation_rate) > 1 || config.groups > 1) {
    throw new Unsupported("dilation, groups");
  }
  const made = new convnet.ConvLayer({ ...common, filters: config.filters });
  const kernel = elements(weights.kernel);
  made.filters.forEach((filter, f) => {
    for (let i = 0; i < filter.w.length; i++) filter.w[i] = kernel[i * config.filters + f];
  });
  if (weights.bias) made.biases.w.set(elements(weights.bias));
  const { out_sx, out_sy, out_depth } = made;
  const Activation = ACTIVATIONS[name];
  const after = { in_sx: out_sx, in_sy: out_sy, in_depth: out_depth };
  return Activation ? [made, new Activation(after)] : [made];
}

function samplesOf({ shape }, data) {
  const [batch, rows, columns, channels] = shape;
  return Array.from({ length: batch }, (_, b) => {
    const volume = new convnet.Vol(columns, rows, channels, 0);
    const count = rows * columns * channels;
    volume.w.set(data.subarray(b * count, (b + 1) * count));
    return volume;
  });
}

function answer(request) {
  const layers = layersOf(request);
  const parts = samplesOf(request.inputs, elements(request.inputs)).map((volume) => {
    const end = layers.reduce((value, layer) => layer.forward(value, true), volume);
    return { array: Float64Array.from(end.w), shape: [end.sy, end.sx, end.depth] };
  });
  const length = parts[0].array.length;
  const Kind = request.inputs.dtype === "float32" ? Float32Array : Float64Array;
  const output = new Kind(parts.length * length);
  parts.forEach(({ array }, i) => output.set(array, i * length));
  return { output: encoded(output, [parts.length, ...parts[0].shape]) };
}

serve(
  () => ({ name: "convnetjs", version, layers: ["Conv2D", "MaxPooling2D"], gradients: false }),
  answer,
);
