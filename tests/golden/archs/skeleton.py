#!/usr/bin/env python3
"""Tiny models without their weights: metadata, shapes, a formula for each tensor, and the logits that follow.

usage: skeleton.py make                         write qwen3.json, mixtral.json and VARIANTS: logits by evaluate() below
       skeleton.py carry NAME.skeleton.json NAME.expected.json     from the reference engine's record: write NAME.json
       skeleton.py check NAME.json...           evaluate() against the record, where it knows the architecture
       skeleton.py fill NAME.json OUT.gguf      the model as a file

NAME.json: {"seed", "kv": [[key, kind, value], ...], "tensors": [[name, [ne0, ne1, ...], type, base, spread], ...], "tokens",
"n_vocab", "tolerance", "rows": [{"sum", "rms", "top": [[id, logit] x 8]}, ...]}. ne0 runs fastest. Element i of a tensor is
    f32(base + spread * v),  v = ((z >> 40) - 2^23) / 2^23 in [-1, 1),  z = splitmix64's mix of h + (i + 1) * 0x9E3779B97F4A7C15,
    h = FNV-1a 64 of the tensor's name xor seed * 0xD1342543DE82EF95 mod 2^64
in double precision, rounded once. tests/golden/skeleton.h does the same in C. Standard library only.
"""
import array
import json
import math
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
M64 = (1 << 64) - 1
KINDS = {"u8": (0, "<B"), "i8": (1, "<b"), "u16": (2, "<H"), "i16": (3, "<h"), "u32": (4, "<I"), "i32": (5, "<i"),
         "f32": (6, "<f"), "bool": (7, "<?"), "str": (8, None), "u64": (10, "<Q"), "i64": (11, "<q"), "f64": (12, "<d")}
# (pattern, base, spread): the first that is found in a tensor's name; a word is worked out from the shape.
RULES = [
    (r"norm[^.]*\.bias$|\bbias$", 0.0, "bias"),
    (r"exp_probs_b", 0.0, 0.25),
    (r"rope_freqs|rope_factors", 2.0, 1.0),
    (r"attn_sinks", 0.0, 1.0),
    (r"norm", 1.0, 0.25),
    (r"token_embd", 0.0, 3.0 ** 0.5),
    (r"position_embd|token_types", 0.0, 0.5),
    (r"ffn_gate_inp", 0.0, "router"),
    (r"", 0.0, "fan_in"),
]


def rule_of(name, dims):
    for pattern, base, spread in RULES:
        if re.search(pattern, name):
            words = {"fan_in": math.sqrt(3.0 / dims[0]), "router": 2.0 * math.sqrt(3.0 / dims[0]), "bias": 0.1}
            return base, float(words.get(spread, spread))
    raise AssertionError


def numbers(name, seed, n, base, spread):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & M64
    h ^= (seed * 0xD1342543DE82EF95) & M64
    out = array.array("f", bytes(4 * n))
    for i in range(n):
        z = (h + (i + 1) * 0x9E3779B97F4A7C15) & M64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        z ^= z >> 31
        out[i] = base + spread * (((z >> 40) - (1 << 23)) / float(1 << 23))
    return out


def tensors_of(model):
    return {name: (dims, numbers(name, model["seed"], math.prod(dims), base, spread)) for name, dims, _, base, spread in model["tensors"]}


def fill(model, path):
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()

    def value(kind, v):
        return text(v) if kind == "str" else struct.pack(KINDS[kind][1], v)

    head, body = b"", b""
    for key, kind, v in model["kv"]:
        head += text(key)
        if kind.startswith("arr:"):
            head += struct.pack("<IIQ", 9, KINDS[kind[4:]][0], len(v)) + b"".join(value(kind[4:], x) for x in v)
        else:
            head += struct.pack("<I", KINDS[kind][0]) + value(kind, v)
    for name, (dims, data) in tensors_of(model).items():
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, len(body))
        body += data.tobytes() + b"\0" * (-4 * len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(model["tensors"]), len(model["kv"])) + head
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % 32) + body)


