"""Measure one peer on one model: run by compare.py in the peer's own virtual environment.

  peer_worker.py MODEL WORK

WORK is a JSON object: threads, kv ("f16" or "q8_0"), repeats, and what is wanted of probe, prefill, decode, rows, depths,
busy and start (see programs.py). Prints one line per value: metric, n, value, unit, tab separated, as `hyperlama bench
--tsv` does, and a first line that names the engine. Speaks llama.cpp's C interface through llama-cpp-python or
ik-llama-cpp-python, whichever is installed: flash attention on, passes of at most 512 tokens.
"""
import json, os, random, statistics, sys, time
from importlib.metadata import version

try:
    from llama_cpp import llama_cpp as lib
    NAME, VERSION = "llama.cpp", "llama-cpp-python " + version("llama-cpp-python")
except ImportError:
    from ik_llama_cpp import _ctypes_api as lib
    NAME, VERSION = "ik_llama.cpp", "ik-llama-cpp-python " + version("ik-llama-cpp-python")

KV_TYPES = {"f16": 1, "q8_0": 8}  # ggml's numbers
BATCH = 512


class Peer:
    def __init__(self, path, n_threads, n_ctx, kv):
        lib.llama_backend_init()
        mp = lib.llama_model_default_params()
        mp.n_gpu_layers = 0
        self.model = lib.llama_model_load_from_file(path.encode(), mp)
        cp = lib.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch, cp.n_threads, cp.n_threads_batch = n_ctx, BATCH, BATCH, n_threads, n_threads
        if hasattr(cp, "flash_attn_type"):
            cp.flash_attn_type = 1
        else:
            cp.flash_attn = True
        cp.type_k = cp.type_v = KV_TYPES[kv]
        if hasattr(cp, "swa_full"):
            cp.swa_full = False  # what its own programs use
        self.ctx = lib.llama_init_from_model(self.model, cp) if self.model else None
        if not self.ctx:
            raise SystemExit("cannot load this file")
        self.n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(BATCH, 0, 1)
        self.rng, self.pos = random.Random(1), 0

    def clear(self):
        if hasattr(lib, "llama_memory_clear"):
            lib.llama_memory_clear(lib.llama_get_memory(self.ctx), True)
        else:
            lib.llama_kv_cache_clear(self.ctx)
        self.pos = 0

    def eval(self, n, want_all=False):
        """n random tokens in one pass (n <= 512); the time it took, the logits of the last or of all included."""
        b = self.batch
        b.n_tokens = n
        for i in range(n):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0] = self.rng.randrange(min(self.n_vocab, 32000)), self.pos + i, 1, 0
            b.logits[i] = want_all or i + 1 == n
        start = time.perf_counter()
        if lib.llama_decode(self.ctx, b) != 0:
            raise SystemExit("decode failed")
        lib.llama_get_logits_ith(self.ctx, n - 1)
        self.pos += n
        return time.perf_counter() - start

    def fill(self, depth):
        """Go on to a depth: (tokens, seconds)."""
        n, s = 0, 0.0
        while self.pos < depth:
            k = min(BATCH, depth - self.pos)
            s += self.eval(k)
            n += k
        return n, s

    def prefill(self, n):
        self.clear()
        return n / self.fill(n)[1]

    def decode(self, n):
        self.eval(1)
        return n / sum(self.eval(1) for _ in range(n))


def emit(metric, n, values, unit="tokens/s"):
    print(f"{metric}\t{n}\t{statistics.median(values):.3f}\t{unit}", flush=True)


def peak_mib():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024


def need_ctx(w):
    most = max([w.get("prefill", 0), w.get("probe", 0), w.get("busy", 0), 256] + w.get("depths", []))
    return most + 8 * sum(w.get("rows", [])) + 8 * w.get("decode", 0) + 512


def depths(p, w):
    """Prefill of the deepest, and decoding at each on the way there."""
    p.clear()
    n_all, s_all = 0, 0.0
    for d in w["depths"]:
        n, s = p.fill(d)
        n_all, s_all = n_all + n, s_all + s
        emit("decode", d, [p.decode(w["decode"])])
    if n_all > BATCH:
        emit("prefill", w["depths"][-1], [n_all / s_all])


def beside(p, w):
    """The same alone and beside one busy process."""
    from spinner import spinner
    p.prefill(min(w["busy"], 64))
    for name in "alone", "beside":
        with spinner() if name == "beside" else open(os.devnull):
            emit(name + "_prefill", w["busy"], [p.prefill(w["busy"])])
            p.clear()
            emit(name + "_decode", 0, [p.decode(w["decode"])])


def main():
    path, w = sys.argv[1], json.loads(sys.argv[2])
    repeats = range(w["repeats"])
    print(f"engine\t0\t{NAME}\t{VERSION}", flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where the libraries write their loading log
    before, start = peak_mib(), time.perf_counter()
    p = Peer(path, w["threads"], need_ctx(w), w["kv"])
    p.eval(16)
    if "start" in w:
        emit("start", 16, [(time.perf_counter() - start) * 1e3], "ms")
    if "probe" in w:
        emit("probe_prefill", w["probe"], [p.prefill(w["probe"])])
        emit("probe_decode", 0, [p.decode(4)])
    if "prefill" in w:
        p.prefill(w["prefill"])
        emit("prefill", w["prefill"], [p.prefill(w["prefill"]) for _ in repeats])
    if "rows" in w:
        p.clear()
        p.fill(64)
        for n in w["rows"]:
            p.eval(n, True)
            emit("rows", n, [n / p.eval(n, True) for _ in range(3 * w["repeats"])])
    if "decode" in w and "depths" not in w and "busy" not in w:
        p.clear()
        emit("decode", 0, [p.decode(w["decode"]) for _ in repeats])
    if "depths" in w:
        depths(p, w)
    if "busy" in w:
        beside(p, w)
    emit("peak", 0, [peak_mib() - before], "MiB")


if __name__ == "__main__":
    main()
