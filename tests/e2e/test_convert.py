"""create from a folder as models are published: logits as the model's own formulas give them, tokens as tokenizer.json says."""
import hashlib
import json
import math
import random
import struct

import pytest

from test_serve import Server
from tiny_checkpoint import (LLAMA3_PATTERN, QWEN2_PATTERN, SPACE, Decoder, byte_tokenizer, character_tokenizer, raw, round_to,
                             write_safetensors)

TEXT = "the cat is the hat"
BYTES = dict(bos_token="<|begin|>", eos_token={"content": "<|end|>"}, chat_template="{% for m in messages %}{{ m.content }}{% endfor %}")
CHARS = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", add_bos_token=True)
LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

MODELS = {
    "llama": lambda: (Decoder("llama", "F32", byte_tokenizer(LLAMA3_PATTERN), rope_scaling=LLAMA3_ROPE), BYTES, "llama-bpe", 2),
    "llama-f16": lambda: (Decoder("llama", "F16", byte_tokenizer(LLAMA3_PATTERN), tied=True), BYTES, "llama-bpe", 1),
    "mistral": lambda: (Decoder("mistral", "BF16", character_tokenizer(True), head_dim=16), CHARS, "default", 1),
    "qwen2": lambda: (Decoder("qwen2", "F32", byte_tokenizer(QWEN2_PATTERN), tied=True), BYTES, "qwen2", 1),
    "qwen3": lambda: (Decoder("qwen3", "BF16", byte_tokenizer(QWEN2_PATTERN), head_dim=16), BYTES, "qwen2", 3),
    "gemma3": lambda: (Decoder("gemma3_text", "F32", character_tokenizer(False), tied=True, num_hidden_layers=6, sliding_window=4,
                               query_pre_attn_scalar=8, rope_theta=1e6), CHARS, "default", 1),
    "llama-yarn": lambda: (Decoder("llama", "F32", byte_tokenizer(LLAMA3_PATTERN), head_dim=16, rope_theta=500.0, max_position_embeddings=256, rope_scaling={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1.0}), BYTES, "llama-bpe", 1),
    "qwen2-linear": lambda: (Decoder("qwen2", "F32", byte_tokenizer(QWEN2_PATTERN), rope_scaling={"type": "linear", "factor": 2.5}, hidden_act="silu"),
                             BYTES, "qwen2", 1),
    # as from 4B on: only layers that see everything are stretched; one of the others' own base
    "gemma3-linear": lambda: (Decoder("gemma3_text", "F32", character_tokenizer(False), tied=True, num_hidden_layers=7, sliding_window=4, query_pre_attn_scalar=8,
                                      rope_theta=1e6, rope_scaling={"rope_type": "linear", "factor": 8.0}, rope_local_base_freq=5000.0,
                                      hidden_activation="gelu_pytorch_tanh", layer_types=["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]),
                              CHARS, "default", 2),
}


def score(cli, name, text):
    (cli.folder / "text.txt").write_text(text)
    rows = [json.loads(line) for line in cli.ok("score", "--json", "--kv-type", "f32", name, "text.txt").splitlines()]
    return [(r["token"], r["logprob"]) for r in rows if "token" in r]


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_the_published_formulas(cli, name):
    model, settings, pre, shards = MODELS[name]()
    folder = model.save(cli.folder / "published", shards, **settings)
    cli.ok("create", "m", "--from", folder)
    ids = [int(i) for i in cli.ok("tokenize", "m", "--ids", TEXT).split()]
    want = model.logprobs(ids)
    got = score(cli, "m", TEXT)
    assert [t for t, _ in got] == ids[1:]
    spread = math.sqrt(sum(w * w for w in want) / len(want))
    for (_, g), w in zip(got, want):  # the engine sums in floats, activations of 16-bit weights are rounded
        assert abs(g - w) < (2e-4 if model.kind == "F32" else 2e-2) * spread, (name, g, w)
    shown = json.loads(cli.ok("show", "--json", "-v", "m"))
    keys = {k["key"]: k["value"] for k in shown["keys"]}
    assert keys["tokenizer.ggml.pre"] == pre and shown["can_run"]
    kinds = {t["name"]: t["type"] for t in shown["tensors"]}
    assert kinds["blk.0.ffn_up.weight"] == model.kind.lower() and kinds["blk.0.attn_norm.weight"] == "f32"
    assert ("output.weight" in kinds) != model.c["tie_word_embeddings"]


def test_tokens_are_those_of_the_files(cli):
    model, settings, _, _ = MODELS["llama"]()
    cli.ok("create", "m", "--from", model.save(cli.folder / "published", 1, **settings))
    vocab = model.tokenizer["model"]["vocab"]
    begin = model.tokenizer["added_tokens"][0]["id"]
    space = "\u0120"
    want = [begin, vocab["the"], vocab[space], vocab["c"], vocab["a"], vocab["t"], vocab[space + "the"]]
    assert [int(i) for i in cli.ok("tokenize", "m", "--ids", "the cat the").split()] == want
    assert begin + 1 == int(cli.ok("tokenize", "m", "--ids", "--special", "--no-bos", "<|end|>"))
    assert cli.ok("show", "--template", "m") == BYTES["chat_template"] + "\n"
    model, settings, _, _ = MODELS["mistral"]()
    cli.ok("create", "n", "--from", model.save(cli.folder / "other", 1, **settings))
    vocab = model.tokenizer["model"]["vocab"]
    got = [int(i) for i in cli.ok("tokenize", "n", "--ids", "the cat!").split()]
    assert got == [1, vocab[SPACE + "the"], vocab[SPACE], vocab["cat"], vocab["<0x21>"]]


def sentencepiece(pieces, kind=2, prefix=True):
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    def field(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data
    body = b""
    for text, value, piece_kind in pieces:
        body += field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", value) + (b"" if piece_kind == 1 else b"\x18" + varint(piece_kind)))
    return body + field(2, b"\x18" + varint(kind)) + field(3, b"\x18" + varint(int(prefix)))


SPM = {"mistral": MODELS["mistral"], "gemma3": MODELS["gemma3"],
       "llama": lambda: (Decoder("llama", "F32", character_tokenizer(True)), CHARS, "default", 1)}  # Llama 2


@pytest.mark.parametrize("family", SPM)
def test_a_sentencepiece_file_is_read(cli, family):
    model, settings, _, _ = SPM[family]()
    folder = model.save(cli.folder / "published", 1, **settings)
    vocab = model.tokenizer["model"]["vocab"]
    rank = {"".join(m.split(" ")): -float(i + 1) for i, m in enumerate(model.tokenizer["model"]["merges"])}
    pieces = [(t, rank.get(t, 0.0), 2 if i == 0 else 3 if i < 3 else 6 if t.startswith("<0x") else 1) for i, t in enumerate(vocab)]
    (folder / "tokenizer.model").write_bytes(sentencepiece(pieces, prefix=family != "gemma3"))
    cli.ok("create", "both", "--from", folder)
    (folder / "tokenizer.json").rename(cli.folder / "tokenizer.json")
    cli.ok("create", "spm", "--from", folder)
    (folder / "tokenizer.model").unlink()
    (cli.folder / "tokenizer.json").rename(folder / "tokenizer.json")
    cli.ok("create", "json", "--from", folder)
    for text in (TEXT, "cat", " the", "t\u00e4he", "", "the cat the"):
        one = cli.ok("tokenize", "spm", "--ids", text)
        assert one == cli.ok("tokenize", "json", "--ids", text) == cli.ok("tokenize", "both", "--ids", text), text
    assert score(cli, "spm", TEXT) == score(cli, "json", TEXT) == score(cli, "both", TEXT)
    ids = [int(i) for i in cli.ok("tokenize", "spm", "--ids", TEXT).split()]
    want = model.logprobs(ids)
    spread = math.sqrt(sum(w * w for w in want) / len(want))
    assert all(abs(g - w) < (2e-4 if model.kind == "F32" else 2e-2) * spread for (_, g), w in zip(score(cli, "spm", TEXT), want))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(sentencepiece(pieces, kind=1))
    assert "its kind is not BPE" in cli("create", "x", "--from", folder).stderr


def test_a_model_that_sees_is_converted_for_texts(cli):
    for i, spell in enumerate((lambda n: n.replace("model.", "model.language_model.", 1), lambda n: "language_model." + n)):
        model, settings, _, _ = MODELS["gemma3-linear"]()
        plain, inner = model.t, dict(model.c)
        model.t = {spell(n): v for n, v in plain.items()}
        model.t.update({"vision_tower.embeddings.weight": ((3, 4), [0.5] * 12), "multi_modal_projector.mm.weight": ((2, 4), [0.5] * 8)})
        model.c = {"model_type": "gemma3", "text_config": inner, "tie_word_embeddings": True, "vision_config": {"hidden_size": 4}}
        done = cli("create", f"m{i}", "--from", model.save(cli.folder / f"seeing{i}", 2, **settings))
        assert done.returncode == 0 and "the part of the model that sees is left out" in done.stderr, done.stderr
        model.t, model.c = plain, inner
        ids = [int(t) for t in cli.ok("tokenize", f"m{i}", "--ids", TEXT).split()]
        want = model.logprobs(ids)
        spread = math.sqrt(sum(w * w for w in want) / len(want))
        assert all(abs(g - w) < 2e-4 * spread for (_, g), w in zip(score(cli, f"m{i}", TEXT), want))


# ---- an encoder ----

class Bert:
    def __init__(self, seed=3):
        rng = random.Random(seed)
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "ha", "##t", "is", "."]
        self.vocab = {w: i for i, w in enumerate(words)}
        self.d, self.ff, self.heads, self.layers = 32, 64, 4, 2
        self.t = {}

        def put(name, *shape, middle=0.0, scale=0.4):
            self.t["bert." + name] = (shape, [round_to("F32", middle + rng.uniform(-scale, scale)) for _ in range(math.prod(shape))])

        def norm(name):
            put(name + ".weight", self.d, middle=1.0, scale=0.2)
            put(name + ".bias", self.d, scale=0.2)

        def dense(name, rows, columns):
            put(name + ".weight", rows, columns)
            put(name + ".bias", rows)
        put("embeddings.word_embeddings.weight", len(words), self.d)
        put("embeddings.position_embeddings.weight", 64, self.d)
        put("embeddings.token_type_embeddings.weight", 2, self.d)
        norm("embeddings.LayerNorm")
        for i in range(self.layers):
            p = f"encoder.layer.{i}."
            for n in ("query", "key", "value"):
                dense(p + "attention.self." + n, self.d, self.d)
            dense(p + "attention.output.dense", self.d, self.d)
            norm(p + "attention.output.LayerNorm")
            dense(p + "intermediate.dense", self.ff, self.d)
            dense(p + "output.dense", self.d, self.ff)
            norm(p + "output.LayerNorm")
        put("pooler.dense.weight", self.d, self.d)

    def save(self, folder, cls=False, **normalizer):
        folder.mkdir()
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_cls_token": cls, "pooling_mode_mean_tokens": not cls}))
        (folder / "config.json").write_text(json.dumps({
            "model_type": "bert", "hidden_size": self.d, "intermediate_size": self.ff, "num_hidden_layers": self.layers, "hidden_act": "gelu",
            "num_attention_heads": self.heads, "max_position_embeddings": 64, "layer_norm_eps": 1e-12, "type_vocab_size": 2}))
        (folder / "tokenizer.json").write_text(json.dumps({
            "model": {"type": "WordPiece", "vocab": self.vocab, "continuing_subword_prefix": "##", "unk_token": "[UNK]"},
            "normalizer": dict({"type": "BertNormalizer", "lowercase": True}, **normalizer),
            "added_tokens": [{"id": i, "content": w, "special": True} for w, i in list(self.vocab.items())[:5]],
            "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}},
                                                                        {"SpecialToken": {"id": "[SEP]"}}]}}))
        (folder / "tokenizer_config.json").write_text(json.dumps({k + "_token": f"[{k.upper()}]" for k in ("pad", "unk", "cls", "sep", "mask")}))
        write_safetensors(folder / "model.safetensors", self.t, "F32")
        return folder

    def dense(self, name, x):
        (rows, columns), w = self.t[f"bert.{name}.weight"]
        b = self.t[f"bert.{name}.bias"][1]
        return [sum(w[r * columns + k] * x[k] for k in range(columns)) + b[r] for r in range(rows)]

    def norm(self, name, x):
        w, b = self.t[f"bert.{name}.weight"][1], self.t[f"bert.{name}.bias"][1]
        mean = sum(x) / len(x)
        s = 1 / math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + 1e-12)
        return [(v - mean) * s * w[i] + b[i] for i, v in enumerate(x)]

    def vector(self, ids, cls):
        d, hd = self.d, self.d // self.heads
        row = lambda name, i: self.t[f"bert.embeddings.{name}.weight"][1][i * d:(i + 1) * d]
        xs = [self.norm("embeddings.LayerNorm", [a + b + c for a, b, c in zip(row("word_embeddings", t), row("position_embeddings", i),
                                                                              row("token_type_embeddings", 0))]) for i, t in enumerate(ids)]
        for layer in range(self.layers):
            p = f"encoder.layer.{layer}."
            q, k, v = ([self.dense(p + "attention.self." + n, x) for x in xs] for n in ("query", "key", "value"))
            out = []
            for i in range(len(xs)):
                mixed = []
                for h in range(self.heads):
                    at = slice(h * hd, (h + 1) * hd)
                    e = [math.exp(sum(a * b for a, b in zip(q[i][at], k[j][at])) / math.sqrt(hd)) for j in range(len(xs))]
                    mixed += [sum(e[j] * v[j][at][n] for j in range(len(xs))) / sum(e) for n in range(hd)]
                x = self.norm(p + "attention.output.LayerNorm", [a + b for a, b in zip(xs[i], self.dense(p + "attention.output.dense", mixed))])
                mid = [0.5 * a * (1 + math.erf(a / math.sqrt(2))) for a in self.dense(p + "intermediate.dense", x)]
                out.append(self.norm(p + "output.LayerNorm", [a + b for a, b in zip(x, self.dense(p + "output.dense", mid))]))
            xs = out
        v = xs[0] if cls else [sum(c) / len(xs) for c in zip(*xs)]
        n = math.sqrt(sum(a * a for a in v))
        return [a / n for a in v]


