#!/usr/bin/env python3
"""Write a GGUF model with random weights in the exact shape of a published one, to time what is too large to fetch.

  synth_models.py NAME OUT.gguf [--vocab FILE.gguf] [--seed N] [--drafts PERCENT]
  synth_models.py --list

Speed and memory depend on a model's shape and weight types, not on what it has learnt; never judge answers by such a file.
--drafts (Qwen3.5): with a block that drafts, which is right for so many of a hundred tokens. Every block then adds nothing, the
token after t is t + 1, and the block's own embeddings are wrong for the others; what is read and computed stays the same.
Weight types follow the usual mixes: q4_k_m gives attn_v and ffn_down q6_k in the first and last eighth of the layers and in
every third between; rows that 256 does not divide become q5_0, q8_0 or f16; gpt-oss has mxfp4 experts and q8_0 elsewhere.
Shapes: the publishers' config.json files; names of keys and tensors: docs/architectures.md. Standard library only.
"""
import argparse, math, os, random, struct, sys

ALIGN = 32
U32, I32, F32, BOOL, STR, ARRAY = 4, 5, 6, 7, 8, 9
# name -> (number in GGUF, weights per block, bytes per block, bytes of the block that are its f16 scales: (offset, factor))
# A block is random bytes with its scales set so that the weights' spread is about sigma: scale = sigma * factor.
TYPES = {
    "f32": (0, 1, 4, None), "f16": (1, 1, 2, None),
    "q5_0": (6, 32, 22, ((0, 1 / 9.2),)), "q8_0": (8, 32, 34, ((0, 1 / 74),)),
    "q4_k": (12, 256, 144, ((0, 1 / 180), (2, 7.5 / 180))), "q5_k": (13, 256, 176, ((0, 1 / 360), (2, 15.5 / 360))),
    "q6_k": (14, 256, 210, ((208, 1 / 1370),)), "mxfp4": (39, 32, 17, None),
}
SMALLER = {"q4_k": "q5_0", "q5_k": "q8_0", "q6_k": "q8_0"}  # for rows that do not hold whole blocks


class Shape:
    """What one model holds: keys as (name, kind, value), tensors as (name, dims with ne0 first, type)."""

    def __init__(self, arch, mix, n_layers, width, vocab, **keys):
        self.arch, self.mix, self.n_layers, self.width, self.vocab = arch, mix, n_layers, width, vocab
        self.keys, self.tensors = [], []
        for name, value in dict(block_count=n_layers, context_length=8192, embedding_length=width, **keys).items():
            self.key(name.replace("__", "."), value)

    def key(self, name, value, prefix=True):
        one = value[0] if isinstance(value, list) else value
        kind = BOOL if isinstance(one, bool) else I32 if isinstance(value, list) else U32 if isinstance(one, int) else \
            F32 if isinstance(one, float) else STR
        self.keys.append((f"{self.arch}.{name}" if prefix else name, kind, value))

    def add(self, name, *dims, like=None):
        kind = like or (self.mix if len(dims) > 1 else "f32")
        while len(dims) > 1 and dims[0] % TYPES[kind][1]:
            kind = SMALLER.get(kind, "f16")
        self.tensors.append((name, dims, kind))

    def heavy(self, i):
        """The type of attn_v and ffn_down in layer i."""
        n = self.n_layers
        return "q6_k" if self.mix == "q4_k" and (i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2) else self.mix

    def vectors(self, i, **sizes):
        for name, n in sizes.items():
            self.add(f"blk.{i}.{name}.weight", n)

    def attention(self, i, heads, kv, size, v_size=None, gated=False, bias=False, norms=False):
        p, d = f"blk.{i}.attn_", self.width
        outs = {"q": heads * size * (2 if gated else 1), "k": kv * size, "v": kv * (v_size or size)}
        for name, n in outs.items():
            self.add(f"{p}{name}.weight", d, n, like=self.heavy(i) if name == "v" else None)
            if bias:
                self.add(f"{p}{name}.bias", n)
        self.add(p + "output.weight", heads * (v_size or size), d)
        if bias:
            self.add(p + "output.bias", d)
        if norms:
            self.vectors(i, attn_q_norm=size, attn_k_norm=size)

    def ffn(self, i, n, suffix=""):
        p = f"blk.{i}.ffn_"
        for name in "gate", "up":
            self.add(f"{p}{name}{suffix}.weight", self.width, n)
        self.add(f"{p}down{suffix}.weight", n, self.width, like=self.heavy(i))

    def experts(self, i, count, n, like=None):
        p = f"blk.{i}.ffn_"
        self.add(p + "gate_inp.weight", self.width, count, like="f32")
        for name in "gate", "up":
            self.add(f"{p}{name}_exps.weight", self.width, n, count, like=like)
        self.add(p + "down_exps.weight", n, self.width, count, like=like or self.heavy(i))

    def ends(self, tied, norm="output_norm.weight"):
        top = "q6_k" if self.mix == "q4_k" else self.mix
        self.add("token_embd.weight", self.width, self.vocab, like=top if tied else None)
        self.add(norm, self.width)
        if not tied:
            self.add("output.weight", self.width, self.vocab, like=top)


