#!/usr/bin/env python3
"""Time hyperlama and its peers on the same files, in turns, and print a table with ratios and bars, and plots.

  compare.py --peer llama.cpp=VENV/bin/python --peer ik_llama.cpp=VENV2/bin/python MODEL.gguf ...
  compare.py --report bench/results/DATE-compare.tsv [--run NAME]

Programs take turns (A B C, A B C, ...) for --rounds rounds, each time in a fresh process; the report shows the median over
rounds. All run with the same threads, flash attention, f16 keys and values (q8_0 where it says so). What is measured, a piece
at a time (--pieces):

  core      prefill 512; decode at depth 0; rows 1 2 4 8 16 32: so many tokens in one pass, logits of all; peak memory
  depth     decode at depths up to 4096, prefill 4096, peak memory
  depth-q8  decode at the deepest, q8_0 keys and values
  busy      prefill and decode, alone and beside one busy process
  start     a cold process to the first token of a 16-token prompt, file in the page cache

Where the slowest program would need longer than --limit, sizes shrink: the report shows the sizes that were taken. Every value
is appended to a TSV at once, so a run that was stopped goes on where it was (same --run and --out): with --for S no piece is
begun that would end later, and the exit status is 75 while there is more to do. Standard library only.
"""
import argparse, datetime, os, platform, signal, subprocess, sys, time

import programs, report

ROOT = os.path.normpath(os.path.join(programs.HERE, "..", ".."))
PIECES = ("core", "depth", "depth-q8", "busy", "start")
PARTS = ("prefill", "decode", "rows")  # of core, for who wants only one
MORE = 75  # EX_TEMPFAIL: come again


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


def largest(sizes, rate, seconds):
    """The largest size that takes at most so long, else the smallest."""
    return next((n for n in sorted(sizes, reverse=True) if n / rate <= seconds), min(sizes))


def work(piece, a, speed):
    """The piece as work (programs.py) that the slowest program, with `speed` = (prefill, decode), does within the limit."""
    prefill, decode = speed
    w = {"threads": a.threads, "kv": "f16", "repeats": a.repeats}
    deep = largest((256, 512, 1024, 2048, 4096), prefill, 0.8 * a.limit)
    if piece == "probe":
        return dict(w, probe=32)
    if piece == "core" or piece in PARTS:
        core = {"prefill": largest((128, 256, 512), prefill, a.limit / (2 + 2 * a.repeats)),
                "decode": largest((16, 32, 64), decode, a.limit / 4), "rows": [1, 2, 4, 8, 16, 32]}
        return dict(w, **{k: v for k, v in core.items() if piece in ("core", k)})
    if piece == "depth":
        return dict(w, depths=[d for d in (256, 512, 1024, 2048, 4096) if d <= deep], decode=largest((8, 16), decode, a.limit / 20))
    if piece == "depth-q8":
        return dict(w, kv="q8_0", depths=[deep], decode=largest((8, 16), decode, a.limit / 20))
    if piece == "busy":
        return dict(w, busy=largest((32, 64, 128, 256), prefill, a.limit / 15), decode=largest((8, 16, 32), decode, a.limit / 15))
    return dict(w, start=True)


class Log:
    """The file of values."""
    HEAD = report.COLUMNS

    def __init__(self, path, run, threads):
        self.path, self.run = path, run
        self.same = [datetime.datetime.now().isoformat(timespec="seconds"), run, commit(), machine(), threads]
        self.rows = [r for r in report.read(path) if r["run"] == run] if os.path.exists(path) else []

    def add(self, model, engine, version, piece, turn, values):
        new = not os.path.exists(self.path)
        load = f"{os.getloadavg()[0]:.2f}"
        with open(self.path, "a") as f:
            for cells in [self.HEAD] if new else []:
                f.write("\t".join(cells) + "\n")
            for metric, n, value, unit, share in values:
                self.same[0] = datetime.datetime.now().isoformat(timespec="seconds")
                cells = [*self.same, load, model, engine, version, piece, turn, metric, n, f"{value:.3f}", unit, f"{share:.3f}"]
                f.write("\t".join(map(str, cells)) + "\n")
                self.rows.append(dict(zip(self.HEAD, map(str, cells))))

    def find(self, **like):
        return [r for r in self.rows if all(r[k] == str(v) for k, v in like.items())]

    def speed(self, model):
        """The slowest program's rates in the probe, (prefill, decode) in tokens/s."""
        rates = [[float(r["value"]) for r in self.find(model=model, metric=m)] for m in ("probe_prefill", "probe_decode")]
        return tuple(min(r) if r else 1.0 for r in rates)

    def wall(self, model, engine, piece):
        walls = [float(r["value"]) for r in self.find(model=model, engine=engine, piece=piece, metric="wall")]
        return max(walls) if walls else None