def test_an_encoder_makes_the_vectors_of_its_formulas(cli):
    bert = Bert()
    ids = [2, 5, 6, 9, 5, 7, 8, 3]
    for cls in (False, True):
        name = f"bert{int(cls)}"
        cli.ok("create", name, "--from", bert.save(cli.folder / name, cls))
        assert [int(i) for i in cli.ok("tokenize", name, "--ids", "The cat is the hat").split()] == ids
        got = json.loads(cli.ok("embed", "--json", name, "The cat is the hat"))
        vector = got["embeddings"][0] if "embeddings" in got else got["vectors"][0]
        assert max(abs(a - b) for a, b in zip(vector, bert.vector(ids, cls))) < 2e-3  # GELU is the tanh form in the engine
    assert "upper and lower case" in cli("create", "x", "--from", bert.save(cli.folder / "cased", lowercase=False)).stderr
    pooling = cli.folder / "bert1/1_Pooling/config.json"
    for said, words in (({"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens: expected"), ({"pooling_mode": "lasttoken"}, "lasttoken: expected"),
                        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "pooling_mode_mean_tokens: expected")):
        pooling.write_text(json.dumps(said))
        assert words in cli("create", "x", "--from", cli.folder / "bert1").stderr
    pooling.write_text(json.dumps({"pooling_mode": "cls"}))
    cli.ok("create", "word", "--from", cli.folder / "bert1")
    assert cli.ok("embed", "word", "the hat") == cli.ok("embed", "bert1", "the hat") != cli.ok("embed", "bert0", "the hat")


