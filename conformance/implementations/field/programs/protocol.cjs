// What the programs of this folder share: lines of JSON, and arrays in them.
"use strict";

const readline = require("node:readline");

const KINDS = { float32: Float32Array, float64: Float64Array, int32: Int32Array };

// The elements of an array of the protocol, as a typed array.
function elements({ dtype, data }) {
  const bytes = Buffer.from(data, "base64");
  const kind = KINDS[dtype];
  return new kind(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

// A typed array as one of the protocol.
function encoded(array, shape) {
  const dtype = Object.keys(KINDS).find((name) => array instanceof KINDS[name]);
  const data = Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
  return { dtype, shape: [...shape], data };
}

// What a function throws where its library has nothing for a case.
class Unsupported extends Error {}

// How libraries themselves say that they have nothing for it.
const LACKS = /not implemented yet|not yet supported|not registered for backend/;

// What a library did with an exception; a trap of WebAssembly leaves its memory in any state, and so
// ends the program, as it would have ended a native one.
function refused(error) {
  if (error instanceof WebAssembly.RuntimeError) {
    process.stderr.write(`${error.stack}\n`, () => process.exit(70));
    return null;
  }
  const words = String((error && error.message) || error);
  const declared = error instanceof Unsupported || LACKS.test(words);
  return { [declared ? "unsupported" : "rejected"]: words };
}

// Answer each line by `answer`, in order; the first by `hello`.
function serve(hello, answer) {
  let last = Promise.resolve();
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const request = JSON.parse(line);
    last = last.then(async () => {
      let said;
      try {
        said = request.hello ? await hello() : await answer(request);
      } catch (error) {
        said = refused(error);
        if (said === null) return new Promise(() => {});
      }
      return process.stdout.write(JSON.stringify({ id: request.id, ...said }) + "\n");
    });
  });
}

module.exports = { Unsupported, elements, encoded, serve };
