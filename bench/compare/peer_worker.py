"""Measure one peer on one model: run by compare.py in the peer's own virtual environment.

  peer_worker.py MODEL N_THREADS DEPTH REPEATS METRIC...

Prints one line per value: metric, n, value, unit, tab separated, as `hyperlama bench --tsv` does. Speaks llama.cpp's C interface
through llama-cpp-python or ik-llama-cpp-python, whichever is installed: flash attention on, f16 KV, n_ubatch 512.
"""
import ctypes, os, random, statistics, sys, time
from importlib.metadata import version

try:
    from llama_cpp import llama_cpp as lib
    NAME, VERSION = "llama.cpp", "llama-cpp-python " + version("llama-cpp-python")
except ImportError:
    from ik_llama_cpp import _ctypes_api as lib
    NAME, VERSION = "ik_llama.cpp", "ik-llama-cpp-python " + version("ik-llama-cpp-python")


def silence():
    """The libraries write their loading log to stderr."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class Peer:
    def __init__(self, path, n_threads, n_ctx):
        lib.llama_backend_init()
        mp = lib.llama_model_default_params()
        mp.n_gpu_layers = 0
        self.model = lib.llama_model_load_from_file(path.encode(), mp)
        cp = lib.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch, cp.n_threads, cp.n_threads_batch = n_ctx, 512, 512, n_threads, n_threads
        if hasattr(cp, "flash_attn_type"):
            cp.flash_attn_type = 1
        else:
            cp.flash_attn = True
        cp.type_k = cp.type_v = 1
        if hasattr(cp, "swa_full"):
            cp.swa_full = False  # what its own programs use
        self.ctx = lib.llama_init_from_model(self.model, cp)
        if not self.model or not self.ctx:
            raise SystemExit("cannot load " + path)
        self.n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.batch = lib.llama_batch_init(512, 0, 1)
        self.rng, self.pos = random.Random(1), 0

    def clear(self):
        if hasattr(lib, "llama_memory_clear"):
            lib.llama_memory_clear(lib.llama_get_memory(self.ctx), True)
        else:
            lib.llama_kv_cache_clear(self.ctx)
        self.pos = 0

    def eval(self, n):
        """n random tokens in one pass (n <= 512); the time it took, logits of the last included."""
        b = self.batch
        b.n_tokens = n
        for i in range(n):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0] = self.rng.randrange(min(self.n_vocab, 32000)), self.pos + i, 1, 0
            b.logits[i] = i + 1 == n
        start = time.perf_counter()
        if lib.llama_decode(self.ctx, b) != 0:
            raise SystemExit("decode failed")
        lib.llama_get_logits_ith(self.ctx, n - 1)
        self.pos += n
        return time.perf_counter() - start

    def fill(self, depth):
        self.clear()
        while self.pos < depth:
            self.eval(min(512, depth - self.pos))


def emit(metric, n, values, unit="tokens/s"):
    print(f"{metric}\t{n}\t{statistics.median(values):.3f}\t{unit}", flush=True)


def peak_mib():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024


def main():
    path, n_threads, depth, repeats, metrics = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]
    print(f"engine\t0\t{NAME}\t{VERSION}", flush=True)
    silence()
    before, start = peak_mib(), time.perf_counter()
    p = Peer(path, n_threads, max(depth + 4 * 32, 1024) + 256)
    p.eval(16)
    emit("load", 16, [(time.perf_counter() - start) * 1e3], "ms")
    p.clear()
    p.eval(512)
    if "prefill" in metrics:
        runs = []
        for _ in range(repeats):
            p.clear()
            runs.append(512 / p.eval(512))
        emit("prefill", 512, runs)
    if "decode" in metrics:
        runs = []
        for _ in range(repeats):
            p.clear()
            p.eval(1)
            runs.append(64 / sum(p.eval(1) for _ in range(64)))
        emit("decode", 0, runs)
    if "rows" in metrics:
        for n in (1, 2, 4, 8, 16, 32):
            runs = []
            for _ in range(repeats):
                p.fill(64)
                p.eval(n)
                runs.append(4 * n / sum(p.eval(n) for _ in range(4)))
            emit("rows", n, runs)
    if "depth" in metrics:
        start = time.perf_counter()
        p.fill(depth)
        emit("prefill", depth, [depth / (time.perf_counter() - start)])
        p.eval(1)
        emit("decode", depth, [32 / sum(p.eval(1) for _ in range(32)) for _ in range(repeats)])
    emit("peak", 0, [peak_mib() - before], "MiB")


if __name__ == "__main__":
    main()
