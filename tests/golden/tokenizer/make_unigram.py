#!/usr/bin/env python3
"""Train small unigram models with SentencePiece on corpus.json and write them as GGUF files, with the ids that SentencePiece gives.

usage: make_unigram.py            writes unigram/NAME.gguf and ids/NAME.json for the models below
       make_unigram.py nfkc OUT   a model of 1200 tokens with SentencePiece's own nmt_nfkc map; OUT.gguf and OUT.json

Needs: sentencepiece. The maps of the two small models are the rules in RULES, compiled by SentencePiece.
"""
import io
import json
import os
import sys

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb

import make_vocab

HERE = os.path.dirname(os.path.abspath(__file__))
# What becomes what: full-width letters, ligatures, marks that join the letter before, spaces of all kinds, controls that go,
# and a letter that begins another rule.
RULES = [(chr(0xFF01 + i), chr(0x21 + i)) for i in range(94)]
RULES += [(c, " ") for c in "\t\n\r\u00a0\u2003\u3000\u2028"] + [(c, "") for c in "\x01\x7f\u200b\ufeff\u00ad"]
RULES += [("\ufb01", "fi"), ("\ufb03", "ffi"), ("\u00a8", " \u0308"), ("\u2026", "..."), ("e\u0301", "\u00e9"), ("a\u0308", "\u00e4"),
          ("a\u0308\u0301", "\u01df"), ("\u2460", "1"), ("\u33a1", "m2"), ("\ufdfa", "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647")]
MODELS = {
    "unigram": dict(vocab_size=420, byte_fallback=False, remove_extra_whitespaces=True, add_dummy_prefix=True),
    "unigram-bytes": dict(vocab_size=620, byte_fallback=True, remove_extra_whitespaces=False, add_dummy_prefix=False,
                          user_defined_symbols=["<mask>", "[X]"]),
}


def train(texts, **options):
    out = io.BytesIO()
    # letters that are not of Europe stay unknown
    lines = [part for t in texts for part in t.replace("\0", "").splitlines() if part.strip() and max(part) < "\u0500"]
    spm.SentencePieceTrainer.train(sentence_iterator=iter(lines * 3), model_writer=out, model_type="unigram", character_coverage=0.98,
                                   hard_vocab_limit=False, minloglevel=2, num_threads=1, **options)
    return out.getvalue()


def write_gguf(model, path):
    """The keys that converters of T5 and XLM-RoBERTa write."""
    m = pb.ModelProto()
    m.ParseFromString(model)
    n, t = m.normalizer_spec, m.trainer_spec
    s = make_vocab.struct
    u32 = lambda v: s.pack("<II", make_vocab.U32, v)  # noqa: E731
    string = lambda v: s.pack("<I", make_vocab.STRING) + make_vocab.text(v)  # noqa: E731
    boolean = lambda v: s.pack("<IB", make_vocab.BOOL, v)  # noqa: E731
    pairs = {"general.architecture": string("bert"), "tokenizer.ggml.model": string("t5"), "tokenizer.ggml.pre": string("default"),
             "tokenizer.ggml.tokens": make_vocab.array(make_vocab.STRING, make_vocab.text, [p.piece for p in m.pieces]),
             "tokenizer.ggml.scores": make_vocab.array(6, lambda v: s.pack("<f", v), [p.score for p in m.pieces]),
             "tokenizer.ggml.token_type": make_vocab.array(make_vocab.I32, lambda v: s.pack("<i", v), [p.type for p in m.pieces]),
             "tokenizer.ggml.add_space_prefix": boolean(n.add_dummy_prefix),
             "tokenizer.ggml.remove_extra_whitespaces": boolean(n.remove_extra_whitespaces),
             "tokenizer.ggml.precompiled_charsmap": make_vocab.array(0, lambda v: bytes([v]), n.precompiled_charsmap),
             "tokenizer.ggml.bos_token_id": u32(t.bos_id), "tokenizer.ggml.eos_token_id": u32(t.eos_id),
             "tokenizer.ggml.unknown_token_id": u32(t.unk_id),
             "tokenizer.ggml.add_bos_token": boolean(1), "tokenizer.ggml.add_eos_token": boolean(1)}
    body = b"".join(make_vocab.text(k) + v for k, v in pairs.items())
    head = b"GGUF" + s.pack("<IQQ", 3, 0, len(pairs)) + body
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % 32))


