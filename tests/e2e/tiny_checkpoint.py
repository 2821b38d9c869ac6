"""Write tiny models as Hugging Face folders have them (safetensors, config.json, tokenizer.json), and compute in plain Python floats what
they answer: the families' own formulas, written from their published code, with rotation in halves as there. An oracle for conversion.
"""
import json
import math
import random
import struct

from tiny_model import byte_spellings

LLAMA3_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
SPACE = "\u2581"


def round_to(kind, x):
    """The nearest value that the type holds (BF16: cut)."""
    if kind == "F32":
        return struct.unpack("<f", struct.pack("<f", x))[0]
    if kind == "F16":
        return struct.unpack("<e", struct.pack("<e", x))[0]
    return struct.unpack("<f", b"\0\0" + struct.pack("<f", x)[2:])[0]


def raw(kind, values):
    if kind == "F32":
        return struct.pack(f"<{len(values)}f", *values)
    if kind == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    return b"".join(struct.pack("<f", v)[2:] for v in values)


def write_safetensors(path, tensors, kind):
    """tensors: name -> (shape, flat list)"""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (shape, values) in tensors.items():
        blob = raw(kind, values)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


def byte_tokenizer(pattern, n_merges=3):
    """Byte-level BPE: 256 bytes, some merges, two control tokens."""
    spell = byte_spellings()
    vocab = {spell[b]: b for b in range(256)}
    merges = []
    for a, b in (("t", "h"), ("th", "e"), (spell[32], "the"))[:n_merges]:
        merges.append([a, b])
        vocab[a + b] = len(vocab)
    special = [{"id": len(vocab) + i, "content": c, "special": True} for i, c in enumerate(("<|begin|>", "<|end|>"))]
    return {"model": {"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": True}, "added_tokens": special,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"},
                                                                    {"type": "ByteLevel", "use_regex": False}]},
            "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|begin|>"}}, {"Sequence": {"id": "A"}}]}}


