#!/usr/bin/env python3
"""How close hyperlama comes to what a model file says, beside how close the reference engine comes: docs/quality.md.

  quality.py [--as TYPE,...] [--kv f16,f32] [--noise N] [--tsv OUT] MODEL.gguf ...

Every model (and, with --as, its weights rounded again to each TYPE: f32 f16 bf16 q8_0 q5_1 q5_0 q4_1 q4_0) reads the same text,
cut into windows of --window tokens, each begun with BOS where the model asks for it; every entry of a window but its first
is predicted from those before it. Four ways to compute the whole distribution of each position:

  exact       the reference on the file dequantized to F32, F32 KV: no rounding on the way
  reference   the reference on the file, f16 KV, passes of --rows tokens
  again       (with --noise N) the same in passes of N tokens: how far it is from itself
  hyperlama   on the file, once for each --kv and each --bits of activations

For every pair (way, other): perplexity and its distance in per cent (with the standard error of the paired difference), mean KL
divergence from the other over the whole vocabulary, share of positions with the same likeliest token, mean |d logprob| over
the other's 20 likeliest tokens. Needs numpy, gguf and llama-cpp-python, and `make lib`.
"""
import argparse, hashlib, math, os, subprocess, sys, tempfile, time
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "golden")]
from hyperlama_ctypes import Hyperlama  # noqa: E402
from reference import Reference, VERSION, write_copy  # noqa: E402

N_TOP, BLOCK_ROWS = 20, 16
COLUMNS = ("model", "way", "against", "positions", "perplexity", "away_percent", "away_se", "mean_kl", "median_kl",
           "max_kl", "same_first_percent", "mean_top20")


class ReferenceWay:
    def __init__(self, path, window, kv, n_batch, threads):
        self.ref, self.pos = Reference(path, n_ctx=window, kv=kv, n_threads=threads, n_batch=n_batch), 0
        self.close = self.ref.close

    def clear(self):
        self.ref.clear()
        self.pos = 0

    def eval(self, ids):
        rows = self.ref.eval(ids, self.pos, every=True)
        self.pos += len(ids)
        return rows


class Rows:
    """Some positions of one way: logits x [n][n_vocab] f32 and their normalizer z [n] f64."""

    def __init__(self, x):
        m = x.max(1, keepdims=True)
        self.x, e = x, np.exp(x - m)
        s = e.sum(1, dtype=np.float64)
        self.z, self.best = m[:, 0] + np.log(s), x.argmax(1)
        self.e, self.s = e, s.astype(np.float32)[:, None]

    def logprobs(self, ids):
        return np.take_along_axis(self.x, ids, 1) - self.z[:, None]

    def probabilities(self):
        return self.e / self.s

    def top(self):
        """The N_TOP likeliest: they lie in the N_TOP blocks with the largest maxima."""
        n, width = self.x.shape[0], 64
        x = np.pad(self.x, ((0, 0), (0, -self.x.shape[1] % width)), constant_values=-np.inf) if self.x.shape[1] % width else self.x
        blocks = np.argpartition(x.reshape(n, -1, width).max(2), -N_TOP, 1)[:, -N_TOP:]
        ids = (blocks[:, :, None] * width + np.arange(width)).reshape(n, -1)
        best = np.argpartition(np.take_along_axis(x, ids, 1), -N_TOP, 1)[:, -N_TOP:]
        return np.take_along_axis(ids, best, 1)


class Pair:
    """What is summed over positions for one way and one other."""

    def __init__(self):
        self.kl, self.top, self.same, self.gap = [], [], [], []

    def add(self, other, p, top, way, target):
        # sum p (ln p - ln q) = sum p (d + exp(-d) - 1) because q sums to 1: no term cancels another, so f32 is enough
        d = (other.x - way.x) - (other.z - way.z).astype(np.float32)[:, None]
        self.kl += list(np.einsum("ij,ij->i", p, d + (np.exp(-d) - 1)).astype(np.float64))
        self.top += list(np.abs(other.logprobs(top) - way.logprobs(top)).mean(1))
        self.same += list(other.best == way.best)
        self.gap += list((other.logprobs(target) - way.logprobs(target))[:, 0])  # -logprob of way less the other's


def add_rows(logits, target, others, pairs, nll):
    """Take some positions: logits {way: [n][n_vocab]}, target [n][1] the tokens that came."""
    rows = {way: Rows(x) for way, x in logits.items()}
    for way, r in rows.items():
        nll[way] += list(-r.logprobs(target)[:, 0])
    for other in others:
        p, top = rows[other].probabilities(), rows[other].top()
        for way in rows:
            if (way, other) in pairs:
                pairs[way, other].add(rows[other], p, top, rows[way], target)