def turns(a, programs_):
    """Every (path, piece, round) in order."""
    for path in a.models:
        yield path, "probe", 1
        for piece in a.pieces:
            for turn in range(1, a.rounds + 1):
                yield path, piece, turn


def measure(log, a, program, path, piece, turn, seconds):
    model = os.path.basename(path)
    begin = time.monotonic()
    try:
        _, version, values = program.measure(path, work(piece, a, log.speed(model)), seconds)
    except programs.Failure as e:
        if seconds < 3 * a.limit and time.monotonic() - begin >= seconds:
            raise SystemExit(MORE)  # it was our time that was up
        version, values = "", [("failed", 0, 0.0, str(e).replace("\t", " "), 0.0)]
        print(f"{program.name} on {model}, {piece}: {e}", file=sys.stderr)
    wall = time.monotonic() - begin
    log.add(model, program.name, version, piece, turn, values + [("wall", 0, wall, "s", 0.0)])
    print(f"{model} {piece} {turn}/{a.rounds}: {program.name}, {wall:.0f} s", file=sys.stderr)


def run_all(log, a, every):
    begin, n_made = time.monotonic(), 0
    for path, piece, turn in turns(a, every):
        model = os.path.basename(path)
        left = [p for p in every if not log.find(model=model, engine=p.name, piece=piece, round=turn)
                and not log.find(model=model, engine=p.name, piece="probe", metric="failed")]
        estimate = a.limit * 0.6 if piece != "probe" else 5 + os.path.getsize(path) / 2e8
        need = sum(log.wall(model, p.name, piece) or estimate for p in left)
        spent = time.monotonic() - begin
        if left and a.for_s and n_made and spent + need > a.for_s:
            raise SystemExit(MORE)
        n_made += bool(left)
        for p in left:
            remains = a.for_s + 10 - (time.monotonic() - begin) if a.for_s else 3 * a.limit
            measure(log, a, p, path, piece, turn, max(1.0, min(3 * a.limit, remains)))


def parse_args():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="*")
    ap.add_argument("--peer", action="append", default=[], metavar="NAME=PATH",
                    help="the python of a virtual environment, llama-bench or llama-server; without any, those found here")
    ap.add_argument("--hyperlama", default=os.path.join(ROOT, "out", "release", "hyperlama"))
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    ap.add_argument("--pieces", default=",".join(PIECES), type=lambda s: s.split(","), help="some of " + ",".join(PIECES + PARTS))
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--repeats", type=int, default=1, help="runs inside a round, after one to warm up; their median counts")
    ap.add_argument("--limit", type=float, default=75, metavar="S", help="for one program and piece; sizes shrink to fit")
    ap.add_argument("--for", dest="for_s", type=float, default=0, metavar="S", help="stop after so many seconds, to go on later")
    ap.add_argument("--run", help="name of this run in the file; default the commit")
    ap.add_argument("--out", help="where values go; default bench/results/DATE-compare.tsv")
    ap.add_argument("--report", metavar="TSV", help="measure nothing; print the report of a file and draw its plots")
    a = ap.parse_args()
    for piece in a.pieces:
        if piece not in PIECES + PARTS:
            ap.error(f"--pieces has '{piece}', expected some of {','.join(PIECES + PARTS)}")
    if not a.report and not a.models:
        ap.error("no model to compare on")
    return a


def main():
    a = parse_args()
    if a.report:
        return report.write(a.report, a.run)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(MORE))  # so that children are ended too
    out = a.out or os.path.join(ROOT, "bench", "results", datetime.date.today().isoformat() + "-compare.tsv")
    peers, words = ([programs.peer(p) for p in a.peer], []) if a.peer else programs.find()
    if not os.path.exists(a.hyperlama):
        words.append(f"hyperlama: {a.hyperlama} is not there")
    for w in words:
        print("skipped:", w, file=sys.stderr)
    every = ([programs.Hyperlama(a.hyperlama)] if os.path.exists(a.hyperlama) else []) + peers
    log = Log(out, a.run or commit(), a.threads)
    run_all(log, a, every)
    if not a.for_s:
        report.write(out, log.run)


if __name__ == "__main__":
    sys.exit(main())
