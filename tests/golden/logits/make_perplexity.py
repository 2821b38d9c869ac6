#!/usr/bin/env python3
"""Write perplexity.json: how well the reference predicts text.txt, on each model and on its weights dequantized to F32.

  make_perplexity.py perplexity.json SCRATCH MODEL.gguf ...

The text is cut into windows of 512 tokens, each begun with BOS where the model asks for it (BOS counts towards the 512);
every entry of a window but its first is predicted from those before it.
"""
import hashlib, json, os, sys
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from reference import Reference, VERSION, log_softmax, write_copy  # noqa: E402

WINDOW = 512


def main():
    out, scratch, models = sys.argv[1], sys.argv[2], sys.argv[3:]
    text = open(os.path.join(HERE, "text.txt"), "rb").read()
    rows = []
    for path in models:
        write_copy(path, scratch)
        ref, exact = Reference(path, n_ctx=WINDOW), Reference(scratch, n_ctx=WINDOW, kv="f32")
        bos = ref.tokenize(b"", bos=True)
        ids, n, nll, best, kl, same = ref.tokenize(text), 0, 0.0, 0.0, 0.0, 0
        step = WINDOW - len(bos)
        for at in range(0, len(ids), step):
            part = bos + ids[at:at + step]
            ref.clear(), exact.clear()
            a, b = ref.eval(part, 0, every=True), exact.eval(part, 0, every=True)
            for i in range(max(len(bos), 1), len(part)):
                p, q = log_softmax(b[i - 1]), log_softmax(a[i - 1])
                n, nll, best = n + 1, nll - q[part[i]], best - p[part[i]]
                kl += (np.exp(p) * (p - q)).sum()
                same += p.argmax() == q.argmax()
        rows.append({"model": os.path.basename(path), "sha256": hashlib.file_digest(open(path, "rb"), "sha256").hexdigest(), "window": WINDOW, "bos": bool(bos),
                     "tokens": len(ids), "scored": n, "reference_perplexity": round(float(np.exp(nll / n)), 5), "exact_perplexity": round(float(np.exp(best / n)), 5),
                     "reference_kl_from_exact": round(float(kl / n), 6), "reference_same_first_token": int(same)})
        print(rows[-1], flush=True)
        ref.close(), exact.close()
        os.unlink(scratch)
    with open(out, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")


if __name__ == "__main__":
    main()