def read_window(ways, ids, n_given, n_rows, others, pairs, nll, seconds):
    for way in ways.values():
        way.clear()
    for at in range(0, len(ids) - 1, n_rows):
        part, logits = ids[at:min(at + n_rows, len(ids) - 1)], {}
        for name, way in ways.items():
            start = time.monotonic()
            logits[name] = way.eval(part)
            seconds[name] += time.monotonic() - start
        for row in range(max(n_given - 1 - at, 0), len(part), BLOCK_ROWS):
            end = min(row + BLOCK_ROWS, len(part))
            target = np.asarray(ids[at + row + 1:at + end + 1])[:, None]
            add_rows({k: v[row:end] for k, v in logits.items()}, target, others, pairs, nll)


def measure(path, label, a, scratch):
    """Rows of the table for one file."""
    exact = os.path.join(scratch, "exact.gguf")
    write_copy(path, exact)
    ways = {"exact": ReferenceWay(exact, a.window, "f32", a.rows, a.threads),
            "reference": ReferenceWay(path, a.window, "f16", a.rows, a.threads)}
    if a.noise:
        ways["again"] = ReferenceWay(path, a.window, "f16", a.noise, a.threads)
    for kv in a.kv:
        for bits in a.bits:
            name = f"hyperlama {kv}" + (f" {bits}-bit" if bits != 8 else "")
            ways[name] = Hyperlama(a.lib, path, a.window, a.rows, kv, a.threads, a.cpu, bits)
    others = [k for k in ways if k in ("exact", "reference")]
    pairs = {(way, other): Pair() for other in others for way in ways if way not in ("exact", other)}
    nll, seconds = {k: [] for k in ways}, dict.fromkeys(ways, 0.0)
    ref = ways["reference"].ref
    bos, ids = ref.tokenize(b"", bos=True), ref.tokenize(open(a.text, "rb").read())[:a.limit]
    step = a.window - len(bos)
    for at in range(0, len(ids), step):
        read_window(ways, bos + ids[at:at + step], max(len(bos), 1), a.rows, others, pairs, nll, seconds)
    for way in ways.values():
        way.close()
    os.unlink(exact)
    print(f"{label}: " + ", ".join(f"{k} {s:.1f} s" for k, s in seconds.items()), file=sys.stderr)
    ppl = {k: math.exp(np.mean(x)) for k, x in nll.items()}
    rows = [(label, "exact", "", len(nll["exact"]), ppl["exact"]) + (None,) * 7]
    for (way, other), s in pairs.items():
        rows.append((label, way, other, len(s.kl), ppl[way], 100 * (ppl[way] / ppl[other] - 1), 100 * np.std(s.gap) / math.sqrt(len(s.gap)),
                     np.mean(s.kl), np.median(s.kl), np.max(s.kl), 100 * np.mean(s.same), np.mean(s.top)))
    return rows


def cells(row):
    form = ("", "", "", "d", ".5f", "+.3f", ".3f", ".3g", ".3g", ".3g", ".2f", ".3g")
    return ["" if v is None else format(v, f) for v, f in zip(row, form)]


def header(a):
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    cpu = next((x.split(":")[1].strip() for x in open("/proc/cpuinfo") if x.startswith("model name")), "unknown")
    sha = hashlib.sha256(open(a.text, "rb").read()).hexdigest()[:16]
    return (f"# commit {commit}, {cpu}, {VERSION}, windows of {a.window}, passes of {a.rows}, cpu {a.cpu or 'auto'},"
            f" text {os.path.relpath(a.text, ROOT)} sha256 {sha}\n# " + " ".join(os.path.basename(x) for x in sys.argv))


def main():
    words = lambda text: text.split(",")  # noqa: E731
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL.gguf")
    p.add_argument("--as", dest="kinds", type=words, default=[], metavar="TYPE,...", help="measure these copies instead of the file")
    p.add_argument("--bits", type=lambda s: [int(b) for b in s.split(",")], default=[8], metavar="8,16", help="bits of activations")
    p.add_argument("--kv", type=words, default=["f16"], metavar="TYPE,...")
    p.add_argument("--noise", type=int, default=0, metavar="N")
    p.add_argument("--window", type=int, default=512)
    p.add_argument("--rows", type=int, default=128, help="tokens per pass (%(default)s)")
    p.add_argument("--limit", type=int, help="no more than the first so many tokens")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--cpu", help="instruction sets for hyperlama: scalar, avx2, ...")
    p.add_argument("--text", default=os.path.join(ROOT, "tests", "golden", "logits", "text.txt"))
    p.add_argument("--lib", default=os.path.join(ROOT, "out", "release", "libhyperlama.so"))
    p.add_argument("--tsv", help="append the table to this file")
    a = p.parse_args()
    lines = [header(a), "\t".join(COLUMNS)]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as scratch:
        for path in a.models:
            stem = os.path.basename(path).removesuffix(".gguf")
            for kind in a.kinds or [None]:
                source = os.path.join(scratch, "copy.gguf") if kind else path
                if kind:
                    write_copy(path, source, kind)
                for row in measure(source, f"{stem} as {kind}" if kind else stem, a, scratch):
                    lines.append("\t".join(cells(row)))
                    print(lines[-1], flush=True)
    if a.tsv:
        with open(a.tsv, "a") as f:
            f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
