#!/usr/bin/env python3
"""Tokens per second undisturbed and beside busy processes, in turns; prints medians and what is left of the speed.

  contention.py [--busy N] [--rounds N] [--threads N] MODEL.gguf [WHAT ...]      WHAT as in bench_session: pp256 tg16
  contention.py --peer PYTHON ...                                                a peer's virtual environment instead (compare/)

Everything runs in one session, so that the scheduler's groups (autogroup) share as inside one container; beside other
sessions' work it helps to start this with `echo -20 > /proc/self/autogroup`.
"""
import argparse, os, re, statistics, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def measure(a):
    """{what: tokens/s} of one fresh process."""
    if a.peer:
        metrics = sorted({"prefill" if w.startswith("pp") else "decode" for w in a.what})
        cmd = [a.peer, os.path.join(HERE, "compare", "peer_worker.py"), a.model, str(a.threads), "64", "1", *metrics]
    else:
        cmd = [os.path.join(ROOT, "out/release/bench/bench_session"), a.model, str(a.threads), *a.what]
    out = subprocess.run(cmd, capture_output=True, text=True, check=True).stdout
    if a.peer:
        rows = [line.split("\t") for line in out.splitlines()]
        return {f"{r[0]} {r[1]}": float(r[2]) for r in rows if r[0] in metrics}
    return {m[1]: float(m[2]) for m in re.finditer(r"^(\S+)\t.*?\t([\d.]+) tok/s", out, re.M)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--busy", type=int, default=1, help="busy processes beside")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--peer", metavar="PYTHON")
    p.add_argument("model")
    p.add_argument("what", nargs="*", default=["pp256", "tg16"])
    a = p.parse_args()
    alone, beside = {}, {}
    for _ in range(a.rounds):
        for k, v in measure(a).items():
            alone.setdefault(k, []).append(v)
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(a.busy)]
        try:
            for k, v in measure(a).items():
                beside.setdefault(k, []).append(v)
        finally:
            for b in busy:
                b.kill()
                b.wait()
    print("what\talone\tbeside\tleft")
    for k in alone:
        x, y = statistics.median(alone[k]), statistics.median(beside[k])
        print(f"{k}\t{x:.1f}\t{y:.1f}\t{y / x:.2f}")


if __name__ == "__main__":
    main()
