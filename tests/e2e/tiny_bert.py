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


def add_head(source, path, template=None):
    """The same with a head that scores (pooling rank), and perhaps a form of prompts."""
    data = bytearray(pathlib.Path(source).read_bytes())
    n = CONFIG["hidden_size"]
    rng = random.Random(5)
    weight = struct.pack(f"<{n}f", *(rng.gauss(0, 1) for _ in range(n)))
    key = make_bert.key("bert.pooling_type", make_bert.U32, 1)
    at = data.index(key)
    data[at:at + len(key)] = make_bert.key("bert.pooling_type", make_bert.U32, 4)
    n_tensors, n_keys = struct.unpack_from("<QQ", data, 8)
    # where the tensors' data begins is found by walking what stands before it
    at, more = 24, b""
    for _ in range(n_keys):
        at = skip_key(data, at)
    keys_end = at
    for _ in range(n_tensors):
        at = skip_tensor(data, at)
    if template:
        more = make_bert.key("tokenizer.chat_template.rerank", make_bert.STRING, template)
    body = bytes(data[(at + 31) // 32 * 32:])
    info = make_bert.text("cls.output.weight") + struct.pack("<IQQIQ", 2, n, 1, 0, len(body))
    head = struct.pack("<4sIQQ", b"GGUF", 3, n_tensors + 1, n_keys + bool(more)) + bytes(data[24:keys_end]) + more
    head += bytes(data[keys_end:at]) + info
    pathlib.Path(path).write_bytes(head + bytes(-len(head) % 32) + body + weight)
    return path


def skip_text(data, at):
    return at + 8 + struct.unpack_from("<Q", data, at)[0]


def skip_key(data, at):
    at = skip_text(data, at)
    kind, = struct.unpack_from("<I", data, at)
    sizes = {4: 4, 5: 4, 6: 4, 7: 1}
    if kind == 8:
        return skip_text(data, at + 4)
    if kind != 9:
        return at + 4 + sizes[kind]
    item, n = struct.unpack_from("<IQ", data, at + 4)
    at += 16
    for _ in range(n):
        at = skip_text(data, at) if item == 8 else at + sizes[item]
    return at


def skip_tensor(data, at):
    at = skip_text(data, at)
    n_dims, = struct.unpack_from("<I", data, at)
    return at + 4 + 8 * n_dims + 12
