#!/usr/bin/env python3
"""A BERT as its makers publish it (config.json, vocab.txt, model.safetensors in F32) as a GGUF file; its numbers are copied.

usage: make_bert.py FOLDER NAME OUT.gguf

Names and keys are those of llama.cpp's converter (August 2026). Standard library only.
"""
import json
import os
import struct
import sys

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
NORMAL, CONTROL = 1, 3
TENSORS = {
    "embeddings.word_embeddings.weight": "token_embd.weight", "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.LayerNorm": "token_embd_norm", "attention.self.query": "attn_q", "attention.self.key": "attn_k",
    "attention.self.value": "attn_v", "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}


def name_of(theirs):
    """None: not needed."""
    if theirs == "__metadata__":
        return None
    if theirs in TENSORS:
        return TENSORS[theirs]
    stem, part = theirs.rsplit(".", 1)
    if stem in TENSORS:
        return f"{TENSORS[stem]}.{part}"
    words = stem.split(".", 3)
    if words[:2] == ["encoder", "layer"] and words[3] in TENSORS:
        return f"blk.{words[2]}.{TENSORS[words[3]]}.{part}"
    return None


def spelled(token):
    if token.startswith("[") and token.endswith("]"):
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def key(name, kind, value):
    head = text(name) + struct.pack("<I", kind)
    if kind == STRING:
        return head + text(value)
    if kind == ARRAY:
        item, values = value
        return head + struct.pack("<IQ", item, len(values)) + b"".join(text(v) if item == STRING else struct.pack("<i", v) for v in values)
    return head + struct.pack({U32: "<I", F32: "<f", BOOL: "<?"}[kind], value)


def make(config, vocab, weights, name, out, pooling=1):
    """config, vocab and weights are bytes of the three files."""
    c = json.loads(config)
    tokens = vocab.decode().split("\n")[:c["vocab_size"]]
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ids = {m: tokens.index(m) for m in marks}
    keys = [key("general.architecture", STRING, "bert"), key("general.name", STRING, name), key("general.file_type", U32, 0),
            key("bert.block_count", U32, c["num_hidden_layers"]), key("bert.context_length", U32, c["max_position_embeddings"]),
            key("bert.embedding_length", U32, c["hidden_size"]), key("bert.feed_forward_length", U32, c["intermediate_size"]),
            key("bert.attention.head_count", U32, c["num_attention_heads"]),
            key("bert.attention.layer_norm_epsilon", F32, c["layer_norm_eps"]), key("bert.attention.causal", BOOL, False),
            key("bert.pooling_type", U32, pooling), key("tokenizer.ggml.token_type_count", U32, c["type_vocab_size"]),
            key("tokenizer.ggml.model", STRING, "bert"), key("tokenizer.ggml.tokens", ARRAY, (STRING, [spelled(t) for t in tokens])),
            key("tokenizer.ggml.token_type", ARRAY, (I32, [CONTROL if t in marks else NORMAL for t in tokens]))]
    for role, mark in (("unknown", "[UNK]"), ("seperator", "[SEP]"), ("padding", "[PAD]"), ("cls", "[CLS]"), ("mask", "[MASK]")):
        keys.append(key(f"tokenizer.ggml.{role}_token_id", U32, ids[mark]))
    n_head, = struct.unpack_from("<Q", weights)
    infos, parts, offset = b"", [], 0
    for theirs, t in json.loads(weights[8:8 + n_head]).items():
        ours = name_of(theirs)
        if not ours:
            continue
        assert t["dtype"] == "F32", theirs
        begin, end = (8 + n_head + x for x in t["data_offsets"])
        shape = t["shape"][::-1]
        infos += text(ours) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        parts.append((begin, end))
        offset += (end - begin + 31) // 32 * 32
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(parts), len(keys)) + b"".join(keys) + infos
    with open(out, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        for begin, end in parts:
            f.write(weights[begin:end] + bytes(-(end - begin) % 32))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("\n\n")[1])
    files = [open(os.path.join(sys.argv[1], n), "rb").read() for n in ("config.json", "vocab.txt", "model.safetensors")]
    make(*files, sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    main()