def qwen35(n_layers, width, ff, heads, kv, value_heads, vocab=248320):
    """Qwen3.5: three gated delta nets, then a gated attention."""
    inner = value_heads * 128
    s = Shape("qwen35", "q4_k", n_layers, width, vocab, feed_forward_length=ff, attention__head_count=heads, attention__head_count_kv=kv,
              attention__key_length=256, attention__value_length=256, attention__layer_norm_rms_epsilon=1e-6, rope__freq_base=1e7,
              rope__dimension_count=64, rope__dimension_sections=[11, 11, 10, 0], ssm__conv_kernel=4, ssm__inner_size=inner,
              ssm__state_size=128, ssm__time_step_rank=value_heads, ssm__group_count=16, full_attention_interval=4)
    s.ends(tied=True)
    for i in range(n_layers):
        p, mixed = f"blk.{i}.", 2 * 16 * 128 + inner
        s.vectors(i, attn_norm=width, post_attention_norm=width)
        if i % 4 == 3:
            s.attention(i, heads, kv, 256, gated=True, norms=True)
        else:
            s.add(p + "attn_qkv.weight", width, mixed)
            s.add(p + "attn_gate.weight", width, inner)
            s.add(p + "ssm_conv1d.weight", 4, mixed, like="f32")
            s.add(p + "ssm_dt.bias", value_heads)
            s.tensors.append((p + "ssm_a", (value_heads,), "f32"))
            for name in "beta", "alpha":
                s.add(f"{p}ssm_{name}.weight", width, value_heads)
            s.add(p + "ssm_norm.weight", 128)
            s.add(p + "ssm_out.weight", inner, width)
        s.ffn(i, ff)
    return s


def with_drafts(s, ff, heads, kv):
    """Behind the last layer, a block that drafts; the output has a matrix of its own."""
    d, n = s.width, s.n_layers
    if s.arch != "qwen35":
        raise SystemExit("--drafts is for the shapes of Qwen3.5")
    if not any(t[0] == "output.weight" for t in s.tensors):
        s.add("output.weight", d, s.vocab, like="q6_k")
    s.keys = [(k, t, n + 1 if k.endswith("block_count") else v) for k, t, v in s.keys]
    s.key("nextn_predict_layers", 1)
    s.vectors(n, attn_norm=d, post_attention_norm=d)
    s.attention(n, heads, kv, 256, gated=True, norms=True)
    s.ffn(n, ff)
    s.add(f"blk.{n}.nextn.eh_proj.weight", 2 * d, d, like="q8_0")
    s.add(f"blk.{n}.nextn.embed_tokens.weight", d, s.vocab, like="q6_k")
    for name in "enorm", "hnorm", "shared_head_norm":
        s.add(f"blk.{n}.nextn.{name}.weight", d)


