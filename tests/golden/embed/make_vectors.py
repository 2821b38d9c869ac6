#!/usr/bin/env python3
"""Vectors of texts by a BERT as its makers publish it, in float64 with the erf GELU of its config: vectors/minilm.json.

usage: make_vectors.py FOLDER TEXTS.json OUT.json      FOLDER has tokenizer.json and model.safetensors; needs numpy and tokenizers
"""
import json
import math
import struct
import sys

import numpy as np
from tokenizers import Tokenizer

LAYERS, HEADS, EPS, MAX_TOKENS = 6, 12, 1e-12, 512
erf = np.vectorize(math.erf)


def load(path):
    raw = open(path, "rb").read()
    n, = struct.unpack("<Q", raw[:8])
    return {k: np.frombuffer(raw, "<f4", math.prod(t["shape"]), 8 + n + t["data_offsets"][0]).reshape(t["shape"]).astype(np.float64)
            for k, t in json.loads(raw[8:8 + n]).items() if t.get("dtype") == "F32"}


def embed(w, ids):
    def linear(x, p):
        return x @ w[p + ".weight"].T + w[p + ".bias"]

    def norm(x, p):
        d = x - x.mean(-1, keepdims=True)
        return d / np.sqrt((d ** 2).mean(-1, keepdims=True) + EPS) * w[p + ".weight"] + w[p + ".bias"]

    n, e = len(ids), "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][:n] + w[e + "token_type_embeddings.weight"][0]
    x = norm(x, e + "LayerNorm")
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        q, k, v = (linear(x, p + "attention.self." + s).reshape(n, HEADS, -1).transpose(1, 0, 2) for s in ("query", "key", "value"))
        s = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        s = np.exp(s - s.max(-1, keepdims=True))
        a = (s / s.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, -1)
        x = norm(linear(a, p + "attention.output.dense") + x, p + "attention.output.LayerNorm")
        u = linear(x, p + "intermediate.dense")
        x = norm(linear(0.5 * u * (1 + erf(u / math.sqrt(2))), p + "output.dense") + x, p + "output.LayerNorm")
    return x.mean(0) / np.linalg.norm(x.mean(0))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("\n\n")[1])
    tokenizer = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    w = load(sys.argv[1] + "/model.safetensors")
    rows = []
    for text in json.load(open(sys.argv[2])):
        ids = tokenizer.encode(text).ids[:MAX_TOKENS]
        rows.append(json.dumps({"text": text, "ids": ids, "vector": [float(f"{x:.6f}") for x in embed(w, ids)]}, separators=(",", ":")))
    with open(sys.argv[3], "w") as f:
        f.write("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
