#!/usr/bin/env python3
"""A decoder in plain Python and double precision, for records of architectures that the reference's do not cover.

  decoder.py NAME.skeleton.json ...    writes NAME.expected.json beside each

Written from the published descriptions, not from the engine: slow, without caches, one token at a time over lists.
What it knows per architecture is the table ARCHS; weights are those of tests/golden/skeleton_rules.h.
"""
import json, math, struct, sys

M64 = (1 << 64) - 1

ARCHS = {
    "llama": dict(pairs=True),
    "gemma4": dict(act="gelu", embd="sqrt", v_norm=True, scale=1.0, cap=True, post=True, beside=True, swa_base=10000.0),
    "afmoe": dict(embd="sqrt", post=True, gate_values=True, still=4, router="sigmoid", norm_key=True),
    "hunyuan-moe": dict(norm_after=True, norm_key=None),
    "hy_v3": dict(router="sigmoid", norm_key=True),
    "ernie4_5-moe": dict(pairs=True, norm_key=None),
    "cohere2moe": dict(ln=True, pairs=True, parallel=True, still="full", lead_rotates=True, router="sigmoid", norm_key=True, half=True, logit_mul=True, dense_first=True),
    "minimax-m3": dict(act="oai", router="sigmoid", norm_key=True),
    "exaone-moe": dict(still="full", router="sigmoid", norm_key=True),
    "olmoe": dict(norm_key=False),
    "olmo": dict(ln=True, pairs=True),
    "phimoe": dict(norm_key=None),
    "stablelm": dict(ln=True),
    "falcon": dict(ln=True, act="gelu", parallel=True),
    "gpt2": dict(ln=True, act="gelu", rotates=False),
    "nemotron": dict(ln=True, act="relu2"),
    "apertus": dict(act="xielu"),
    "arcee": dict(pairs=True, act="relu2"),
    "minicpm": dict(pairs=True, minicpm=True, norm_key=None),
    "minicpm3": dict(minicpm=True, mla=True),
    "granitemoe": dict(pairs=True, granite=True, norm_key=None),
    "command-r": dict(ln=True, pairs=True, parallel=True, logit_mul=True),
}

def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]

def rule(name, n_in):
    fan = math.sqrt(3.0 / n_in)
    has, ends = (lambda *p: any(q in name for q in p)), name.endswith
    if ends(".bias"): return 0.0, 0.25 if has("exp_probs_b") else 0.1
    if has("exp_probs_b"): return 0.0, 0.25
    if has("rope_freqs", "rope_factors"): return 2.0, 1.0
    if has("attn_sinks"): return 0.0, 1.0
    if has("layer_output_scale") or ends(".scale") or ends("_scale.weight"): return 1.0, 0.2
    if has("norm"): return 1.0, 0.25
    if has("token_embd"): return 0.0, math.sqrt(3.0)
    if has("position_embd"): return 0.0, 0.5
    if has("ffn_gate_inp") and not has("ffn_gate_inp_shexp"): return 0.0, 2 * fan
    return 0.0, fan

def numbers(name, seed, n, base, spread):
    h = 0xCBF29CE484222325
    for b in name.encode():
        h = ((h ^ b) * 0x100000001B3) & M64
    h ^= (seed * 0xD1342543DE82EF95) & M64
    out = []
    for i in range(n):
        z = (h + (i + 1) * 0x9E3779B97F4A7C15) & M64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        z ^= z >> 31
        out.append(f32(base + spread * (((z >> 40) - (1 << 23)) / float(1 << 23))))
    return out

def dot(a, b): return sum(map(float.__mul__, a, b))
def sigmoid(x): return 1 / (1 + math.exp(-x))
def softmax(v):
    m = max(v); e = [math.exp(x - m) for x in v]; s = sum(e)
    return [x / s for x in e]
def add(a, b): return [x + y for x, y in zip(a, b)]
def scale(a, s): return [x * s for x in a]

