#!/usr/bin/env python3
"""What a file that drafts makes of a model, in plain Python and double precision.

  drafts.py NAME.skeleton.json ...    of assistants, adds "exact_chain" (with the exact GELU) to NAME.expected.json
                                      beside each; of others, writes that file

As decoder.py, on which it stands: written from the published descriptions, not from the engine.
"""
import json, math, os, sys
from decoder import ARCHS, Model, add, dot, scale, softmax

ARCHS["gemma4-assistant"] = ARCHS["gemma4"]
ARCHS["eagle3"] = dict(pairs=True)

def cut(x, n): return [x[j:j + n] for j in range(0, len(x), n)]

def attend(q, keys, values, s):
    p = softmax([dot(q, k) * s for k in keys])
    o = [0.0] * len(values[0])
    for w, v in zip(p, values): o = add(o, scale(v, w))
    return o

class Assistant(Model):
    """The drafters of Gemma 4: layers that read the keys and values of the model."""

    def attention_of(self, target, i, n, b, pos):
        L, shared = target.key("block_count"), target.key("attention.shared_kv_layers", 0)
        win = self.windowed(i)
        own = L - (2 if win else 1)  # the layer of the model; where it has no keys, the one that it reads
        if own >= L - shared: own = L - shared - (2 if target.windowed(own) else 1)
        H, q = self.key("attention.head_count", layer=i), self.mul(b + "attn_q.weight", n)
        h = len(q) // H
        base, n_rot, fac = self.key("rope.freq_base"), self.key("rope.dimension_count", h), self.factors()
        if win: base, n_rot, fac = self.key("rope.freq_base_swa", 10000.0), self.key("rope.dimension_count_swa", n_rot), None
        ks, vs, out = target.k[own], target.v[own], []
        first = max(0, pos - win + 1) if win else 0
        for j, head in enumerate(cut(q, h)):
            x, kv = self.turn(self.norm(head, b + "attn_q_norm"), pos, n_rot, base, fac), j // (H // len(ks[0]))
            out += attend(x, [k[kv] for k in ks[first:pos]], [v[kv] for v in vs[first:pos]], 1.0)
        return self.mul(b + "attn_output.weight", out)

    def draft(self, target, token, before, pos):
        """Logits, and what the next one reads."""
        D = target.key("embedding_length")
        e = scale(target.t("token_embd.weight")[token * D:(token + 1) * D], math.sqrt(D))
        x = self.mul("nextn.pre_projection.weight", e + before)
        for i in range(self.key("block_count")):
            b = f"blk.{i}."
            x = add(x, self.norm(self.attention_of(target, i, self.norm(x, b + "attn_norm"), b, pos), b + "post_attention_norm"))
            x = add(x, self.norm(self.dense(i, self.norm(x, b + "ffn_norm"), b), b + "post_ffw_norm"))
            x = scale(x, self.t(b + "layer_output_scale.weight")[0])
        r = self.norm(x, "output_norm")
        return self.mul("token_embd.weight", r), self.mul("nextn.post_projection.weight", r)

class Eagle(Model):
    """EAGLE-3: one layer, whose row p is the token of position p + 1 and what was made of position p."""

    def features(self, streams):
        x = sum((streams[k] for k in self.key("target_layers")), [])
        return self.mul("fc.weight", self.norm(x, "enc.output_norm") if self.key("norm_before_fc") else x)

    def draft(self, target, token, g, pos):
        b, D = "blk.0.", self.key("embedding_length")
        table = self.t("token_embd.weight") or target.t("token_embd.weight")
        n1, n2 = self.norm(table[token * D:(token + 1) * D], b + "attn_norm"), self.norm(g, b + "attn_norm_2")
        H, K = self.key("attention.head_count"), self.key("attention.head_count_kv")
        q, k, v = (self.mul(b + f"attn_{c}.weight", n1 + n2) for c in "qkv")
        h = len(q) // H
        rope = lambda x: self.turn(x, pos, self.key("rope.dimension_count", h), self.key("rope.freq_base", 10000.0), self.factors())
        self.k.setdefault(0, []).append([rope(x) for x in cut(k, h)])
        self.v.setdefault(0, []).append(cut(v, h))
        out = []
        for j, head in enumerate(cut(q, h)):
            kv = j // (H // K)
            out += attend(rope(head), [x[kv] for x in self.k[0]], [x[kv] for x in self.v[0]], 1 / math.sqrt(h))
        y = add(n2 if self.key("norm_before_residual") else g, self.mul(b + "attn_output.weight", out))
        y = add(y, self.dense(0, self.norm(y, b + "ffn_norm"), b))
        r = self.norm(y, "output_norm")
        return (self.mul("output.weight", r) if self.has("output.weight") else target.mul("output.weight", r)), y

def row_of(y, ids=None):
    top = sorted(range(len(y)), key=lambda j: -y[j])[:8]
    return {"sum": round(sum(y), 7), "rms": math.sqrt(dot(y, y) / len(y)), "top": [[ids[j] if ids else j, round(y[j], 7)] for j in top]}

def add_assistant(sk, target, record):
    draft, before, chain = Assistant(sk), target.hidden, []
    for step in record["chain"]:
        y, before = draft.draft(target, step["token"], before, len(record["tokens"]))
        chain.append({"token": step["token"], "row": row_of(y)})
    record["exact_tolerance"], record["exact_chain"] = 1e-5, chain

def make_eagle(sk, tokens, streams, target, next_token):
    draft, rows, chain = Eagle(sk), [], []
    ids = draft.t("d2t")
    for p, token in enumerate(tokens[1:] + [next_token]):
        y, own = draft.draft(target, token, draft.features(streams[p]), p)
        rows.append(row_of(y, ids))
    for i in range(3):
        token = (rows[-1] if i == 0 else chain[-1]["row"])["top"][0][0]
        y, own = draft.draft(target, token, own, len(tokens) + i)
        chain.append({"token": token, "row": row_of(y, ids)})
    return {"reference": "drafts.py", "tolerance": 1e-5, "tokens": tokens, "next_token": next_token, "rows": rows, "chain": chain}

def main():
    for path in sys.argv[1:]:
        sk, out = json.load(open(path)), path.replace(".skeleton.json", ".expected.json")
        target = Model(json.load(open(os.path.join(os.path.dirname(path) or ".", sk["target"] + ".skeleton.json"))))
        tokens, streams, s, V = [], [], 1, target.shape["token_embd.weight"][1]
        for pos in range(sk.get("n_tokens", 40)):
            s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
            tokens.append((s >> 8) % V)
            y = target.step(tokens[-1], pos)
            streams.append(target.streams)
        if sk["kv"][0][2] == "gemma4-assistant":
            record = json.load(open(out))
            add_assistant(sk, target, record)
        else:
            record = make_eagle(sk, tokens, streams, target, max(range(V), key=lambda j: y[j]))
        with open(out, "w") as f:
            json.dump(record, f)
            f.write("\n")
        print(out)

if __name__ == "__main__":
    main()
