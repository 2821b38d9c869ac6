#!/usr/bin/env python3
"""Write ids/NAME.json: what reference tokenizers make of corpus.json, invalid.json and of texts with special tokens.

  make_ids.py gguf NAME FILE.gguf [TOKENIZER.json]      # by llama.cpp; cross-checked with `tokenizers` where given
  make_ids.py json NAME TOKENIZER.json [FILE.gguf]      # by `tokenizers`; FILE.gguf from make_vocab.py: cross-checked with llama.cpp

Format: ORIGIN.md. Prints where the two disagree. Needs: llama-cpp-python, tokenizers.
"""
import hashlib, json, os, sys
from tokenizers import Tokenizer

os.environ["GGML_NO_BACKTRACE"] = "1"
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
if len(sys.argv) != 4:  # without a GGUF file there is nothing to cross-check
    from reference import Reference, VERSION, lib  # noqa: E402
import tokenizers  # noqa: E402


def published(path):
    """The tokenizer as published, but blind to control tokens in the text and without a Unicode normalization step."""
    d = json.load(open(path, encoding="utf-8"))
    d["added_tokens"] = [a for a in d["added_tokens"] if not a["special"]]
    d["post_processor"] = d["truncation"] = d["padding"] = None
    if d["normalizer"] and d["normalizer"]["type"] == "NFC":
        d["normalizer"] = None
    return Tokenizer.from_str(json.dumps(d))


def or_null(ref, data):
    """Ids of bytes that are not UTF-8; None where the reference ends the process (its BPE throws on some)."""
    get, put = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(put, json.dumps(ref.tokenize(data)).encode())
        os._exit(0)
    os.close(put)
    text = os.fdopen(get).read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else None


def special_texts(ref):
    """A few texts around each kind of token that is not normal text."""
    control, user = [], []
    for i in range(ref.n_vocab):
        a = lib.llama_vocab_get_attr(ref.vocab, i)
        if a & 8 and len(control) < 6:
            control.append(ref.piece(i, True).decode())
        if a & 16 and len(user) < 6:
            user.append(ref.piece(i, True).decode())
    c = control[-1] if control else "<s>"
    out = [c, c + c, "a" + c + "b", " " + c + " ", c + "\n", "x" + c + "\n\n" + c + " y", c[:-1], c + "Hello" + c]
    out += control[:5]
    for u in user:
        out += [u, "a" + u + "b", " " + u + " "]
    return out


def main():
    mode, name, first = sys.argv[1:4]
    second = sys.argv[4] if len(sys.argv) > 4 else None
    gguf_path, json_path = (first, second) if mode == "gguf" else (second, first)
    texts, bad = (json.load(open(os.path.join(HERE, f))) for f in ("corpus.json", "invalid.json"))
    ref = Reference(gguf_path, vocab_only=True) if gguf_path else None
    ours = [ref.tokenize(t.encode()) for t in texts] if ref else []
    if json_path:
        hf = published(json_path)
        theirs = [hf.encode(t, add_special_tokens=False).ids for t in texts]
        differ = [i for i in range(len(texts)) if ours and ours[i] != theirs[i]]
        print(f"{name}: {len(differ)} of {len(texts)} strings differ between llama.cpp and the published tokenizer: {differ}")
        for i in differ[:8]:
            print("   ", i, ascii(texts[i])[:70], "\n      ours  ", ours[i][:16], "\n      theirs", theirs[i][:16])
    out = {"vocabulary": name, "source": os.path.basename(gguf_path) if mode == "gguf" else "tokenizer.json sha256 " + hashlib.file_digest(open(json_path, "rb"), "sha256").hexdigest(),
           "by": VERSION if mode == "gguf" else "tokenizers " + tokenizers.__version__}
    if json_path:
        out["disputed"] = differ
    rows = {"ids": ours if mode == "gguf" else theirs}
    if mode == "gguf":
        special = special_texts(ref)
        out["with_bos_eos"] = {t: ref.tokenize(t.encode(), bos=True) for t in ("", "Hello", " Hello")}
        rows["invalid"] = [or_null(ref, bytes.fromhex(b)) for b in bad]
        rows["special"] = [[t, ref.tokenize(t.encode(), special=True), ref.tokenize(t.encode())] for t in special]
        rows["pieces"] = [[i, ref.piece(i).hex(), ref.piece(i, True).hex()] for i in sorted({0, 1, 2, 3, 5, 300, 1000, 2000, ref.n_vocab // 2, ref.n_vocab - 1})]
    os.makedirs(os.path.join(HERE, "ids"), exist_ok=True)
    with open(os.path.join(HERE, "ids", name + ".json"), "w") as f:
        body = [json.dumps(k) + ": " + json.dumps(v) for k, v in out.items()]
        body += [json.dumps(k) + ": [\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in v) + "\n]" for k, v in rows.items()]
        f.write("{\n" + ",\n".join(body) + "\n}\n")


if __name__ == "__main__":
    main()