class Model:
    def __init__(self, sk):
        self.arch = sk["kv"][0][2]
        self.a = ARCHS[self.arch]
        self.kv = {k[len(self.arch) + 1:] if k.startswith(self.arch + ".") else k: (f32(v) if kind == "f32" else v) for k, kind, v in sk["kv"]}
        self.shape, self.data = {}, {}
        for t in sk["tensors"]:
            name, dims = t[0], t[1]
            n = math.prod(dims)
            own = t[3] if len(t) > 3 else {}
            base, spread = rule(name, dims[0])
            v = (own["values"] * n)[:n] if "values" in own else numbers(name, sk["seed"], n, own.get("base", base), own.get("spread", spread))
            self.shape[name], self.data[name] = dims, v
        self.k, self.v = {}, {}

    def key(self, name, default=None, layer=None):
        v = self.kv.get(name, default)
        return v[layer] if isinstance(v, list) and layer is not None else v

    def t(self, name): return self.data.get(name)
    def has(self, name): return name in self.data

    def mul(self, name, x, part=None, bias=None, first=0, n_rows=None):
        """Rows [first, first + n_rows) of a matrix, of expert `part`, times x."""
        d, w = self.shape[name], self.data[name]
        n, rows = d[0], d[1] if len(d) > 1 else 1
        at = (part or 0) * n * rows
        y = [dot(w[at + r * n:at + (r + 1) * n], x) for r in range(first, first + (n_rows or rows - first))]
        b = self.t(bias or name.replace(".weight", ".bias"))
        if b: y = add(y, b[(part or 0) * rows:(part or 0) * rows + rows])
        return y

    def norm(self, x, name, each=None):
        n = len(x)
        w = self.t(name + ".weight") if name else None
        b = self.t(name + ".bias") if name else None
        if w and each is not None: w, b = w[each * n:(each + 1) * n], None
        if self.a.get("ln"):
            m = sum(x) / n
            d = [v - m for v in x]
            r = 1 / math.sqrt(dot(d, d) / n + self.key("attention.layer_norm_epsilon"))
            y = scale(d, r)
        else:
            y = scale(x, 1 / math.sqrt(dot(x, x) / n + self.key("attention.layer_norm_rms_epsilon")))
        if w: y = [p * q for p, q in zip(y, w)]
        return add(y, b) if b else y

    def act(self, g, u, layer):
        kind = self.a.get("act", "silu")
        if kind == "gelu": return [0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))) * y for x, y in zip(g, u)]
        if kind == "relu2": return [max(x, 0.0) ** 2 * y for x, y in zip(g, u)]
        if kind == "oai": return [min(x, 7.0) * sigmoid(1.702 * min(x, 7.0)) * (max(-7.0, min(7.0, y)) + 1) for x, y in zip(g, u)]
        if kind == "xielu":
            sp = lambda x: math.log1p(math.exp(x))
            an, ap, b, eps = (self.key("xielu." + k, layer=layer) for k in ("alpha_n", "alpha_p", "beta", "eps"))
            p, n = sp(ap), b + sp(an)
            return [(p * x * x + b * x if x > 0 else (math.expm1(min(x, eps)) - x) * n + b * x) * y for x, y in zip(g, u)]
        return [x * sigmoid(x) * y for x, y in zip(g, u)]

    def turn(self, x, pos, n_rot, base, factors):
        x = list(x)
        for i in range(n_rot // 2):
            f = factors[i] if factors else 1.0
            a = pos * base ** (-2.0 * i / n_rot) / f
            p, q = (2 * i, 2 * i + 1) if self.a.get("pairs") else (i, i + n_rot // 2)
            c, s = math.cos(a), math.sin(a)
            x[p], x[q] = x[p] * c - x[q] * s, x[p] * s + x[q] * c
        return x

    def factors(self):
        long, orig = self.t("rope_factors_long.weight"), self.key("rope.scaling.original_context_length", 1 << 30)
        if long: return long if 256 > orig else self.t("rope_factors_short.weight")
        return self.t("rope_freqs.weight")

    def windowed(self, i):
        w = self.key("attention.sliding_window", 0)
        if not w: return 0
        p = self.key("attention.sliding_window_pattern")
        if isinstance(p, list): return w if p[i] else 0
        p = p or 4
        return 0 if (i if self.a.get("dense_first") else i + 1) % p == 0 else w

    def rotates(self, i):
        still = self.a.get("still")
        if self.a.get("rotates") is False or self.key("rope.scaling.finetuned") is False: return False
        if still == 4: return (i + 1) % 4 != 0
        if still == "full": return self.windowed(i) > 0 or (bool(self.a.get("lead_rotates")) and i < self.key("leading_dense_block_count", 0))
        return True

    def heads(self, i, n, b, pos):
        """Queries, keys, values of a position: lists of heads."""
        H, K = self.key("attention.head_count", layer=i), self.key("attention.head_count_kv", self.key("attention.head_count"), i)
        if self.a.get("mla"): return self.mla_heads(i, n, b, pos, H)
        win = self.windowed(i)
        h = self.shape[b + "attn_q.weight"][1] // H
        q, k = self.mul(b + "attn_q.weight", n), self.mul(b + "attn_k.weight", n)
        v = self.mul(b + "attn_v.weight", n) if self.has(b + "attn_v.weight") else list(k)
        clamp = self.key("attention.clamp_kqv", 0)
        if clamp: q, k, v = ([max(-clamp, min(clamp, x)) for x in y] for y in (q, k, v))
        for name in ("attn_q_norm", "attn_k_norm"):
            if self.has(b + name + ".weight") and self.shape[b + name + ".weight"][0] not in (h,):
                if name == "attn_q_norm": q = self.norm(q, b + name)
                else: k = self.norm(k, b + name)
        hv = len(v) // K
        cut = lambda x, m: [x[j:j + m] for j in range(0, len(x), m)]
        n_rot = self.key("rope.dimension_count", h)
        base, fac = self.key("rope.freq_base", 10000.0), self.factors()
        if win and self.a.get("swa_base"):
            n_rot, base, fac = self.key("rope.dimension_count_swa", n_rot), self.key("rope.freq_base_swa", self.a["swa_base"]), None
        def ready(x, name, j):
            shape = self.shape.get(b + name + ".weight", [0])
            per_head = lambda y: self.norm(y, b + name, j if len(shape) > 1 else None) if shape[0] == h else y
            if not self.a.get("norm_after"): x = per_head(x)
            if self.rotates(i): x = self.turn(x, pos, n_rot, base, fac)
            return per_head(x) if self.a.get("norm_after") else x
        Q = [ready(x, "attn_q_norm", j) for j, x in enumerate(cut(q, h))]
        Kh = [ready(x, "attn_k_norm", j) for j, x in enumerate(cut(k, h))]
        V = cut(v, hv)
        if self.a.get("v_norm"): V = [self.norm(x, None) for x in V]
        return Q, Kh, V

    def mla_heads(self, i, n, b, pos, H):
        r, rot, h = self.key("attention.kv_lora_rank"), self.key("rope.dimension_count"), self.key("attention.key_length")
        hv, still = self.key("attention.value_length"), h - rot
        rope = lambda x: self.turn(x, pos, rot, self.key("rope.freq_base", 10000.0), self.factors())
        q = self.mul(b + "attn_q_b.weight", self.norm(self.mul(b + "attn_q_a.weight", n), b + "attn_q_a_norm"))
        kv = self.mul(b + "attn_kv_a_mqa.weight", n)
        k_r = rope(kv[r:])
        w = self.mul(b + "attn_kv_b.weight", self.norm(kv[:r], b + "attn_kv_a_norm"))
        Q = [q[j * h:j * h + still] + rope(q[j * h + still:(j + 1) * h]) for j in range(H)]
        each = [w[j * (still + hv):(j + 1) * (still + hv)] for j in range(H)]
        return Q, [x[:still] + k_r for x in each], [x[still:] for x in each]

    def attention(self, i, n, b, pos):
        Q, K, V = self.heads(i, n, b, pos)
        L, shared = self.key("block_count"), self.key("attention.shared_kv_layers", 0)
        own = i
        if i >= L - shared: own = L - shared - (2 if self.windowed(i) else 1)
        else:
            self.k.setdefault(i, []).append(K); self.v.setdefault(i, []).append(V)
        ks, vs = self.k[own], self.v[own]
        group = len(Q) // len(ks[0])
        s = self.a.get("scale") or (self.key("attention.scale") if self.a.get("granite") and self.key("attention.scale") else 1 / math.sqrt(len(Q[0])))
        win, out = self.windowed(i), []
        for j, q in enumerate(Q):
            first = max(0, pos - win + 1) if win else 0
            p = softmax([dot(q, ks[t][j // group]) * s for t in range(first, pos + 1)])
            o = [0.0] * len(vs[0][0])
            for w, t in zip(p, range(first, pos + 1)): o = add(o, scale(vs[t][j // group], w))
            out += o
        if self.a.get("gate_values"): out = [x * sigmoid(g) for x, g in zip(out, self.mul(b + "attn_gate.weight", n))]
        return self.mul(b + "attn_output.weight", out)

    def dense(self, i, x, b, kind=""):
        up = b + f"ffn_up{kind}.weight"
        u = self.mul(up, x)
        if self.has(b + f"ffn_gate{kind}.weight"): y = self.act(self.mul(b + f"ffn_gate{kind}.weight", x), u, i)
        elif self.shape[up][1] == 2 * self.shape[b + f"ffn_down{kind}.weight"][0]: y = self.act(u[:len(u) // 2], u[len(u) // 2:], i)
        else: y = self.act(u, [1.0] * len(u), i)
        return self.mul(b + f"ffn_down{kind}.weight", y)

    def experts(self, i, x, b, router_x):
        p = self.mul(b + "ffn_gate_inp.weight", router_x)
        p = [sigmoid(v) for v in p] if self.a.get("router") == "sigmoid" else softmax(p)
        bias = self.t(b + "exp_probs_b.bias") or self.t(b + "exp_probs_b")
        rank = add(p, bias) if bias else list(p)
        G = self.key("expert_group_count", 1)
        if G > 1:
            m = len(p) // G
            score = [sum(sorted(rank[g * m:(g + 1) * m])[-2:]) for g in range(G)]
            best = sorted(range(G), key=lambda g: -score[g])[:self.key("expert_group_used_count")]
            rank = [r if e // m in best else -math.inf for e, r in enumerate(rank)]
        chosen = sorted(range(len(p)), key=lambda e: (-rank[e], e))[:self.key("expert_used_count")]
        w = [p[e] for e in chosen]
        rule = self.a.get("norm_key")
        if rule is None or (rule and self.key("expert_weights_norm", False)): w = scale(w, 1 / max(sum(w), 6.1e-5))
        w = scale(w, self.key("expert_weights_scale", 0) or 1.0)
        y = [0.0] * len(x)
        for e, s in zip(chosen, w):
            u = self.mul(b + "ffn_up_exps.weight", x, e)
            u = self.act(self.mul(b + "ffn_gate_exps.weight", x, e), u, i)
            d = self.mul(b + "ffn_down_exps.weight", u, e)
            if self.has(b + "ffn_down_exps.scale"): s *= self.t(b + "ffn_down_exps.scale")[e]
            y = add(y, scale(d, s))
        if self.has(b + "ffn_up_shexp.weight"):
            y = add(y, self.dense(i, x, b, "_shexp"))
            if self.a.get("half"): y = scale(y, 0.5)
        return y

    def ffn(self, i, x, n, b):
        """x: the stream; n: its norm."""
        if not self.has(b + "ffn_gate_inp.weight"): return self.dense(i, n, b)
        if not self.a.get("beside"): return self.experts(i, n, b, n)
        r = scale(self.norm(x, None), 1 / math.sqrt(len(x)))
        if self.has(b + "ffn_gate_inp.scale"): r = [p * q for p, q in zip(r, self.t(b + "ffn_gate_inp.scale"))]
        m = self.experts(i, self.norm(x, b + "pre_ffw_norm_2"), b, r)
        return add(self.norm(self.dense(i, n, b), b + "post_ffw_norm_1"), self.norm(m, b + "post_ffw_norm_2"))

    def side(self, token, x):
        P, D = self.key("embedding_length_per_layer_input", 0), len(x)
        if not P: return None
        row = self.shape["per_layer_token_embd.weight"][0]
        t = self.t("per_layer_token_embd.weight")[token * row:(token + 1) * row]
        pp = scale(self.mul("per_layer_model_proj.weight", x), 1 / math.sqrt(D))
        return [scale(add(self.norm(pp[j:j + P], "per_layer_proj_norm"), scale(t[j:j + P], math.sqrt(P))), 1 / math.sqrt(2)) for j in range(0, row, P)]

    def step(self, token, pos):
        D, L, a = self.key("embedding_length"), self.key("block_count"), self.a
        x = list(self.t("token_embd.weight")[token * D:(token + 1) * D])
        if a.get("embd") == "sqrt": x = scale(x, math.sqrt(D))
        res, div = 1.0, 1.0
        if a.get("minicpm"): x, res, div = scale(x, 12.0), 1.4 / math.sqrt(L), D / 256
        if a.get("granite"): x, res, div = scale(x, self.key("embedding_scale", 1.0)), self.key("residual_scale", 1.0), self.key("logit_scale", 1.0)
        if self.has("position_embd.weight"): x = add(x, self.t("position_embd.weight")[pos * D:(pos + 1) * D])
        side = self.side(token, x)
        self.streams = []  # as they enter each layer, and behind the last
        for i in range(L):
            self.streams.append(x)
            b = f"blk.{i}."
            first = "attn_norm_2" if self.has(b + "attn_norm_2.weight") else "attn_norm"
            y = self.attention(i, self.norm(x, b + first), b, pos)
            if a.get("post"): y = self.norm(y, b + "post_attention_norm")
            own = self.has(b + "ffn_norm.weight")
            if a.get("parallel") or (self.arch == "stablelm" and not own):
                f = self.ffn(i, x, self.norm(x, b + ("ffn_norm" if own else "attn_norm")), b)
                x = add(add(x, y), f)
                continue
            x = add(x, scale(y, res))
            f = self.ffn(i, x, self.norm(x, b + "ffn_norm"), b)
            if a.get("post"): f = self.norm(f, b + "post_ffw_norm")
            x = add(x, scale(f, res))
            if side:
                t = self.mul(b + "inp_gate.weight", x)
                t = self.act(t, side[i], i)
                x = add(x, self.norm(self.mul(b + "proj.weight", t), b + "post_norm"))
            if self.has(b + "layer_output_scale.weight"): x = scale(x, self.t(b + "layer_output_scale.weight")[0])
        out = "output.weight" if self.has("output.weight") else "token_embd.weight"
        self.streams.append(x)
        self.hidden = self.norm(x, "output_norm")
        y = self.mul(out, self.hidden, bias="output.bias")
        if a.get("logit_mul"): y = scale(y, self.key("logit_scale", 0) or 1.0)
        y = scale(y, 1 / div)
        cap = self.key("final_logit_softcapping", 0) if a.get("cap") else 0
        return [cap * math.tanh(v / cap) for v in y] if cap else y

def main():
    for path in sys.argv[1:]:
        sk = json.load(open(path))
        m, rows, s = Model(sk), [], 1
        V, tokens = m.shape["token_embd.weight"][1], []
        for _ in range(sk.get("n_tokens", 16)):
            s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
            tokens.append((s >> 8) % V)
        for pos, token in enumerate(tokens):
            y = m.step(token, pos)
            top = sorted(range(V), key=lambda j: -y[j])[:8]
            rows.append({"sum": round(sum(y), 7), "rms": math.sqrt(dot(y, y) / V), "top": [[j, round(y[j], 7)] for j in top]})
        out = path.replace(".skeleton.json", ".expected.json")
        with open(out, "w") as f:
            f.write('{"skeleton": "%s", "reference": "decoder.py", "tolerance": 2e-05, "tokens": %s, "rows": [\n' % (path.split("/")[-1], json.dumps(tokens)))
            f.write(",\n".join(json.dumps(r) for r in rows) + "\n]}\n")
        print(out)

if __name__ == "__main__":
    main()
