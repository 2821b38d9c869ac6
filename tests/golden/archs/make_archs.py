#!/usr/bin/env python3
"""Write tiny models with random weights, and what the reference engine computes for a list of tokens in each.

What they are for stands in ORIGIN.md. Needs: gguf, numpy, llama-cpp-python.
"""
import json, os, random, struct, sys
import numpy as np
import gguf
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from reference import Reference, VERSION, write_copy  # noqa: E402

N_VOCAB = 128


class Model:
    def __init__(self, name, arch, kind="f32", layers=2, embd=64, heads=4, kv=2, hd=32, ff=96, tied=False, base=10000.0, seed=1):
        self.__dict__.update(name=name, arch=arch, kind=kind, layers=layers, embd=embd, heads=heads, kv=kv, hd=hd, ff=ff, tied=tied)
        self.rng = np.random.default_rng(seed)
        self.path = os.path.join(HERE, name + ".gguf")
        self.w = w = gguf.GGUFWriter(self.path, arch)
        w.add_name(name)
        w.add_block_count(layers)
        w.add_context_length(4096)
        w.add_embedding_length(embd)
        w.add_feed_forward_length(ff)
        w.add_head_count(heads)
        w.add_head_count_kv(kv)
        w.add_key_length(hd)
        w.add_value_length(hd)
        w.add_layer_norm_rms_eps(1e-6 if arch.startswith("gemma") else 1e-5)
        w.add_vocab_size(N_VOCAB)
        w.add_tokenizer_model("none")
        if arch != "gemma2":
            w.add_rope_freq_base(base)

    def matrix(self, name, rows, cols, kind=None):
        kind = kind or self.kind
        sigma = cols ** -0.5
        x = self.rng.normal(0, sigma, (rows, cols)).astype(np.float32)
        if kind == "f32":
            self.w.add_tensor(name, x)
            return
        qt = getattr(T, kind.upper())
        try:
            data = gguf.quantize(x, qt)
        except NotImplementedError:
            data = random_blocks(kind, sigma, rows, cols, self.rng)
        if kind == "f16":
            self.w.add_tensor(name, data)
        else:
            self.w.add_tensor(name, data.view(np.uint8), raw_dtype=qt)

    def vector(self, name, n, mean=1.0, spread=0.2):
        self.w.add_tensor(name, (mean + spread * self.rng.normal(size=n)).astype(np.float32))

    def body(self, post_norm=False, qk_norm=False, bias=False):
        q, k = self.heads * self.hd, self.kv * self.hd
        self.matrix("token_embd.weight", N_VOCAB, self.embd)
        for i in range(self.layers):
            p = f"blk.{i}."
            self.vector(p + "attn_norm.weight", self.embd)
            self.matrix(p + "attn_q.weight", q, self.embd)
            self.matrix(p + "attn_k.weight", k, self.embd)
            self.matrix(p + "attn_v.weight", k, self.embd)
            self.matrix(p + "attn_output.weight", self.embd, q)
            if bias:
                self.vector(p + "attn_q.bias", q, 0, 0.7)
                self.vector(p + "attn_k.bias", k, 0, 0.7)
                self.vector(p + "attn_v.bias", k, 0, 0.7)
            if qk_norm:
                self.vector(p + "attn_q_norm.weight", self.hd)
                self.vector(p + "attn_k_norm.weight", self.hd)
            if post_norm:
                self.vector(p + "post_attention_norm.weight", self.embd)
                self.vector(p + "post_ffw_norm.weight", self.embd)
            self.vector(p + "ffn_norm.weight", self.embd)
            self.matrix(p + "ffn_gate.weight", self.ff, self.embd)
            self.matrix(p + "ffn_up.weight", self.ff, self.embd)
            self.matrix(p + "ffn_down.weight", self.embd, self.ff)
        self.vector("output_norm.weight", self.embd)
        if not self.tied:
            self.matrix("output.weight", N_VOCAB, self.embd)

    def write(self):
        self.w.write_header_to_file()
        self.w.write_kv_data_to_file()
        self.w.write_tensors_to_file()
        self.w.close()


def random_blocks(kind, sigma, rows, cols, rng):
    """Random valid blocks for the types that the gguf package cannot write; scales such that values spread by about sigma."""
    per, size = GGML_QUANT_SIZES[getattr(T, kind.upper())]
    n = rows * cols // per
    b = rng.integers(0, 256, (n, size), dtype=np.uint8)
    def put(at, value):
        v = np.full(n, value) * (1 + 0.2 * rng.normal(size=n))
        b[:, at:at + 2] = v.astype(np.float16).view(np.uint8).reshape(n, 2)
    # (offset of an f16 scale, the spread of the values at scale 1), from the published block layouts
    if kind == "q2_k":  # d * (0..15) * (0..3) - dmin * (0..15)
        put(80, sigma / 11), put(82, 1.5 * sigma / 11)
    elif kind == "q3_k":  # d * (-32..31) * (-4..3)
        put(108, sigma / 43)
    elif kind == "q4_k":  # d * (0..63) * (0..15) - dmin * (0..63)
        put(0, sigma / 180), put(2, 7.5 * sigma / 180)
    elif kind == "q5_k":
        put(0, sigma / 360), put(2, 15.5 * sigma / 360)
    elif kind == "q6_k":  # d * (-128..127) * (-32..31)
        put(208, sigma / 1370)
    elif kind == "iq4_nl":  # d * (-127..113)
        put(0, sigma / 73)
    elif kind == "iq4_xs":  # d * (-32..31) * (-127..113)
        put(0, sigma / 1350)
    return b.reshape(rows, -1)


