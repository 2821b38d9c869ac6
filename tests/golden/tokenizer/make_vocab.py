#!/usr/bin/env python3
"""Turn a published byte-level BPE tokenizer.json into a GGUF file that holds only the vocabulary.

  make_vocab.py tokenizer.json PRE out.gguf      # PRE: what tokenizer.ggml.pre shall say, e.g. llama-bpe

Such files are made where they are needed and not kept here (their texts are their publishers'). Needs: gguf.
"""
import json, sys
import gguf


def main():
    source, pre, out = sys.argv[1:4]
    d = json.load(open(source, encoding="utf-8"))
    vocab, added = d["model"]["vocab"], d["added_tokens"]
    n = max(max(vocab.values()), max((a["id"] for a in added), default=0)) + 1
    tokens, types = [f"[PAD{i}]" for i in range(n)], [gguf.TokenType.UNUSED] * n
    for text, i in vocab.items():
        tokens[i], types[i] = text, gguf.TokenType.NORMAL
    for a in added:
        tokens[a["id"]] = a["content"]
        types[a["id"]] = gguf.TokenType.CONTROL if a["special"] else gguf.TokenType.USER_DEFINED
    merges = [m if isinstance(m, str) else " ".join(m) for m in d["model"]["merges"]]
    w = gguf.GGUFWriter(out, "llama")
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types(types)
    w.add_token_merges(merges)
    w.add_add_bos_token(False)
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
