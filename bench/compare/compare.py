#!/usr/bin/env python3
"""Time hyperlama and its peers on the same model, thread count and metrics, in turns, and print a table with ratios.

  compare.py --peer-python llama=VENV/bin/python --peer-python ik=VENV2/bin/python [--hyperlama PATH] MODEL.gguf ...

Programs take turns (A B A B ...) for --rounds rounds, each round a fresh process that warms up and takes the median of
--repeats runs; the table shows the median over rounds. All run with flash attention, f16 KV and the same threads; programs
that are not there are left out. Metrics:

  prefill N   N tokens from an empty context, in passes of at most 512        tokens/s
  decode D    one token a pass, after D tokens of context                     tokens/s
  rows N      N tokens of one sequence in one pass at depth 64 and a little   tokens/s together
  load 16     peers only: from loading to the first evaluation of 16 tokens   ms
  peak        peers only: peak resident memory less the empty process's       MiB

Every pass computes the logits of its last token.

Results go to bench/results/DATE-compare.tsv: date, commit, machine, threads, load, model, engine, version, metric, n, value, unit.
Standard library only.
"""
import argparse, datetime, os, platform, statistics, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
ORDER = ("prefill", "decode", "rows", "load", "peak")
METRICS = ("prefill", "decode", "rows", "depth")


def parse(text):
    """(engine, version, {(metric, n): (value, unit)}) from tab-separated lines of metric, n, value, unit."""
    engine, version, out = None, "", {}
    for line in text.splitlines():
        cell = line.split("\t")
        if len(cell) != 4 or cell[0] == "metric":
            continue
        if cell[0] == "engine":
            engine, version = cell[2], cell[3]
        else:
            out[cell[0], int(cell[1])] = (float(cell[2]), cell[3])
    return engine, version, out


def bench(program, model, a, *options):
    """The values of one `hyperlama bench`: {(metric, n): (value, unit)}."""
    cmd = [program, "bench", model, "--tsv", "--threads", str(a.threads), *map(str, options)]
    return parse(subprocess.run(cmd, capture_output=True, text=True, check=True).stdout)[2]


def run_hyperlama(program, model, a):
    """The one place that knows hyperlama's command line."""
    out = bench(program, model, a, "--metrics", ",".join([*a.metrics, "load"]), "--depth", a.depth, "--runs", a.repeats)
    if "depth" in a.metrics:
        out.update(bench(program, model, a, "--metrics", "prefill", "--prompt", a.depth, "--runs", 1))
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return "hyperlama", version, {k: v for k, v in out.items() if k[0] in ORDER}


def run_peer(python, model, a):
    cmd = [python, os.path.join(HERE, "peer_worker.py"), model, str(a.threads), str(a.depth), str(a.repeats), *a.metrics]
    return parse(subprocess.run(cmd, capture_output=True, text=True, check=True).stdout)


def machine():
    name = platform.machine()
    for line in open("/proc/cpuinfo") if os.path.exists("/proc/cpuinfo") else ():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    return f"{name}, {len(os.sched_getaffinity(0))} CPUs"


def commit():
    r = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return r.stdout.strip() or "unknown"


def table(model, names, medians):
    base = "hyperlama" if "hyperlama" in names else None
    others = [n for n in names if n != base]
    head = ["metric", "unit"] + names + [f"{base} / {n}" for n in others if base]
    print(f"\n### {model}\n\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for key in sorted({k for m in medians.values() for k in m}, key=lambda k: (ORDER.index(k[0]), k[1])):
        unit = next(m[key][1] for m in medians.values() if key in m)
        cells = [f"{key[0]} {key[1]}" if key[0] != "peak" else "peak", unit]
        cells += [f"{medians[n][key][0]:.1f}" if key in medians[n] else "-" for n in names]
        for n in others if base else []:
            ok = key in medians[base] and key in medians[n] and medians[n][key][0] > 0
            cells.append(f"{medians[base][key][0] / medians[n][key][0]:.2f}" if ok else "-")
        print("| " + " | ".join(cells) + " |")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--peer-python", action="append", default=[], metavar="NAME=PATH")
    ap.add_argument("--hyperlama", default=os.path.join(ROOT, "out", "release", "hyperlama"))
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--repeats", type=int, default=3)
    ap.add_argument("--depth", type=int, default=4096)
    ap.add_argument("--metrics", default=",".join(METRICS), type=lambda s: s.split(","), help="some of " + ",".join(METRICS))
    ap.add_argument("--out", help="where to append; default bench/results/DATE-compare.tsv; - for nowhere")
    a = ap.parse_args()
    today = datetime.date.today().isoformat()
    programs = [("hyperlama", lambda m: run_hyperlama(a.hyperlama, m, a))] if os.path.exists(a.hyperlama) else []
    for p in a.peer_python:
        name, path = p.split("=", 1)
        programs.append((name, lambda m, path=path: run_peer(path, m, a)))
    head = ["date", "commit", "machine", "threads", "load", "model", "engine", "version", "metric", "n", "value", "unit"]
    lines = []
    for path in a.models:
        model = os.path.basename(path)
        values, versions = {n: {} for n, _ in programs}, {}
        load = os.getloadavg()[0]
        for i in range(a.rounds):
            for name, run in programs:
                try:
                    engine, version, got = run(path)
                except (subprocess.CalledProcessError, OSError) as e:
                    print(f"{name} on {model}: {e}\n{getattr(e, 'stderr', '') or ''}"[:2000], file=sys.stderr)
                    continue
                versions[name] = (engine, version)
                for key, v in got.items():
                    values[name].setdefault(key, []).append(v)
                print(f"round {i + 1} of {a.rounds}: {name} on {model}", file=sys.stderr)
        medians = {n: {k: (statistics.median(x[0] for x in v), v[0][1]) for k, v in m.items()} for n, m in values.items() if m}
        table(model, list(medians), medians)
        for n, m in medians.items():
            for (metric, k), (value, unit) in m.items():
                lines.append([today, commit(), machine(), a.threads, f"{load:.2f}", model, *versions[n], metric, k, f"{value:.3f}", unit])
    out = a.out or os.path.join(ROOT, "bench", "results", today + "-compare.tsv")
    if out != "-":
        os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
        new = not os.path.exists(out)
        with open(out, "a") as f:
            for row in ([head] if new else []) + lines:
                f.write("\t".join(map(str, row)) + "\n")
        print(f"\nwritten to {os.path.relpath(out)}", file=sys.stderr)


if __name__ == "__main__":
    main()
