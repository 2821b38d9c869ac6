"""A tiny BERT with random weights as a GGUF file, by the way that real ones take (tests/golden/embed/make_bert.py)."""
import json
import math
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden/embed"))
import make_bert  # noqa: E402

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *",.!", *("##" + c for c in LETTERS), "hello", "world", "##ing"]
CONFIG = {"vocab_size": len(VOCAB), "num_hidden_layers": 2, "max_position_embeddings": 64, "hidden_size": 32, "intermediate_size": 64,
          "num_attention_heads": 2, "layer_norm_eps": 1e-12, "type_vocab_size": 2}


def shapes():
    n, ff, e = CONFIG["hidden_size"], CONFIG["intermediate_size"], "embeddings."
    out = {e + "word_embeddings.weight": [len(VOCAB), n], e + "token_type_embeddings.weight": [2, n],
           e + "position_embeddings.weight": [CONFIG["max_position_embeddings"], n]}
    norms, linears = [e + "LayerNorm"], {}
    for i in range(CONFIG["num_hidden_layers"]):
        p = f"encoder.layer.{i}."
        norms += [p + "attention.output.LayerNorm", p + "output.LayerNorm"]
        linears |= {p + s: [n, n] for s in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")}
        linears |= {p + "intermediate.dense": [ff, n], p + "output.dense": [n, ff]}
    for name, shape in [*((k, [n]) for k in norms), *linears.items()]:
        out |= {name + ".weight": shape, name + ".bias": shape[:1]}
    return out


def make(path, seed=1):
    rng, head, data = random.Random(seed), {}, b""
    for name, shape in shapes().items():
        middle = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        part = struct.pack(f"<{math.prod(shape)}f", *(middle + 0.3 * rng.gauss(0, 1) for _ in range(math.prod(shape))))
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    words = json.dumps(head).encode()
    weights = struct.pack("<Q", len(words)) + words + data
    make_bert.make(json.dumps(CONFIG).encode(), "\n".join(VOCAB).encode(), weights, "tiny-bert", str(path))
    return path