def gemma4_e2b():
    """Gemma 4 E2B: four windowed layers, then a full one; the last 20 layers share keys and values; embeddings per layer."""
    n, d, own, per = 35, 1536, 15, 256
    full = [i % 5 == 4 for i in range(n)]
    s = Shape("gemma4", "q4_k", n, d, 262144, feed_forward_length=[6144] * own + [12288] * (n - own), attention__head_count=8,
              attention__head_count_kv=1, attention__key_length=512, attention__value_length=512, attention__key_length_swa=256,
              attention__value_length_swa=256, attention__layer_norm_rms_epsilon=1e-6, rope__freq_base=1e6, rope__dimension_count=512,
              rope__freq_base_swa=1e4, rope__dimension_count_swa=256, attention__sliding_window=512,
              attention__sliding_window_pattern=[not f for f in full], attention__shared_kv_layers=n - own,
              embedding_length_per_layer_input=per, final_logit_softcapping=30.0)
    s.ends(tied=True)
    s.add("rope_freqs.weight", 256)
    s.add("per_layer_token_embd.weight", per * n, s.vocab)
    s.add("per_layer_model_proj.weight", d, per * n)
    s.add("per_layer_proj_norm.weight", per)
    for i in range(n):
        s.vectors(i, attn_norm=d, post_attention_norm=d, ffn_norm=d, post_ffw_norm=d, post_norm=d, layer_output_scale=1)
        s.attention(i, 8, 1, 512 if full[i] else 256, norms=True)
        s.ffn(i, 6144 if i < own else 12288)
        s.add(f"blk.{i}.inp_gate.weight", d, per)
        s.add(f"blk.{i}.proj.weight", per, d)
    return s


def gpt_oss_20b():
    d, n = 2880, 24
    s = Shape("gpt-oss", "q8_0", n, d, 201088, feed_forward_length=2880, attention__head_count=64, attention__head_count_kv=8,
              attention__key_length=64, attention__value_length=64, attention__layer_norm_rms_epsilon=1e-5, rope__freq_base=150000.0,
              rope__scaling__type="yarn", rope__scaling__factor=32.0, rope__scaling__original_context_length=4096, expert_count=32,
              expert_used_count=4, expert_feed_forward_length=2880, attention__sliding_window=128)
    s.ends(tied=False)
    for i in range(n):
        s.vectors(i, attn_norm=d, post_attention_norm=d, attn_sinks=64)
        s.attention(i, 64, 8, 64, bias=True)
        s.experts(i, 32, 2880, like="mxfp4")
        s.add(f"blk.{i}.ffn_gate_inp.bias", 32)
        for name, size in ("gate", 2880), ("up", 2880), ("down", d):
            s.add(f"blk.{i}.ffn_{name}_exps.bias", size, 32, like="f32")
    return s


def deepseek2_lite():
    """DeepSeek V2 Lite: latent attention without compressed queries, 64 experts, 6 used, 2 shared."""
    d, n, heads, rank = 2048, 27, 16, 512
    s = Shape("deepseek2", "q4_k", n, d, 102400, feed_forward_length=10944, attention__head_count=heads, attention__head_count_kv=1,
              attention__kv_lora_rank=rank, attention__key_length=rank + 64, attention__value_length=rank, attention__key_length_mla=192,
              attention__value_length_mla=128, rope__dimension_count=64, expert_count=64, expert_used_count=6,
              expert_feed_forward_length=1408, expert_shared_count=2, expert_weights_scale=1.0, expert_weights_norm=False,
              expert_gating_func=1, leading_dense_block_count=1, rope__scaling__type="yarn", rope__scaling__factor=40.0,
              rope__scaling__original_context_length=4096, rope__scaling__yarn_log_multiplier=0.0707,
              attention__layer_norm_rms_epsilon=1e-6, rope__freq_base=1e4)
    s.ends(tied=False)
    for i in range(n):
        p = f"blk.{i}."
        s.vectors(i, attn_norm=d, attn_kv_a_norm=rank, ffn_norm=d)
        s.add(p + "attn_q.weight", d, heads * 192)
        s.add(p + "attn_kv_a_mqa.weight", d, rank + 64)
        s.add(p + "attn_k_b.weight", 128, rank, heads)
        s.add(p + "attn_v_b.weight", rank, 128, heads)
        s.add(p + "attn_output.weight", heads * 128, d)
        if i == 0:
            s.ffn(i, 10944)
        else:
            s.experts(i, 64, 1408)
            s.ffn(i, 2816, "_shexp")
    return s