class Decoder:
    """A plain float64 decoder: RMS norm, rotary positions, grouped queries, SwiGLU, experts; windows, soft caps and GeGLU of gemma.
    One token at a time, no kernels."""

    def __init__(self, model):
        kv = {key: v for key, _, v in model["kv"]}
        self.arch = kv["general.architecture"]
        get = lambda key, default=None: kv.get(f"{self.arch}.{key}", default)  # noqa: E731
        self.w = {}
        for name, (dims, data) in tensors_of(model).items():
            rows = [list(data[i:i + dims[0]]) for i in range(0, len(data), dims[0])]
            self.w[name] = rows if len(dims) > 1 else rows[0]
            if len(dims) == 3:
                self.w[name] = [rows[e * dims[1]:(e + 1) * dims[1]] for e in range(dims[2])]
        self.n_layers = get("block_count")
        each = lambda v: v if isinstance(v, list) else [v] * self.n_layers  # noqa: E731
        self.n_heads = each(get("attention.head_count"))
        self.n_kv = each(get("attention.head_count_kv", self.n_heads))
        head_dim = get("attention.key_length", get("embedding_length") // self.n_heads[0])
        n_rot = get("rope.dimension_count", head_dim)
        self.eps, self.theta = get("attention.layer_norm_rms_epsilon"), get("rope.freq_base", 10000.0)
        self.n_used = get("expert_used_count", 0)
        self.is_gemma = self.arch.startswith("gemma")
        self.cap = get("attn_logit_softcapping", 50.0 if self.arch == "gemma2" else 0)
        self.final_cap = get("final_logit_softcapping", 30.0 if self.arch == "gemma2" else 0)
        self.embd_scale = math.sqrt(get("embedding_length")) if self.is_gemma else 1.0
        self.window = (get("attention.sliding_window") or {"gemma2": 4096}.get(self.arch, 0)) if self.is_gemma else 0
        pattern = get("attention.sliding_window_pattern", {"gemma2": 2}.get(self.arch, 6))
        self.windowed = [self.window > 0 and bool(pattern[i] if isinstance(pattern, list) else pattern == 0 or (i + 1) % pattern)
                         for i in range(self.n_layers)]
        self.head_dim = [get("attention.key_length_swa", head_dim) if w else head_dim for w in self.windowed]
        self.turns = self.angles(n_rot, self.theta, get), get("rope.scaling.type") == "yarn" and 1 + 0.1 * math.log(get("rope.scaling.factor")) or 1.0
        # Gemma 3's windowed layers have a base of their own, to which no scaling applies; all others rotate as the rest.
        self.turns_windowed = self.turns if self.arch != "gemma3" else (
            self.angles(get("rope.dimension_count_swa", n_rot), get("rope.freq_base_swa", 10000.0), lambda *_: None), 1.0)
        self.cache = [([], []) for _ in range(self.n_layers)]

    def norm(self, x, name):
        scale = 1.0 / math.sqrt(sum(v * v for v in x) / len(x) + f32(self.eps))
        return [v * scale * g for v, g in zip(x, self.w[name])]

    def angles(self, n_rot, theta, get):
        """Radians of each pair per position, stretched as the file says: linearly, or by YaRN (arXiv 2309.00071, beta 32 and 1)."""
        n, out = n_rot // 2, []
        freqs, factor = self.w.get("rope_freqs.weight", [1.0] * n), get("rope.scaling.factor", 1.0) or 1.0
        pair_of = lambda turns: n_rot * math.log(get("rope.scaling.original_context_length") / (turns * 2 * math.pi)) / (2 * math.log(theta))  # noqa: E731
        for i in range(n):
            fast, keep = f32(theta) ** (-2.0 * i / n_rot) / freqs[i], 0.0
            if get("rope.scaling.type") == "yarn":
                low, high = max(0, math.floor(pair_of(32))), min(n_rot - 1, math.ceil(pair_of(1)))
                keep = 1 - min(1, max(0, (i - low) / max(0.001, high - low)))
            out.append(fast / factor * (1 - keep) + fast * keep)
        return out

    def rope(self, x, pos, layer):
        """Neighbours for llama, halves for the others."""
        angles, scale = self.turns_windowed if self.windowed[layer] else self.turns
        half, out = len(angles), list(x)
        for i in range(half):
            c, s = math.cos(pos * angles[i]) * scale, math.sin(pos * angles[i]) * scale
            a, b = (2 * i, 2 * i + 1) if self.arch == "llama" else (i, i + half)
            out[a] = x[a] * c - x[b] * s
            out[b] = x[a] * s + x[b] * c
        return out

    def heads(self, x, layer, what, n, pos):
        """The heads of q, k or v (what: its letter), which may be rows of one tensor."""
        n_heads, size = self.n_heads[layer], self.head_dim[layer]
        p, begin = f"blk.{layer}.", {"q": 0, "k": n_heads, "v": n_heads + self.n_kv[layer]}[what]
        part = lambda name: self.w[f"{p}attn_{what}.{name}"] if f"{p}attn_{what}.{name}" in self.w else \
            self.w.get(f"{p}attn_qkv.{name}", [])[begin * size:(begin + n) * size]  # noqa: E731
        y, bias = mul(part("weight"), x), part("bias")
        if bias:
            y = [a + b for a, b in zip(y, bias)]
        out = [y[i * size:(i + 1) * size] for i in range(n)]
        if what != "v" and f"{p}attn_{what}_norm.weight" in self.w:
            out = [self.norm(h, f"{p}attn_{what}_norm.weight") for h in out]
        return out if what == "v" else [self.rope(h, pos, layer) for h in out]

    def attention(self, x, layer, pos):
        n_heads, n_kv, head_dim = self.n_heads[layer], self.n_kv[layer], self.head_dim[layer]
        q = self.heads(x, layer, "q", n_heads, pos)
        keys, values = self.cache[layer]
        keys.append(self.heads(x, layer, "k", n_kv, pos))
        values.append(self.heads(x, layer, "v", n_kv, pos))
        first = max(0, pos - self.window + 1) if self.windowed[layer] else 0
        out = []
        for h in range(n_heads):
            g = h // (n_heads // n_kv)
            scores = [sum(a * b for a, b in zip(q[h], k[g])) / math.sqrt(head_dim) for k in keys[first:]]
            scores = softmax([self.cap * math.tanh(s / self.cap) for s in scores] if self.cap else scores)
            out += [sum(s * v[g][c] for s, v in zip(scores, values[first:])) for c in range(head_dim)]
        return mul(self.w[f"blk.{layer}.attn_output.weight"], out)

    def feed_forward(self, x, gate, up, down):
        silu = lambda g: g / (1.0 + math.exp(-g))  # noqa: E731
        gelu = lambda g: g / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (g + 0.044715 * g ** 3)))  # noqa: E731
        return mul(down, [(gelu if self.is_gemma else silu)(g) * u for g, u in zip(mul(gate, x), mul(up, x))])

    def experts(self, x, p):
        """Of all experts' probabilities the largest, made to sum to one."""
        probs = softmax(mul(self.w[p + "ffn_gate_inp.weight"], x))
        chosen = sorted(range(len(probs)), key=lambda e: (-probs[e], e))[:self.n_used]
        out, total = [0.0] * len(x), sum(probs[e] for e in chosen)
        for e in chosen:
            y = self.feed_forward(x, *(self.w[f"{p}ffn_{part}_exps.weight"][e] for part in ("gate", "up", "down")))
            out = [o + probs[e] / total * v for o, v in zip(out, y)]
        return out

    def join(self, x, y, name):
        """x + y, behind y's own norm where it has one."""
        return [a + b for a, b in zip(x, self.norm(y, name) if name in self.w else y)]

    def step(self, token, pos):
        x = [v * self.embd_scale for v in self.w["token_embd.weight"][token]]
        for layer in range(self.n_layers):
            p = f"blk.{layer}."
            x = self.join(x, self.attention(self.norm(x, p + "attn_norm.weight"), layer, pos), p + "post_attention_norm.weight")
            h = self.norm(x, p + "ffn_norm.weight")
            if self.n_used:
                y = self.experts(h, p)
            else:
                y = self.feed_forward(h, *(self.w[f"{p}ffn_{part}.weight"] for part in ("gate", "up", "down")))
            x = self.join(x, y, p + "post_ffw_norm.weight")
        logits = mul(self.w.get("output.weight", self.w["token_embd.weight"]), self.norm(x, "output_norm.weight"))
        return [self.final_cap * math.tanh(v / self.final_cap) for v in logits] if self.final_cap else logits


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def mul(w, x):
    return [sum(a * b for a, b in zip(row, x)) for row in w]


