"""A reader of fixtures in plain Python, written from fixtures/README.md alone.

It imports nothing of this project and no NumPy: an array is a pair of shape and flat list.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
import struct
import zipfile
from itertools import product
from urllib.parse import unquote

CODES = {
    "bool": "?",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "bfloat16": "H",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
}
INPUT_BITS = {"float16": 11, "bfloat16": 8, "float32": 13, "float64": 40}
SUM_BITS = {"float16": 24, "bfloat16": 24, "float32": 24, "float64": 53}
RANK = {"Conv1D": 1, "Conv2D": 2, "MaxPooling1D": 1, "MaxPooling2D": 2}


def read_directory(directory):
    """The manifest, and each file's index and data by file name."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["format"] == 1
    return manifest, {
        name: read_file(directory / name, record) for name, record in manifest["files"].items()
    }


def read_file(path, record):
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert len(content) == record["bytes"]
    assert digest == record["sha256"]
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["data.npy", "index.npy"]
        index, data = (member_content(archive.read(f"{n}.npy")) for n in ("index", "data"))
    assert path.name.endswith(f".{hashlib.sha256(index + data).hexdigest()[:12]}.npz")
    return json.loads(index), data


def member_content(member):
    assert member[:8] == bytes.fromhex("934E554D50590100")
    (length,) = struct.unpack("<H", member[8:10])
    content = member[10 + length :]
    header = ast.literal_eval(member[10 : 10 + length].decode("ascii"))
    assert header == {"descr": "|u1", "fortran_order": False, "shape": (len(content),)}
    assert (10 + length) % 64 == 0
    return content


def observations(index, expected_index):
    """The entries of an observed file by descriptor."""
    cases = [descriptor for descriptor, _ in expected_index["cases"]]
    pairs = zip(cases, index["cases"], strict=True)
    return {case: index["outcomes"][number] for case, number in pairs if number is not None}


def array(content, data):
    """Dtype, shape and elements of ``[dtype, shape, offset]``."""
    dtype, shape, offset = content
    return dtype, shape, unpack(dtype, math.prod(shape), data, offset)


def unpack(dtype, count, data, offset):
    values = struct.unpack_from(f"<{count}{CODES[dtype]}", data, offset)
    return [bfloat16(v) for v in values] if dtype == "bfloat16" else list(values)


def bfloat16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def patterns(dtype, count, data, offset):
    """The elements' bits as signed integers."""
    width = struct.calcsize(CODES[dtype])
    return struct.unpack_from(f"<{count}{' bh i   q'[width]}", data, offset)


def rank(bits, width):
    return bits if bits >= 0 else bits ^ ((1 << (width - 1)) - 1)