def best(p, text):
    """SentencePiece's search with sums in double precision, for texts where its floats decide between equal cuttings: ids."""
    normal = p.normalize(text).replace(" ", "\u2581")
    scores = {p.id_to_piece(i): (p.get_score(i), i) for i in range(p.vocab_size())
              if not (p.is_control(i) or p.is_unknown(i) or p.is_unused(i) or p.is_byte(i))}
    worst = min(s for s, _ in scores.values()) - 10
    ways = [(0.0, 0, -1)] + [None] * len(normal)
    for at in range(len(normal)):
        for end in range(at + 1, min(len(normal), at + 40) + 1):
            s, i = scores.get(normal[at:end], (None, -1))
            if s is None and end == at + 1:
                s = worst
            if s is not None and (ways[end] is None or ways[at][0] + s > ways[end][0]):
                ways[end] = (ways[at][0] + s, at, i)
    ids, end = [], len(normal)
    while end:
        _, at, i = ways[end]
        ids.append(i if i >= 0 else p.unk_id())
        end = at
    return ids[::-1]


def make(name, gguf, ids_path, texts, **options):
    model = train(texts, **options)
    p = spm.SentencePieceProcessor(model_proto=model)
    write_gguf(model, gguf)
    rows = [p.encode(t) for t in texts]
    ties = []
    for i, t in enumerate(texts):
        exact = best(p, t) if p.unk_id() not in rows[i] and not any(map(p.is_byte, rows[i])) else rows[i]
        if exact != rows[i]:
            assert sorted(exact) == sorted(rows[i]), (t, exact, rows[i])
            ties.append(i)
            rows[i] = exact
    pieces = [[i, ("" if p.is_control(i) or p.is_unknown(i) else bytes.fromhex(p.id_to_piece(i)[3:5]).decode("latin-1") if p.is_byte(i)
                   else p.id_to_piece(i).replace("\u2581", " "))] for i in (0, 1, 2, 5, 100, 300, p.vocab_size() - 1)]
    pieces = [[i, t.encode("latin-1" if p.is_byte(i) else "utf-8").hex(), (p.id_to_piece(i) if p.is_control(i) or p.is_unknown(i) else t)
               .encode("latin-1" if p.is_byte(i) else "utf-8").hex()] for i, t in pieces]
    both = {t: [p.bos_id()] + p.encode(t) + [p.eos_id()] for t in ("", "Hello", " Hello")}
    head = {"vocabulary": name, "by": "sentencepiece " + spm.__version__, "equal_cuttings": ties, "with_bos_eos": both}
    with open(ids_path, "w") as f:
        body = [json.dumps(k) + ": " + json.dumps(v) for k, v in head.items()]
        body += [json.dumps(k) + ": [\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in v) + "\n]"
                 for k, v in (("ids", rows), ("pieces", pieces))]
        f.write("{\n" + ",\n".join(body) + "\n}\n")


def main():
    texts = json.load(open(os.path.join(HERE, "corpus.json"), encoding="utf-8"))
    if sys.argv[1:2] == ["nfkc"]:
        return make("nfkc", sys.argv[2] + ".gguf", sys.argv[2] + ".json", texts, vocab_size=1200)
    rules = os.path.join(HERE, "rules.tsv.tmp")
    with open(rules, "w") as f:
        for a, b in RULES:
            f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
    os.makedirs(os.path.join(HERE, "unigram"), exist_ok=True)
    for name, options in MODELS.items():
        make(name, os.path.join(HERE, "unigram", name + ".gguf"), os.path.join(HERE, "ids", name + ".json"), texts,
             normalization_rule_tsv=rules, **options)
    os.remove(rules)


if __name__ == "__main__":
    main()