def softmax(x):
    e = [math.exp(v - max(x)) for v in x]
    return [v / sum(e) for v in e]


def row_of(logits):
    top = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:8]
    form = lambda v: float(f"{v:.7g}")  # noqa: E731
    return {"sum": form(sum(logits)), "rms": form(math.sqrt(sum(v * v for v in logits) / len(logits))), "top": [[i, form(logits[i])] for i in top]}


def evaluate(model):
    d = Decoder(model)
    return [row_of(d.step(token, pos)) for pos, token in enumerate(model["tokens"])]


def distance(want, got, n_vocab):
    """Root mean square of the differences, over the rms of the logits, as test_arch_logits.c takes it."""
    parts = []
    for w, g in zip(want, got):
        parts.append(((w["sum"] - g["sum"]) / w["rms"] / math.sqrt(n_vocab)) ** 2)
        parts += [((a - b) / w["rms"]) ** 2 if i == j else 1.0 for (i, a), (j, b) in zip(w["top"], g["top"])]
    return math.sqrt(sum(parts) / len(parts))


def save(model, path):
    order = ("name", "note", "reference", "seed", "n_vocab", "tolerance")
    parts = [json.dumps(k) + ": " + json.dumps(model[k]) for k in order if k in model]
    parts.append('"tokens": ' + json.dumps(model["tokens"], separators=(",", ":")))
    if "vector" in model:
        parts.append('"n_embd": ' + json.dumps(model["n_embd"]) + ',\n"vector": ' + json.dumps(model["vector"]))
    for k in ("kv", "tensors", "rows"):
        if k not in model:
            continue
        parts.append(f'"{k}": [\n' + ",\n".join(json.dumps(row, separators=(",", ":")) for row in model[k]) + "\n]")
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(parts) + "\n}\n")


