#!/usr/bin/env python3
"""Write TYPE.txt for every weight type: blocks of raw bytes and the f32 values they stand for.

The values come from the `gguf` Python package's dequantize; format: ORIGIN.md. Blocks are random bytes with scales set
to sane values, then the corners: all bits zero, all ones (with a finite scale), negative and subnormal scales.
"""
import os, random, struct
import numpy as np
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES, dequantize, quantize

HERE = os.path.dirname(os.path.abspath(__file__))
# where the f16 scales stand in a block: offsets in bytes
HALVES = {"q4_0": [0], "q4_1": [0, 2], "q5_0": [0], "q5_1": [0, 2], "q8_0": [0], "q2_k": [80, 82], "q3_k": [108], "q4_k": [0, 2],
          "q5_k": [0, 2], "q6_k": [208], "iq4_nl": [0], "iq4_xs": [0], "mxfp4": []}
FLOATS = {"f32": [0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x00000001, 0x80000001, 0x007FFFFF, 0x7F7FFFFF, 0xFF7FFFFF, 0x3EAAAAAB, 0x40490FDB, 0x7F800000, 0xFF800000],
          "f16": [0x0000, 0x8000, 0x3C00, 0xBC00, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3555, 0x4248, 0x7C00, 0xFC00],
          "bf16": [0x0000, 0x8000, 0x3F80, 0xBF80, 0x0001, 0x8001, 0x007F, 0x0080, 0x7F7F, 0xFF7F, 0x3EAB, 0x4049, 0x7F80, 0xFF80]}


def half(x):
    return struct.pack("<e", x)


def blocks(name, size, rng):
    scales = [0.0123, -0.0371, 1.0, 0.5, 6e-8, -2e-5, 37.5, -1.0]
    for k in range(8):
        b = bytearray(rng.randbytes(size))
        if k == 6:
            b = bytearray(size)
        if k == 7:
            b = bytearray(b"\xff" * size)
        for j, at in enumerate(HALVES[name]):
            b[at:at + 2] = half(scales[k] * (1 if j == 0 else -7.25))
        if name == "mxfp4":
            b[0] = [127, 120, 130, 1, 0, 2, 254, 100][k]
        yield bytes(b)


def line(values):
    """Shortest decimals that read back as the same f32."""
    return " ".join(str(v) for v in values)


def write_quantize(name, rng):
    """The other direction, for the types that can be written: f32 values (little endian, hex), then the block's bytes."""
    qt = getattr(T, name.upper())
    rows = [np.array([rng.gauss(0, s) for _ in range(32)], np.float32) for s in (1.0, 0.02, 300.0)]
    rows += [np.zeros(32, np.float32), np.full(32, -0.75, np.float32), np.arange(32, dtype=np.float32) - 15.5,
             np.array([1e-8 * (-1) ** i for i in range(32)], np.float32), np.array([(i % 5) * 0.5 for i in range(32)], np.float32)]
    with open(os.path.join(HERE, "quantize_" + name + ".txt"), "w") as f:
        f.write(f"type {name} weights 32 bytes {32 // GGML_QUANT_SIZES[qt][0] * GGML_QUANT_SIZES[qt][1]}\n")
        for row in rows:
            f.write(row.tobytes().hex() + "\n" + quantize(row.reshape(1, -1), qt).tobytes().hex() + "\n")


def main():
    rng = random.Random(7)
    for name in list(HALVES) + list(FLOATS):
        qt = getattr(T, name.upper())
        per, size = GGML_QUANT_SIZES[qt]
        with open(os.path.join(HERE, name + ".txt"), "w") as f:
            f.write(f"type {name} weights {per} bytes {size}\n")
            if name in FLOATS:
                n = struct.calcsize("<I" if name == "f32" else "<H")
                raws = [b"".join(v.to_bytes(n, "little") for v in FLOATS[name])]
            else:
                raws = list(blocks(name, size, rng))
            for raw in raws:
                data = np.frombuffer(raw, np.uint8 if name not in ("f32", "f16") else (np.float32 if name == "f32" else np.float16)).reshape(1, -1)
                with np.errstate(all="ignore"):
                    out = dequantize(data, qt).astype(np.float32).ravel()
                f.write(raw.hex() + "\n" + line(out) + "\n")
    for name in ("f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"):
        write_quantize(name, rng)


if __name__ == "__main__":
    main()