def displaced(expected, expected_data, content, data):
    """The elements of an observed array of the form ``ulps``."""
    dtype, shape, offset = expected
    count = math.prod(shape)
    differences = unpack(content[0], count, data, content[1])
    if dtype == "bool" or "int" in dtype:
        return [
            a + d
            for a, d in zip(unpack(dtype, count, expected_data, offset), differences, strict=True)
        ]
    width = 8 * struct.calcsize(CODES[dtype])
    bits = patterns(dtype, count, expected_data, offset)
    ranks = [rank(b, width) + d for b, d in zip(bits, differences, strict=True)]
    signed = [(r + (1 << (width - 1))) % (1 << width) - (1 << (width - 1)) for r in ranks]
    code = " bh i   q"[width // 8]
    packed = struct.pack(f"<{count}{code}", *(rank(s, width) for s in signed))
    return unpack(dtype, count, packed, 0)


SIZES = re.compile(r"(?:\d+|None)(?:x(?:\d+|None))+\Z")
BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*\Z")


def parse(descriptor):
    """The layer and the fields of a descriptor, with the five fields' defaults."""
    layer, *parts = descriptor.split("/")
    fields = {"observe": "output", "dtype": "float32", "operands": "integers", "seed": 0}
    for part in parts:
        name, _, text = part.partition(":")
        fields[name] = value(text)
    return layer, fields


def value(text):
    if SIZES.match(text):
        return tuple(None if size == "None" else int(size) for size in text.split("x"))
    if text in ("nan", "inf", "-inf"):
        return float(text)
    if BARE.match(text) and text not in ("None", "True", "False"):
        return text
    return ast.literal_eval(unquote(text))


MASK = 2**64 - 1


def words(role, shape, fields, kind):
    text = f"{role}/{'x'.join(map(str, shape))}/{kind}/{fields['dtype']}/{fields['seed']}"
    key = int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big")
    for i in range(math.prod(shape)):
        z = (key + (i + 1) * 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def sign(v):
    return -1 if v & 1 else 1


def top(v, bits):
    return v >> (64 - bits)


def high(v, m):
    return ((v >> 32) * m) >> 32


def low(v, m):
    return (((v & 0xFFFFFFFF) >> 1) * m) >> 31


def inputs(fields):
    """The inputs of a case of kind `integers`."""
    shape, dtype = fields["inputs"], fields["dtype"]
    stream = words("inputs", shape, fields, "integers")
    if "int" in dtype:
        bits = 8 * struct.calcsize(CODES[dtype])
        unsigned = [top(v, bits) for v in stream]
        return [u - 2**bits if dtype[0] == "i" and u >> (bits - 1) else u for u in unsigned]
    bits = INPUT_BITS[dtype]
    return [sign(v) * top(v, bits) * 2.0 ** (1 - bits) for v in stream]


def kernel_and_bias(fields, window):
    """Kernel and bias of a case of kind `integers`; the bias is zero where there is none."""
    channels = fields["inputs"][1 if fields.get("data_format") == "channels_first" else -1]
    channels //= fields.get("groups", 1)
    filters, taps = fields["filters"], math.prod(window) * channels
    bits = INPUT_BITS[fields["dtype"]]
    limit = (2 ** SUM_BITS[fields["dtype"]] - 2**bits) // (2**bits - 1)
    damping = 2.0 ** -((taps.bit_length() + 1) // 2)
    sums = [0] * filters
    kernel = []
    shape = (*window, channels, filters)
    for i, v in enumerate(words("kernel", shape, fields, "integers")):
        magnitude = 1 + high(v, 3)
        if 3 * taps > limit:
            if low(v, -(-4 * taps // limit)):
                magnitude = 0
            sums[i % filters] += magnitude
            if sums[i % filters] > limit:
                magnitude = 0
        kernel.append(sign(v) * magnitude * damping)
    if not fields.get("use_bias", True):
        return kernel, [0.0] * filters
    stream = words("bias", (filters,), fields, "integers")
    return kernel, [sign(v) * (1 + top(v, bits)) * 2.0 ** (1 - bits) * damping for v in stream]


def per_axis(given, axes):
    return (given,) * axes if isinstance(given, int) else tuple(given)


def geometry(layer, fields):
    """Window, strides, dilation, and for each axis the outputs and the padding before it."""
    axes = RANK[layer]
    first = fields.get("data_format") == "channels_first"
    lengths = fields["inputs"][2:] if first else fields["inputs"][1:-1]
    window = per_axis(fields.get("kernel_size", fields.get("pool_size", 2)), axes)
    strides = fields.get("strides")
    if strides is None:
        strides = window if layer.startswith("Max") else 1
    strides = per_axis(strides, axes)
    dilation = per_axis(fields.get("dilation_rate", 1), axes)
    outputs, before = [], []
    for n, k, s, d in zip(lengths, window, strides, dilation, strict=True):
        span = (k - 1) * d + 1
        if fields.get("padding", "valid") == "same":
            outputs.append(-(-n // s))
            before.append(max((outputs[-1] - 1) * s + span - n, 0) // 2)
        elif fields.get("padding") == "causal":
            outputs.append(-(-n // s))
            before.append(span - 1)
        else:
            outputs.append((n - span) // s + 1)
            before.append(0)
    return lengths, window, strides, dilation, outputs, before


def windows(layer, fields):
    """For each output position the pairs of tap number and input position under it."""
    lengths, window, strides, dilation, outputs, before = geometry(layer, fields)
    for position in product(*map(range, outputs)):
        taps = []
        for number, tap in enumerate(product(*map(range, window))):
            places = [
                o * s + t * d - b
                for o, s, t, d, b in zip(position, strides, tap, dilation, before, strict=True)
            ]
            if all(0 <= place < n for place, n in zip(places, lengths, strict=True)):
                flat = 0
                for place, n in zip(places, lengths, strict=True):
                    flat = flat * n + place
                taps.append((number, flat))
        yield taps


def output(layer, fields):
    """The values of a case of kind `integers`, row-major in the layout of its output."""
    first = fields.get("data_format") == "channels_first"
    batch = fields["inputs"][0]
    channels = fields["inputs"][1 if first else -1]
    positions = math.prod(geometry(layer, fields)[0])
    x = inputs(fields)

    def element(sample, place, channel):
        if first:
            return x[(sample * channels + channel) * positions + place]
        return x[(sample * positions + place) * channels + channel]

    around = list(windows(layer, fields))
    if layer.startswith("Max"):
        depth = channels

        def compute(sample, taps, c):
            return max(element(sample, place, c) for _, place in taps)
    else:
        depth, groups = fields["filters"], fields.get("groups", 1)
        own = channels // groups
        kernel, bias = kernel_and_bias(fields, geometry(layer, fields)[1])

        def compute(sample, taps, f):
            first_channel = f // (depth // groups) * own
            return bias[f] + sum(
                element(sample, place, first_channel + c) * kernel[(tap * own + c) * depth + f]
                for tap, place in taps
                for c in range(own)
            )

    if first:
        order = ((n, t, f) for n in range(batch) for f in range(depth) for t in around)
    else:
        order = ((n, t, f) for n in range(batch) for t in around for f in range(depth))
    return [rounded(compute(*at), fields["dtype"]) for at in order]


def rounded(number, dtype):
    """A number rounded to a dtype, ties to even; the sums of `integers` fit the format's range."""
    if dtype == "bfloat16":
        bits = struct.unpack("<I", struct.pack("<f", number))[0]
        return bfloat16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
    if dtype not in ("float16", "float32"):
        return number
    return struct.unpack(f"<{CODES[dtype]}", struct.pack(f"<{CODES[dtype]}", number))[0]