def carry(skeleton, expected):
    """A skeleton whose rules are worked out, with the exact rows where there are any; of an encoder with its vector."""
    tensors = [[t[0], t[1], t[2], *((t[3]["base"], t[3]["spread"]) if len(t) > 3 else rule_of(t[0], t[1]))] for t in skeleton["tensors"]]
    exact = "exact_" if "exact_tolerance" in expected else ""
    model = {"name": skeleton["name"], "note": skeleton.get("notes", ""), "seed": skeleton["seed"], "n_vocab": expected["n_vocab"],
             "reference": "float64, tanh GELU" if exact else expected["reference"], "tolerance": expected[exact + "tolerance"],
             "tokens": expected["tokens"], "kv": skeleton["kv"], "tensors": tensors}
    if "pooling" not in expected:
        return dict(model, rows=expected[exact + "rows"])
    vector = expected["exact"] if exact else expected
    return dict(model, n_embd=expected["n_embd"], vector={k: vector[k] for k in ("norm", "sum", "first")})


def new_model(name, arch, seed, n_experts, n_used, head_dim, has_qk_norm, theta, n_layers=3, n_embd=64, n_heads=6, n_kv=2, n_ff=48,
              expert_ff=None, is_fused=False, has_bias=False, keys=(), note=None, head_dims=None):
    """n_heads, n_kv and n_ff may be lists, with a number for each layer; head_dims: the sizes of heads where they are not all head_dim."""
    n_vocab, is_gemma = 128, arch.startswith("gemma")
    each = lambda v: v if isinstance(v, list) else [v] * n_layers  # noqa: E731
    all_heads, all_kv, all_ff, all_dims = each(n_heads), each(n_kv), each(expert_ff or n_ff), head_dims or each(head_dim)
    as_key = lambda v: ("arr:u32" if isinstance(v, list) else "u32", v)  # noqa: E731
    tensors = [["token_embd.weight", [n_embd, n_vocab]], ["output_norm.weight", [n_embd]]]
    tensors += [] if is_gemma else [["output.weight", [n_embd, n_vocab]]]
    for i in range(n_layers):
        p, head_dim_i, ff = f"blk.{i}.", all_dims[i], all_ff[i]
        q, k = all_heads[i] * head_dim_i, all_kv[i] * head_dim_i
        parts = [("qkv", q + 2 * k)] if is_fused else [("q", q), ("k", k), ("v", k)]
        tensors += [[p + "attn_norm.weight", [n_embd]], *([f"{p}attn_{what}.weight", [n_embd, rows]] for what, rows in parts),
                    [p + "attn_output.weight", [q, n_embd]], [p + "ffn_norm.weight", [n_embd]]]
        if has_bias:
            tensors += [[f"{p}attn_{what}.bias", [rows]] for what, rows in parts]
        if has_qk_norm:
            tensors += [[p + "attn_q_norm.weight", [head_dim_i]], [p + "attn_k_norm.weight", [head_dim_i]]]
        if is_gemma:
            tensors += [[p + "post_attention_norm.weight", [n_embd]], [p + "post_ffw_norm.weight", [n_embd]]]
        by_expert, ending = ([n_experts], "_exps") if n_experts else ([], "")
        if n_experts:
            tensors.append([p + "ffn_gate_inp.weight", [n_embd, n_experts]])
        tensors += [[f"{p}ffn_gate{ending}.weight", [n_embd, ff, *by_expert]], [f"{p}ffn_up{ending}.weight", [n_embd, ff, *by_expert]],
                    [f"{p}ffn_down{ending}.weight", [ff, n_embd, *by_expert]]]
    kv = [["general.architecture", "str", arch], [f"{arch}.block_count", "u32", n_layers], [f"{arch}.context_length", "u32", 128],
          [f"{arch}.embedding_length", "u32", n_embd], [f"{arch}.feed_forward_length", *as_key(n_ff)],
          [f"{arch}.attention.head_count", *as_key(n_heads)], [f"{arch}.attention.head_count_kv", *as_key(n_kv)],
          [f"{arch}.attention.key_length", "u32", head_dim], [f"{arch}.attention.value_length", "u32", head_dim],
          [f"{arch}.attention.layer_norm_rms_epsilon", "f32", 0.004], [f"{arch}.rope.freq_base", "f32", theta],
          [f"{arch}.rope.dimension_count", "u32", head_dim], [f"{arch}.vocab_size", "u32", n_vocab], ["tokenizer.ggml.model", "str", "none"]]
    if n_experts:
        kv += [[f"{arch}.expert_count", "u32", n_experts], [f"{arch}.expert_used_count", "u32", n_used]]
    kv += [[f"{arch}.{key}", kind, value] for key, kind, value in keys]
    state, tokens = seed, []
    for _ in range(40):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        tokens.append((state >> 8) % n_vocab)
    model = {"name": name, "seed": seed, "n_vocab": n_vocab, "reference": "float64 (skeleton.py)", "tolerance": 2e-6, "tokens": tokens, "kv": kv,
             "tensors": [[n, dims, "f32", *rule_of(n, dims)] for n, dims in tensors]}
    if note:
        model["note"] = note
    return dict(model, rows=evaluate(model))