def lfm2_1b2():
    d, n = 2048, 16
    kv = [8 if i in (2, 5, 8, 10, 12, 14) else 0 for i in range(n)]
    s = Shape("lfm2", "q4_k", n, d, 65536, feed_forward_length=8192, attention__head_count=32, attention__head_count_kv=kv,
              attention__layer_norm_rms_epsilon=1e-5, rope__freq_base=1e6, shortconv__l_cache=3)
    s.ends(tied=True, norm="token_embd_norm.weight")
    for i in range(n):
        s.vectors(i, attn_norm=d, ffn_norm=d)
        if kv[i]:
            s.attention(i, 32, 8, 64, norms=True)
        else:
            s.add(f"blk.{i}.shortconv.conv.weight", 3, d, like="f32")
            s.add(f"blk.{i}.shortconv.in_proj.weight", d, 3 * d)
            s.add(f"blk.{i}.shortconv.out_proj.weight", d, d)
        s.ffn(i, 8192)
    return s


def granite_h_tiny():
    """Granite 4 H Tiny: 36 Mamba-2 layers, 4 attentions without rotation, 64 experts, 6 used, one shared."""
    d, n, inner, state, heads = 1536, 40, 3072, 128, 48
    kv = [4 if i in (5, 15, 25, 35) else 0 for i in range(n)]
    s = Shape("granitehybrid", "q4_k", n, d, 100352, feed_forward_length=512, attention__head_count=12, attention__head_count_kv=kv,
              attention__layer_norm_rms_epsilon=1e-5, ssm__conv_kernel=4, ssm__inner_size=inner, ssm__state_size=state,
              ssm__time_step_rank=heads, ssm__group_count=1, attention__scale=0.0078125, embedding_scale=12.0, residual_scale=0.22,
              logit_scale=6.0, rope__scaling__finetuned=False, rope__freq_base=1e4, rope__dimension_count=128, expert_count=64,
              expert_used_count=6, expert_shared_feed_forward_length=1024)
    s.ends(tied=True)
    for i in range(n):
        p, mixed = f"blk.{i}.", inner + 2 * state
        s.vectors(i, attn_norm=d, ffn_norm=d)
        if kv[i]:
            s.attention(i, 12, 4, 128)
        else:
            s.add(p + "ssm_in.weight", d, 2 * inner + 2 * state + heads)
            s.add(p + "ssm_conv1d.weight", 4, mixed, like="f32")
            s.add(p + "ssm_conv1d.bias", mixed)
            s.add(p + "ssm_dt.bias", heads)
            for name in "ssm_a", "ssm_d":
                s.tensors.append((p + name, (1, heads), "f32"))
            s.add(p + "ssm_norm.weight", inner, 1, like="f32")
            s.add(p + "ssm_out.weight", inner, d)
        s.experts(i, 64, 512)
        s.ffn(i, 1024, "_shexp")
    return s


