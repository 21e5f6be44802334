// ConvNetJS takes a window that is larger than the input.
//
// Exit status 0 while the defect is there, 1 once it is gone.
const { ConvLayer } = require("convnetjs");

const shape = { in_sx: 9, in_sy: 2, in_depth: 3 };
const layer = new ConvLayer({ ...shape, sx: 2, sy: 3, filters: 4, stride: 1, pad: 0 });
console.log(`a window of 3 rows over 2 gives ${layer.out_sy} rows of ${layer.out_sx} columns`);