# ---- hostile and odd folders ----

def published(cli, name="published"):
    model, settings, _, _ = MODELS["llama"]()
    return model.save(cli.folder / name, 1, **settings)


def test_what_is_missing_or_not_known_is_said(cli):
    folder = published(cli)
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())

    def refused(words, **files):
        for name, content in files.items():
            path = folder / name.replace("__", ".")
            old = path.read_bytes()
            path.unlink() if content is None else path.write_text(content if isinstance(content, str) else json.dumps(content))
            done = cli("create", "m", "--from", folder)
            assert done.returncode != 0 and words in done.stderr, done.stderr
            path.write_bytes(old)
    refused("no config.json", config__json=None)
    refused("neither tokenizer.json nor tokenizer.model", tokenizer__json=None)
    refused("model_type 'mamba' does not convert here; supported: llama", config__json=dict(config, model_type="mamba"))
    refused("num_hidden_layers is -1", config__json={k: v for k, v in config.items() if k != "num_hidden_layers"})
    refused("has 32 rows, expected 64", config__json=dict(config, num_attention_heads=8))
    refused("config.json has 1 layers", config__json=dict(config, num_hidden_layers=1))
    refused("rope_scaling of type 'dynamic'", config__json=dict(config, rope_scaling={"type": "dynamic"}))
    for change, words in ((dict(hidden_act="gelu"), "hidden_act is 'gelu', expected silu"), (dict(final_logit_softcapping=30.0), "final_logit_softcapping has no place"),
                          (dict(attn_logit_softcapping=50.0), "attn_logit_softcapping has no place"), (dict(partial_rotary_factor=0.5), "partial_rotary_factor is 0.5"),
                          (dict(num_local_experts=8), "num_local_experts has no place"), (dict(use_bidirectional_attention=True), "a model for embeddings"),
                          (dict(rope_scaling={"type": "yarn", "factor": 4, "beta_fast": 16}), "beta_fast is 16, supported: 32"),
                          (dict(rope_scaling={"type": "yarn", "factor": 4, "attention_factor": 1.5}), "attention_factor is not supported"),
                          (dict(rope_scaling={"type": "yarn", "factor": 4, "truncate": False}), "truncate is false")):
        refused(words, config__json=dict(config, **change))
    refused("pre_tokenizer is none of those", tokenizer__json=dict(tokenizer, pre_tokenizer={"type": "Whitespace"}))
    refused("model.type is 'Unigram'", tokenizer__json=dict(tokenizer, model={"type": "Unigram"}))
    refused("model.merges[0]", tokenizer__json=dict(tokenizer, model=dict(tokenizer["model"], merges=["x"])))
    refused("tokenizer.json", tokenizer__json="[" * 100)
    assert cli.ok("list", "-q") == "" and list((cli.home / "models/blobs").iterdir()) == []
    cli.ok("create", "m", "--from", folder)