LINEAR = [["rope.scaling.type", "str", "linear"], ["rope.scaling.factor", "f32", 4.0]]
YARN = [["rope.scaling.type", "str", "yarn"], ["rope.scaling.factor", "f32", 4.0], ["rope.scaling.original_context_length", "u32", 32]]
WINDOW = [["attention.sliding_window", "u32", 8]]
SMALL = dict(n_embd=32, n_heads=2, n_kv=1, n_ff=32)
VARIANTS = [
    ("llama-heads-100", ("llama", 80, 0, 0, 100, False, 1e4), dict(SMALL, n_layers=2, n_heads=3), "heads of 100 values"),
    ("llama-heads-6", ("llama", 81, 0, 0, 6, False, 1e4), dict(SMALL, n_layers=2, n_heads=4, n_kv=2), "heads of 6 values"),
    ("llama-group-71", ("llama", 82, 0, 0, 4, False, 1e4), dict(SMALL, n_layers=2, n_heads=71), "71 query heads for one key/value head, of 4 values"),
    ("llama-fused", ("llama", 83, 0, 0, 16, False, 1e4), dict(SMALL, n_layers=2, n_heads=4, n_kv=2, is_fused=True),
     "query, key and value are rows of attn_qkv"),
    ("llama-by-layer", ("llama", 92, 0, 0, 12, False, 1e4), dict(n_layers=4, n_embd=32, n_heads=[4, 6, 2, 6], n_kv=[2, 1, 2, 3], n_ff=[48, 96, 32, 160]),
     "heads, key/value heads and feed-forward widths differ by layer; heads of 12 values"),
    ("llama-by-layer-8", ("llama", 94, 0, 0, 8, False, 1e4), dict(n_layers=3, n_embd=32, n_heads=[4, 8, 2], n_kv=[2, 1, 2], n_ff=[64, 32, 96]),
     "as llama-by-layer, heads of 8 values, and the last layer is the narrowest"),
    ("qwen2-fused", ("qwen2", 84, 0, 0, 12, False, 1e6), dict(SMALL, n_layers=2, n_heads=4, n_kv=2, is_fused=True, has_bias=True),
     "attn_qkv with a bias, heads of 12 values"),
    ("qwen3moe-split", ("qwen3moe", 85, 4, 2, 16, True, 1e6), dict(SMALL, n_layers=2, n_ff=48, expert_ff=24),
     "no expert_feed_forward_length: the experts in use share feed_forward_length"),
    ("gemma3-no-window", ("gemma3", 86, 0, 0, 16, True, 1e6), dict(SMALL, keys=YARN), "no sliding_window: every layer sees everything and rotates by "
     "the file's base and YaRN"),
    ("gemma3-window-0", ("gemma3", 87, 0, 0, 16, True, 1e6), dict(SMALL, keys=[["attention.sliding_window", "u32", 0], *LINEAR]), "a window of 0 is none"),
    ("gemma3-pattern-3", ("gemma3", 88, 0, 0, 16, True, 1e6), dict(SMALL, n_layers=4, keys=[*WINDOW, ["attention.sliding_window_pattern", "u32", 3], *LINEAR]),
     "every third layer sees everything, and it alone is stretched"),
    ("gemma3-heads-by-window", ("gemma3", 93, 0, 0, 20, True, 1e6),
     dict(SMALL, n_layers=4, n_heads=4, n_kv=2, head_dims=[8, 8, 20, 8],
          keys=[*WINDOW, ["attention.sliding_window_pattern", "u32", 3], ["attention.key_length_swa", "u32", 8], ["attention.value_length_swa", "u32", 8],
                ["rope.dimension_count_swa", "u32", 6], *LINEAR]), "windowed layers have heads of 8 values, of which 6 turn; the others 20"),
    ("gemma2-linear", ("gemma2", 90, 0, 0, 16, False, 1e4), dict(SMALL, keys=[*WINDOW, *LINEAR]), "linear scaling holds for windowed layers too"),
    ("gemma2-pattern-3", ("gemma2", 91, 0, 0, 16, False, 1e4), dict(SMALL, n_layers=4, keys=[*WINDOW, ["attention.sliding_window_pattern", "u32", 3]]),
     "every third layer sees everything"),
]


def load(path):
    with open(path) as f:
        return json.load(f)


def main():
    what, args = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if what == "make":
        save(new_model("qwen3", "qwen3", 71, 0, 0, 32, True, 1e6), os.path.join(HERE, "qwen3.json"))
        save(new_model("mixtral", "llama", 72, 5, 2, 32, False, 1e6), os.path.join(HERE, "mixtral.json"))
        for name, plain, more, note in VARIANTS:
            save(new_model(name, *plain, note=note, **more), os.path.join(HERE, name + ".json"))
    elif what == "carry" and len(args) == 2:
        model = carry(load(args[0]), load(args[1]))
        save(model, os.path.join(HERE, "../embed" if "vector" in model else ".", model["name"] + ".json"))
    elif what == "check":
        for path in args:
            model = load(path)
            print(f"{path}: {distance(model['rows'], evaluate(model), model['n_vocab']):.2e}, tolerance {model['tolerance']}")
    elif what == "fill" and len(args) == 2:
        fill(load(args[0]), args[1])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