def character_tokenizer(prepend):
    """BPE over characters with bytes as a last resort, as Llama 2, Mistral and Gemma have it."""
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for b in range(256):
        vocab[f"<0x{b:02X}>"] = len(vocab)
    for c in SPACE + "abcdefghijklmnopqrstuvwxyz.":
        vocab[c] = len(vocab)
    merges = []
    for a, b in ((SPACE, "t"), ("h", "e"), (SPACE + "t", "he"), ("c", "a"), ("ca", "t")):
        merges.append(f"{a} {b}")
        vocab[a + b] = len(vocab)
    steps = ([{"type": "Prepend", "prepend": SPACE}] if prepend else []) + [{"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]
    return {"model": {"type": "BPE", "vocab": vocab, "merges": merges, "byte_fallback": True, "unk_token": "<unk>"},
            "normalizer": {"type": "Sequence", "normalizers": steps},
            "added_tokens": [{"id": i, "content": c, "special": True} for i, c in enumerate(("<unk>", "<s>", "</s>"))]}


class Decoder:
    """llama, mistral, qwen2, qwen3 or gemma3_text with random weights."""

    def __init__(self, family, kind="F32", tokenizer=None, tied=False, seed=1, **config):
        self.family, self.kind, self.tokenizer = family, kind, tokenizer
        rng = random.Random(seed)
        n_tokens = max(max(tokenizer["model"]["vocab"].values()), max(a["id"] for a in tokenizer["added_tokens"])) + 1
        self.n_vocab = n_tokens + 3  # rows without a token
        self.c = dict({"model_type": family, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                       "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                       "tie_word_embeddings": tied}, **config)
        c, self.t = self.c, {}
        d, ff, hd, nq, nk = c["hidden_size"], c["intermediate_size"], c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"]

        def put(name, *shape, scale=0.4, middle=0.0):
            n = math.prod(shape)
            self.t[name] = (shape, [round_to(kind, middle + rng.uniform(-scale, scale)) for _ in range(n)])

        one = 0.0 if family == "gemma3_text" else 1.0
        put("model.embed_tokens.weight", self.n_vocab, d, scale=1.0)
        put("model.norm.weight", d, scale=0.3, middle=one)
        if not tied:
            put("lm_head.weight", self.n_vocab, d)
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            put(p + "input_layernorm.weight", d, scale=0.3, middle=one)
            put(p + "post_attention_layernorm.weight", d, scale=0.3, middle=one)
            for name, rows in (("q", nq * hd), ("k", nk * hd), ("v", nk * hd)):
                put(p + f"self_attn.{name}_proj.weight", rows, d)
                if family == "qwen2":
                    put(p + f"self_attn.{name}_proj.bias", rows)
            put(p + "self_attn.o_proj.weight", d, nq * hd)
            if family in ("qwen3", "gemma3_text"):
                put(p + "self_attn.q_norm.weight", hd, scale=0.3, middle=one)
                put(p + "self_attn.k_norm.weight", hd, scale=0.3, middle=one)
            if family == "gemma3_text":
                put(p + "pre_feedforward_layernorm.weight", d, scale=0.3)
                put(p + "post_feedforward_layernorm.weight", d, scale=0.3)
            put(p + "mlp.gate_proj.weight", ff, d)
            put(p + "mlp.up_proj.weight", ff, d)
            put(p + "mlp.down_proj.weight", d, ff)

    def save(self, folder, shards=1, **settings):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(self.c))
        (folder / "tokenizer.json").write_text(json.dumps(self.tokenizer))
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        names = list(self.t)
        for i in range(shards):
            part = {n: self.t[n] for n in names[i::shards]}
            write_safetensors(folder / f"model-{i + 1:05}-of-{shards:05}.safetensors", part, self.kind)
        return folder

    # ---- the model's own formulas ----

    def apply(self, name, x):
        (rows, columns), w = self.t[name + ".weight"]
        bias = self.t.get(name + ".bias", (None, [0.0] * rows))[1]
        return [sum(w[r * columns + k] * x[k] for k in range(columns)) + bias[r] for r in range(rows)]

    def norm(self, name, x):
        w = self.t[name + ".weight"][1]
        plus = 1.0 if self.family == "gemma3_text" else 0.0
        s = 1 / math.sqrt(sum(v * v for v in x) / len(x) + self.c["rms_norm_eps"])
        return [v * s * (w[i] + plus) for i, v in enumerate(x)]

    def frequencies(self, base):
        hd, scaling = self.c["head_dim"], self.c.get("rope_scaling")
        out = [base ** (-2 * i / hd) for i in range(hd // 2)]
        kind = scaling and scaling.get("rope_type", scaling.get("type"))
        if not scaling or kind == "default":
            return out
        if kind == "linear":
            return [f / scaling["factor"] for f in out]
        if kind == "yarn":
            old = scaling.get("original_max_position_embeddings", self.c["max_position_embeddings"])
            low, high = (hd * math.log(old / (turns * 2 * math.pi)) / (2 * math.log(base)) for turns in (32, 1))
            low, high = max(math.floor(low), 0), min(math.ceil(high), hd - 1)
            ramp = [min(max((i - low) / (high - low if high != low else 0.001), 0), 1) for i in range(hd // 2)]
            return [f / scaling["factor"] * r + f * (1 - r) for f, r in zip(out, ramp)]
        for i, f in enumerate(out):  # llama3
            wave, old = 2 * math.pi / f, scaling["original_max_position_embeddings"]
            low, high = old / scaling["low_freq_factor"], old / scaling["high_freq_factor"]
            smooth = (old / wave - scaling["low_freq_factor"]) / (scaling["high_freq_factor"] - scaling["low_freq_factor"])
            if wave > low:
                out[i] = f / scaling["factor"]
            elif wave >= high:
                out[i] = (1 - smooth) * f / scaling["factor"] + smooth * f
        return out

    def magnitude(self):
        """What YaRN multiplies cos and sin with."""
        scaling = self.c.get("rope_scaling")
        return 0.1 * math.log(scaling["factor"]) + 1 if scaling and scaling.get("rope_type", scaling.get("type")) == "yarn" else 1.0

    def heads(self, prefix, name, x, n, position, freqs):
        hd, m = self.c["head_dim"], self.magnitude()
        flat = self.apply(prefix + f"self_attn.{name}_proj", x)
        out = [flat[i * hd:(i + 1) * hd] for i in range(n)]
        if name == "v":
            return out
        for h in range(n):
            if prefix + f"self_attn.{name}_norm.weight" in self.t:
                out[h] = self.norm(prefix + f"self_attn.{name}_norm", out[h])
            v, half = out[h], hd // 2
            turned = list(v)
            for i in range(half):
                a = position * freqs[i]
                turned[i] = (v[i] * math.cos(a) - v[i + half] * math.sin(a)) * m
                turned[i + half] = (v[i + half] * math.cos(a) + v[i] * math.sin(a)) * m
            out[h] = turned
        return out

    def logits(self, ids):
        """Of every position."""
        c, gemma = self.c, self.family == "gemma3_text"
        nq, nk, hd, d = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], c["hidden_size"]
        table = self.t["model.embed_tokens.weight"][1]
        xs = [[v * (math.sqrt(d) if gemma else 1) for v in table[i * d:(i + 1) * d]] for i in ids]
        for layer in range(c["num_hidden_layers"]):
            p = f"model.layers.{layer}."
            windowed = gemma and layer % 6 != 5
            plain = c.get("rope_local_base_freq", 10000.0)
            freqs = [plain ** (-2 * i / hd) for i in range(hd // 2)] if windowed else self.frequencies(c["rope_theta"])
            hs = [self.norm(p + "input_layernorm", x) for x in xs]
            q = [self.heads(p, "q", h, nq, i, freqs) for i, h in enumerate(hs)]
            k = [self.heads(p, "k", h, nk, i, freqs) for i, h in enumerate(hs)]
            v = [self.heads(p, "v", h, nk, i, freqs) for i, h in enumerate(hs)]
            for i in range(len(xs)):
                mixed = []
                for h in range(nq):
                    g = h * nk // nq
                    first = max(0, i - c["sliding_window"] + 1) if windowed else 0
                    s = [sum(a * b for a, b in zip(q[i][h], k[j][g])) / math.sqrt(hd) for j in range(first, i + 1)]
                    top = max(s)
                    e = [math.exp(x - top) for x in s]
                    mixed += [sum(e[j] * v[first + j][g][n] for j in range(len(e))) / sum(e) for n in range(hd)]
                out = self.apply(p + "self_attn.o_proj", mixed)
                if gemma:
                    out = self.norm(p + "post_attention_layernorm", out)
                x = [a + b for a, b in zip(xs[i], out)]
                h = self.norm(p + ("pre_feedforward_layernorm" if gemma else "post_attention_layernorm"), x)
                gate, up = self.apply(p + "mlp.gate_proj", h), self.apply(p + "mlp.up_proj", h)
                if gemma:
                    act = [0.5 * a * (1 + math.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a ** 3))) for a in gate]
                else:
                    act = [a / (1 + math.exp(-a)) for a in gate]
                out = self.apply(p + "mlp.down_proj", [a * b for a, b in zip(act, up)])
                if gemma:
                    out = self.norm(p + "post_feedforward_layernorm", out)
                xs[i] = [a + b for a, b in zip(x, out)]
        head = "model.embed_tokens" if c["tie_word_embeddings"] else "lm_head"
        return [self.apply(head, self.norm("model.norm", x)) for x in xs]

    def logprobs(self, ids):
        """Of ids[1:], each behind those before it."""
        out = []
        for row, want in zip(self.logits(ids), ids[1:]):
            top = max(row)
            out.append(row[want] - top - math.log(sum(math.exp(v - top) for v in row)))
        return out
