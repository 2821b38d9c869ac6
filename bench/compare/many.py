#!/usr/bin/env python3
"""Many sequences decoded together, beside a peer: tokens per second of all, medians of rounds in turns.

  many.py --hyperlama out/release/hyperlama --peer PYTHON [--clients 16] [--steps 24] [--rounds 3] MODEL
  many.py --worker MODEL CLIENTS STEPS        inside a peer's virtual environment

The peer's figure is its library's: one llama_decode() of one token for each sequence a step, logits of all read, no
sampling and no HTTP; hyperlama's is its scheduler's, sampling included. Prompts of 16 tokens, f16 cache, 2 threads.
"""
import argparse, statistics, subprocess, sys, time

PROMPT = 16


def worker(path, clients, steps):
    import peer_worker as pw
    lib = pw.lib
    default = lib.llama_context_default_params

    def with_sequences():
        cp = default()
        cp.n_seq_max = clients
        if hasattr(cp, "kv_unified"):
            cp.kv_unified = True
        return cp

    lib.llama_context_default_params = with_sequences
    p = pw.Peer(path, 2, clients * (PROMPT + steps + 16), "f16")
    b = p.batch

    def decode(rows):
        b.n_tokens = len(rows)
        for i, (seq, pos, logits) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = p.rng.randrange(32000), pos, 1, seq, logits
        if lib.llama_decode(p.ctx, b) != 0:
            raise SystemExit("decode failed")
        lib.llama_get_logits_ith(p.ctx, len(rows) - 1)

    for seq in range(clients):
        decode([(seq, i, i + 1 == PROMPT) for i in range(PROMPT)])
    decode([(s, PROMPT, True) for s in range(clients)])
    start = time.perf_counter()
    for k in range(steps):
        decode([(s, PROMPT + 1 + k, True) for s in range(clients)])
    print(clients * steps / (time.perf_counter() - start))


def ours(program, model, clients, steps):
    out = subprocess.run([program, "bench", model, "--no-save", "--tsv", "--threads", "2", "--clients", str(clients), "-p", str(PROMPT),
                          "-n", str(steps + 3 * clients)], capture_output=True, text=True, check=True).stdout
    return float(next(line.split("\t")[2] for line in out.splitlines() if line.startswith("clients\t")))


def main():
    if sys.argv[1:2] == ["--worker"]:
        return worker(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    ap = argparse.ArgumentParser()
    ap.add_argument("--hyperlama", required=True)
    ap.add_argument("--peer", required=True)
    ap.add_argument("--clients", type=int, default=16)
    ap.add_argument("--steps", type=int, default=24)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("model")
    a = ap.parse_args()
    mine, theirs, one = [], [], []
    for _ in range(a.rounds):
        one.append(ours(a.hyperlama, a.model, 1, a.steps))
        mine.append(ours(a.hyperlama, a.model, a.clients, a.steps))
        done = subprocess.run([a.peer, __file__, "--worker", a.model, str(a.clients), str(a.steps)], capture_output=True, text=True)
        theirs.append(float(done.stdout.split()[-1]) if done.returncode == 0 else float("nan"))
    m, t, o = statistics.median(mine), statistics.median(theirs), statistics.median(one)
    print(f"clients {a.clients}: hyperlama {m:.1f} tokens/s, peer {t:.1f}, ratio {m / t:.2f}; one client {o:.1f}, ratio {m / o:.2f}")


if __name__ == "__main__":
    main()
