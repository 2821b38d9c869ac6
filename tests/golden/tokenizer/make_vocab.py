#!/usr/bin/env python3
"""Turn a published byte-level BPE vocabulary into a GGUF file that holds nothing else.

usage: make_vocab.py SOURCE PRE OUT.gguf      PRE: what tokenizer.ggml.pre shall say, e.g. llama-bpe

SOURCE: a tokenizer.json; a file of ranks ("base64 rank" a line, *.tiktoken or *.tiktoken.gz); or Mistral's tekken.json.
Such files are made where they are needed and not kept here: their texts are their publishers'. The same source gives
the same bytes. Standard library only; tools/get_test_models.py calls this.
"""
import base64
import gzip
import json
import struct
import sys

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
U32, I32, BOOL, STRING, ARRAY = 4, 5, 7, 8, 9


def byte_letters():
    """The letter that GPT-2's byte-level BPE writes for each byte: itself where it can be seen, else one from U+0100 on."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in seen]
    return {**{b: chr(b) for b in seen}, **{b: chr(256 + i) for i, b in enumerate(hidden)}}


def split_once(token, ranks):
    """The two tokens that merging by rank joins last when it makes `token`; None when it never makes it."""
    parts, own = [token[i:i + 1] for i in range(len(token))], ranks[token]
    while len(parts) > 2:
        pairs = [(ranks.get(parts[i] + parts[i + 1], own), i) for i in range(len(parts) - 1)]
        rank, i = min(pairs)
        if rank >= own:
            return None
        parts[i:i + 2] = [parts[i] + parts[i + 1]]
    return parts


def from_ranks(ranks, n_before, special):
    """ranks: {bytes: rank}; ids are rank + n_before; special: {id: text}."""
    letters = byte_letters()
    def spell(token):
        return "".join(letters[b] for b in token)
    n = max(max(ranks.values()) + n_before, max(special, default=0)) + 1
    tokens, types = [f"[PAD{i}]" for i in range(n)], [UNUSED] * n
    for token, rank in ranks.items():
        tokens[rank + n_before], types[rank + n_before] = spell(token), NORMAL
    for i, text in special.items():
        tokens[i], types[i] = text, CONTROL
    merges = []
    for token in sorted((t for t in ranks if len(t) > 1), key=ranks.get):
        parts = split_once(token, ranks)
        if parts:
            merges.append(" ".join(spell(p) for p in parts))
    return tokens, types, merges


def from_tokenizer_json(d):
    vocab, added = d["model"]["vocab"], d["added_tokens"]
    n = max(max(vocab.values()), max((a["id"] for a in added), default=0)) + 1
    tokens, types = [f"[PAD{i}]" for i in range(n)], [UNUSED] * n
    for text, i in vocab.items():
        tokens[i], types[i] = text, NORMAL
    for a in added:
        tokens[a["id"]], types[a["id"]] = a["content"], CONTROL if a["special"] else USER_DEFINED
    return tokens, types, [m if isinstance(m, str) else " ".join(m) for m in d["model"]["merges"]]


def from_tekken(d):
    n_special = d["config"]["default_num_special_tokens"]
    n = d["config"]["default_vocab_size"] - n_special
    ranks = {base64.b64decode(v["token_bytes"]): v["rank"] for v in d["vocab"][:n]}
    return from_ranks(ranks, n_special, {i: f"<SPECIAL_{i}>" for i in range(n_special)})


def read_source(name, data):
    if name.endswith(".gz"):
        name, data = name[:-3], gzip.decompress(data)
    if name.endswith(".tiktoken"):
        lines = (line.split() for line in data.splitlines() if line)
        return from_ranks({base64.b64decode(token): int(rank) for token, rank in lines}, 0, {})
    d = json.loads(data)
    return from_tokenizer_json(d) if "model" in d else from_tekken(d)


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def array(kind, form, values):
    return struct.pack("<IIQ", ARRAY, kind, len(values)) + b"".join(map(form, values))


def make(name, data, pre, path):
    """name: of the source file, whose ending says what it is; data: its bytes."""
    tokens, types, merges = read_source(name, data)
    u32 = lambda v: struct.pack("<II", U32, v)  # noqa: E731
    string = lambda v: struct.pack("<I", STRING) + text(v)  # noqa: E731
    pairs = {"general.architecture": string("llama"), "tokenizer.ggml.model": string("gpt2"), "tokenizer.ggml.pre": string(pre),
             "tokenizer.ggml.tokens": array(STRING, text, tokens),
             "tokenizer.ggml.token_type": array(I32, lambda v: struct.pack("<i", v), types),
             "tokenizer.ggml.merges": array(STRING, text, merges),
             "tokenizer.ggml.add_bos_token": struct.pack("<IB", BOOL, 0),
             "tokenizer.ggml.bos_token_id": u32(0), "tokenizer.ggml.eos_token_id": u32(0)}
    body = b"".join(text(key) + value for key, value in pairs.items())
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + body
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % 32))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as f:
        make(sys.argv[1], f.read(), sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    main()