def tokens(n, seed):
    rng = random.Random(seed)
    return [rng.randrange(N_VOCAB) for _ in range(n)]


def rows_of(path, ids):
    ref = Reference(path, n_ctx=128, kv="f32")
    out = ref.eval(ids, 0, every=True)
    ref.close()
    return out


def form(x):
    return float(f"{x:.6g}")


def record(model, n_tokens, note):
    ids = tokens(n_tokens, 11)
    exact_path = model.path + ".tmp"
    write_copy(model.path, exact_path)
    exact = rows_of(exact_path, ids)
    os.unlink(exact_path)
    own = rows_of(model.path, ids) if model.kind != "f32" else exact
    rms = np.sqrt((exact.astype(np.float64) ** 2).mean())
    d = np.sqrt(((own.astype(np.float64) - exact) ** 2).mean()) / rms
    lines = []
    for row in exact:
        r = row.astype(np.float64)
        top = np.lexsort((np.arange(r.size), -r))[:8]
        lines.append(json.dumps({"sum": form(r.sum()), "rms": form(np.sqrt((r * r).mean())), "top": [[int(t), form(r[t])] for t in top]}, separators=(",", ":")))
    with open(os.path.join(HERE, model.name + ".json"), "w") as f:
        f.write('{"tokens":' + json.dumps(ids, separators=(",", ":")) + f',"n_vocab":{N_VOCAB},"note":{json.dumps(note)},'
                f'"reference_off_by":{form(d)},"rows":[\n' + ",\n".join(lines) + "]}\n")
    print(f"{model.name}: {os.path.getsize(model.path)} bytes, reference on the file itself is off by {d:.2e} of the rms")


def main():
    m = Model("gemma3-swa", "gemma3", layers=7, heads=2, kv=1, ff=32, tied=True, base=1e6, seed=3)
    m.w.add_sliding_window(8)
    m.body(post_norm=True, qk_norm=True)
    m.write()
    record(m, 40, "window 8, five local layers to one global (default pattern), local rope base 10000 (default), query and key norm")

    m = Model("gemma3-linear", "gemma3", layers=6, heads=2, kv=1, ff=32, tied=True, base=1e6, seed=4)
    m.w.add_sliding_window(12)
    m.w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    m.w.add_rope_scaling_factor(8.0)
    m.body(post_norm=True, qk_norm=True)
    m.write()
    record(m, 40, "as gemma3-swa, with linear rope scaling by 8, which is for the global layer only")

    m = Model("gemma2-swa", "gemma2", layers=4, heads=2, kv=1, ff=32, tied=True, seed=5)
    m.w.add_sliding_window(8)
    m.w.add_attn_logit_softcapping(5.0)
    m.w.add_final_logit_softcapping(3.0)
    m.body(post_norm=True)
    m.write()
    record(m, 40, "window 8 on even layers, soft caps 5 (attention) and 3 (final) that bite")

    m = Model("llama-yarn", "llama", layers=2, hd=64, heads=2, kv=1, ff=64, seed=6)
    m.w.add_rope_dimension_count(64)
    m.w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    m.w.add_rope_scaling_factor(4.0)
    m.w.add_rope_scaling_orig_ctx_len(32)
    m.body()
    m.write()
    record(m, 48, "YaRN by 4 from a context of 32")

    m = Model("llama-linear", "llama", layers=2, heads=2, kv=1, seed=7)
    m.w.add_rope_dimension_count(32)
    m.w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    m.w.add_rope_scaling_factor(4.0)
    m.body()
    m.write()
    record(m, 40, "linear rope scaling by 4")

    m = Model("llama-rope-freqs", "llama", layers=2, hd=64, heads=2, kv=1, ff=64, base=500000.0, tied=True, seed=8)
    m.w.add_rope_dimension_count(64)
    freqs = llama3_factors(64, 500000.0, 8.0, 1.0, 4.0, 32)
    m.w.add_tensor("rope_freqs.weight", np.array(freqs, np.float32))
    m.body()
    m.write()
    record(m, 48, "llama 3.1 frequency factors (8, 1, 4, original context 32) in rope_freqs.weight, tied output")

    m = Model("qwen2-bias", "qwen2", layers=2, embd=96, heads=3, kv=1, ff=32, tied=True, base=1e6, seed=10)
    m.body(bias=True)
    m.write()
    record(m, 32, "biases on q, k, v that are not zero; rope on halves")

    for kind in ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl", "mxfp4", "bf16", "f16"):
        m = Model("llama-" + kind, "llama", kind=kind, layers=1 if kind in ("bf16", "f16") else 2, embd=128, heads=4, kv=2, hd=32, ff=192, seed=20)
        m.w.add_rope_dimension_count(32)
        m.body()
        m.write()
        record(m, 24, "every matrix in " + kind)
    for kind in ("q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"):
        m = Model("llama-" + kind, "llama", kind=kind, layers=1, embd=256, heads=4, kv=1, hd=64, ff=256, seed=21)
        m.w.add_rope_dimension_count(64)
        m.body()
        m.write()
        record(m, 24, "every matrix in " + kind)


def llama3_factors(dim, base, factor, low, high, old):
    """The published rule of Llama 3.1 (transformers' modeling_rope_utils, `llama3`), as divisors of the frequencies."""
    out = []
    for i in range(0, dim, 2):
        freq = base ** (-i / dim)
        wave = 2 * np.pi / freq
        if wave < old / high:
            out.append(1.0)
        elif wave > old / low:
            out.append(factor)
        else:
            smooth = (old / wave - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return out


if __name__ == "__main__":
    main()