def bert(n, d, ff, heads, vocab, context):
    s = Shape("bert", "f16", n, d, vocab, feed_forward_length=ff, pooling_type=2, attention__head_count=heads,
              attention__layer_norm_epsilon=1e-5, attention__causal=False)
    s.keys = [(k, t, context if k.endswith("context_length") else v) for k, t, v in s.keys]
    s.key("tokenizer.ggml.token_type_count", 1, prefix=False)
    s.add("token_embd.weight", d, vocab)
    s.add("token_types.weight", d, 1, like="f32")
    s.add("position_embd.weight", d, context, like="f32")
    for name in "weight", "bias":
        s.add(f"token_embd_norm.{name}", d)
    for i in range(n):
        s.attention(i, heads, heads, d // heads, bias=True)
        for name in "weight", "bias":
            s.add(f"blk.{i}.attn_output_norm.{name}", d)
            s.add(f"blk.{i}.layer_output_norm.{name}", d)
        for name, dims in ("up", (d, ff)), ("down", (ff, d)):
            s.add(f"blk.{i}.ffn_{name}.weight", *dims)
            s.add(f"blk.{i}.ffn_{name}.bias", dims[1])
    return s


MODELS = {
    "qwen35-0.8b-q4_k_m": lambda: qwen35(24, 1024, 3584, 8, 2, 16),
    "qwen35-4b-q4_k_m": lambda: qwen35(32, 2560, 9216, 16, 4, 32),
    "gemma4-e2b-q4_k_m": gemma4_e2b,
    "gpt-oss-20b-mxfp4": gpt_oss_20b,
    "deepseek2-lite-q4_k_m": deepseek2_lite,
    "lfm2-1.2b-q4_k_m": lfm2_1b2,
    "granite-h-tiny-q4_k_m": granite_h_tiny,
    "minilm-f16": lambda: bert(6, 384, 1536, 12, 30522, 512),
    "bge-m3-f16": lambda: bert(24, 1024, 4096, 16, 250002, 8192),
}


POOL = 65_537  # blocks made per type and row length; tensors take them in turn, each from another start


def n_bytes(kind, dims):
    return math.prod(dims) // TYPES[kind][1] * TYPES[kind][2]


def blocks(kind, sigma, rng):
    """POOL random blocks of weights with a spread of about sigma, as bytes."""
    if kind in ("f32", "f16"):
        return struct.pack(f"<{POOL}{'f' if kind == 'f32' else 'e'}", *(rng.gauss(0, sigma) for _ in range(POOL)))
    size = TYPES[kind][2]
    raw = bytearray(rng.randbytes(POOL * size))
    if kind == "mxfp4":  # a power of two; the codes' values have a spread of about 2.8
        raw[::size] = bytes([round(127 + math.log2(sigma / 2.8))]) * POOL
    for offset, factor in TYPES[kind][3] or ():
        low, high = struct.pack("<e", sigma * factor)
        raw[offset::size], raw[offset + 1::size] = bytes([low]) * POOL, bytes([high]) * POOL
    return bytes(raw)


def drafting_rows(tensor, dims, percent, rng, kept):
    """Tensors of a model with --drafts that are more than random: bytes, or None."""
    d = dims[0]
    if tensor.endswith("eh_proj.weight"):  # the token's embedding as it is
        one, rows = struct.pack("<e", 1 / 127), bytearray(d // 32 * 34 * dims[1])
        for r in range(dims[1]):
            at = (r * (d // 32) + r // 32) * 34
            rows[at:at + 2], rows[at + 2 + r % 32] = one, 127
        return rows
    if tensor.endswith(("token_embd.weight", "output.weight", "embed_tokens.weight")) and "attn" not in tensor:
        if not kept:  # no two rows alike
            size, n = TYPES["q6_k"][2], d // 256 * dims[1]
            for _ in range(dims[1]):
                kept.extend(rng.randbytes(size * (d // 256)))
            kept[208::size], kept[209::size] = (bytes([b]) * n for b in struct.pack("<e", d ** -0.5 / 1370))
        row = len(kept) // dims[1]
        if tensor == "output.weight":
            return kept[-row:] + kept[:-row]
        rows = bytearray(kept)
        for t in range(dims[1] if "nextn" in tensor else 0):
            if rng.random() * 100 >= percent:
                other = (t + 7) % dims[1] * row
                rows[t * row:(t + 1) * row] = kept[other:other + row]
        return rows
    return None


def vector(name, n):
    """Small tensors whose values must keep a computation finite."""
    return struct.pack("<f", -1.0 if name.endswith("ssm_a") else 0.0 if name.endswith("bias") else 1.0) * n


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(b)) + b


def pair(name, kind, value):
    one = {U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}
    put = (lambda v: text(v)) if kind == STR else (lambda v: struct.pack(one[kind], v))
    if isinstance(value, list):
        return text(name) + struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(map(put, value))
    return text(name) + struct.pack("<I", kind) + put(value)


def tokenizer_of(path, want):
    """The tokenizer.* records of another file, as bytes each, token lists padded to `want` entries."""
    data = open(path, "rb").read()
    n_pairs, at = struct.unpack_from("<Q", data, 16)[0], 24
    size = {0: 1, 1: 1, 2: 2, 3: 2, U32: 4, I32: 4, F32: 4, BOOL: 1, 10: 8, 11: 8, 12: 8}

    def skip(kind, at):
        if kind == STR:
            return at + 8 + struct.unpack_from("<Q", data, at)[0]
        if kind != ARRAY:
            return at + size[kind]
        of, n = struct.unpack_from("<IQ", data, at)
        at += 12
        if of in size:
            return at + n * size[of]
        for _ in range(n):
            at = skip(of, at)
        return at

    out = []
    for _ in range(n_pairs):
        begin = at
        n = struct.unpack_from("<Q", data, at)[0]
        name = data[at + 8:at + 8 + n].decode()
        kind = struct.unpack_from("<I", data, at + 8 + n)[0]
        head = at + 12 + n
        at = skip(kind, head)
        if not name.startswith("tokenizer.") or name.endswith("token_type_count"):
            continue
        record = data[begin:at]
        if kind == ARRAY and name.rsplit(".", 1)[-1] in ("tokens", "scores", "token_type"):
            of, have = struct.unpack_from("<IQ", data, head)
            if have > want:
                raise SystemExit(f"{path} has {have} tokens, the shape only {want}")
            more = {STR: lambda i: text(f"<|unused_{i}|>"), F32: lambda i: struct.pack("<f", -1e4), I32: lambda i: struct.pack("<i", 5)}[of]
            record = data[begin:head] + struct.pack("<IQ", of, want) + data[head + 12:at] + b"".join(more(i) for i in range(have, want))
        out.append(record)
    return out


def write(name, path, vocab, seed, drafts=None):
    s, rng, kept = MODELS[name](), random.Random(seed), bytearray()
    if drafts is not None:
        sizes = {k.rsplit(".", 1)[-1]: v for k, _, v in s.keys}
        with_drafts(s, sizes["feed_forward_length"], sizes["head_count"], sizes["head_count_kv"])
    s.key("vocab_size", s.vocab)
    pairs = [pair("general.architecture", STR, s.arch), pair("general.name", STR, f"synthetic {name}")] + [pair(*k) for k in s.keys]
    pairs += tokenizer_of(vocab, s.vocab) if vocab else [pair("tokenizer.ggml.model", STR, "none")]
    info, offset = b"", 0
    for tensor, dims, kind in s.tensors:
        info += text(tensor) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, TYPES[kind][0], offset)
        offset += -(-n_bytes(kind, dims) // ALIGN) * ALIGN
    head = b"GGUF" + struct.pack("<IQQ", 3, len(s.tensors), len(pairs)) + b"".join(pairs) + info
    pools = {}
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % ALIGN))
        for tensor, dims, kind in s.tensors:
            left = n_bytes(kind, dims)
            pad = -left % ALIGN
            rows = drafting_rows(tensor, dims, drafts, rng, kept) if drafts is not None else None
            silent = drafts is not None and tensor.endswith(("attn_output.weight", "ffn_down.weight", "ssm_out.weight"))
            if rows:
                f.write(rows)
            elif len(dims) == 1 or dims[0] == 1 or tensor.endswith(("ssm_norm.weight", "bias")):
                f.write(vector(tensor, math.prod(dims)))
            else:
                sigma = 0 if silent else dims[0] ** -0.5
                if (kind, sigma) not in pools:
                    pools[kind, sigma] = blocks(kind, sigma, rng)
                pool, cut = pools[kind, sigma], rng.randrange(POOL) * TYPES[kind][2]
                ring = pool[cut:] + pool[:cut]
                while left:
                    left -= f.write(ring[:left])
            f.write(b"\0" * pad)
    print(f"{path}: {os.path.getsize(path) / 1e9:.2f} GB, {len(s.tensors)} tensors")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("name", nargs="?", choices=MODELS)
    ap.add_argument("out", nargs="?")
    ap.add_argument("--vocab", help="a GGUF file to take the tokenizer from, padded to the shape's vocabulary")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--drafts", type=float, metavar="PERCENT", help="with a block that drafts, right for so many tokens of 100")
    ap.add_argument("--list", action="store_true")
    a = ap.parse_args()
    if a.list:
        print("\n".join(MODELS))
        return
    if not a.name or not a.out:
        ap.error("expected NAME and OUT.gguf, or --list")
    write(a.name, a.out, a.vocab, a.seed, a.drafts)


if __name__ == "__main__":
    sys.exit(main())