def test_broken_weights_are_an_error(cli):
    folder = published(cli)
    path = folder / "model-00001-of-00001.safetensors"
    good = path.read_bytes()
    n = struct.unpack("<Q", good[:8])[0]
    head, data = json.loads(good[8:8 + n]), good[8 + n:]
    name = "model.norm.weight"

    def with_head(change):
        h = json.loads(json.dumps(head))
        change(h)
        b = json.dumps(h).encode()
        return struct.pack("<Q", len(b)) + b + data
    begin, end = head[name]["data_offsets"]
    cases = [
        (good[:7], "expected a safetensors file"),
        (struct.pack("<Q", 1 << 62) + good[8:], "no safetensors file"),
        (struct.pack("<Q", n - 1) + good[8:], "line 1"),
        (good[:-4], "expected within"),
        (with_head(lambda h: h[name].update(data_offsets=[begin, end + 4])), "its shape needs 128"),
        (with_head(lambda h: h[name].update(data_offsets=[end, begin])), "expected within"),
        (with_head(lambda h: h[name].update(data_offsets=[0, end - begin])), "share bytes"),
        (with_head(lambda h: h[name].update(shape=[1 << 62, 4])), "no size that can be"),
        (with_head(lambda h: h[name].update(shape=[-32])), "no size that can be"),
        (with_head(lambda h: h[name].update(dtype="F99")), "dtype 'F99'"),
        (with_head(lambda h: h.update({"model.extra.weight": h.pop(name)})), "has no place"),
    ]
    for content, words in cases:
        path.write_bytes(content)
        done = cli("create", "m", "--from", folder)
        assert done.returncode not in (0, -11, -6) and words in done.stderr, (words, done.stderr)
    assert list((cli.home / "models/blobs").iterdir()) == []


def test_files_that_were_uploaded_convert_too(cli):
    folder = published(cli)
    cli.ok("create", "here", "--from", folder)
    with Server(cli) as s:
        files = {}
        for f in folder.iterdir():
            files[f.name] = "sha256:" + hashlib.sha256(f.read_bytes()).hexdigest()
            assert s.ask("POST", "/api/blobs/" + files[f.name], f.read_bytes())[0] in (200, 201)
        assert s.lines("/api/create", {"model": "there", "files": files})[-1] == {"status": "success"}
        assert s.json("POST", "/api/show", {"model": "there"})["details"]["quantization_level"] == "F32"
    assert score(cli, "here", TEXT) == score(cli, "there", TEXT)
    assert raw("F32", [1.0]) == b"\0\0\x80?"
