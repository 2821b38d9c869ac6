#!/usr/bin/env python3
"""The table of baselines: hyperlama, Ollama, llama.cpp, ik_llama.cpp and MAX on the same models, over HTTP, by one command.

  baselines.py MODEL.gguf | FOLDER ... [--rows ...] [--rounds 3] [--out bench/results/DATE-baselines.tsv]
  baselines.py --report FILE.tsv

Of a folder the models of the set are taken: smollm2-135m*, gemma3-270m*, llama3-8b-q4_k_m. The programs are named by options
(--ollama PATH ...), by variables (HL_OLLAMA, HL_LLAMA_SERVER, HL_IK_LLAMA_SERVER, HL_MAX) or found on the PATH; MAX opens the
folder of the same name beside the file (config.json, tokenizer.json, safetensors in float32), or what HL_MAX_MODEL names. A
program that is missing, or that cannot do something, is a row that says so.

All are asked through POST /v1/completions as a stream, by the same client, with the machine's cores and temperature 0; each
round starts every program afresh, in turns, for one client and once more, told to expect 16, for `clients`. The rows:

  load      from the start of the server to the first token of its first answer
  first     first token of a prompt of 16 tokens, model loaded; a fresh number in front so that no cache helps
  prefill   tokens/s of an unseen prompt of about --prompt tokens (as the server counts them)
  single    tokens/s of one answer of --tokens tokens, behind its first
  clients   tokens/s of 1, 4, 8 and 16 answers at once
  agent     a conversation that grows for --turns turns: seconds of all
  peak      memory of the process tree at its largest, with one client and with 16 (proportional set size: pages of the
            file count)
  energy    joules a token of `single`, of the processor's packages (RAPL), where they can be read

Beside FILE.tsv, which has every value, come FILE.md with medians, ratios and hardware, and FILE.svg with tokens/s over clients.
Run it on a quiet machine, or with the first right to the cores (README). Standard library only.
"""
import argparse, concurrent.futures, datetime, glob, json, os, platform, random, re, shutil, signal, statistics, subprocess, sys, tempfile, threading, time, urllib.request

import compare, plots, report, serving

SET = ("smollm2-135m", "gemma3-270m", "llama3-8b-q4_k_m")
ROWS = ("load", "first", "prefill", "single", "clients", "agent", "peak", "energy")
CLIENTS = (1, 4, 8, 16)
FALLING = ("load", "first", "agent", "peak", "energy")
UNITS = {"load": "s", "first": "ms", "prefill": "tokens/s", "single": "tokens/s", "clients": "tokens/s", "agent": "s", "peak": "MiB", "energy": "J/token"}
BAR = 2.0  # times Ollama


class Missing(Exception):
    """Why there is no value."""


# ---- Process trees, memory, energy ----

def family(pid):
    """A process and all below it."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as f:
                parents.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            pass
    found = [pid]
    for p in found:
        found += parents.get(p, [])
    return found


def memory_kib(pid):
    total = 0
    for p in family(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
        except (OSError, AttributeError):
            pass  # it has ended
    return total


class Watch:
    """The largest memory of a process tree, looked at four times a second."""

    def __init__(self, pid):
        self.pid, self.most, self.end = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.end.wait(0.25):
            self.most = max(self.most, memory_kib(self.pid))

    def stop(self):
        self.most = max(self.most, memory_kib(self.pid))
        self.end.set()
        self.thread.join()
        return self.most / 1024


def joules():
    """Of all packages since some time; None: they cannot be read here."""
    total, found = 0, False
    for zone in glob.glob("/sys/class/powercap/intel-rapl:[0-9]*"):
        if ":" in os.path.basename(zone).replace("intel-rapl:", "", 1):
            continue  # a part of a package
        try:
            with open(zone + "/energy_uj") as f:
                total, found = total + int(f.read()), True
        except OSError:
            return None
    return total / 1e6 if found else None


# ---- The programs ----

class Hyperlama(serving.Hyperlama):
    def __init__(self, a, path, model, slots):
        super().__init__(argparse.Namespace(hyperlama=path, model=model, tiny=None))


class Ollama(serving.Ollama):
    def __init__(self, a, path, model, slots):
        super().__init__(argparse.Namespace(ollama=path, model=model), slots)


class LlamaServer(serving.LlamaServer):
    def __init__(self, a, path, model, slots):
        super().__init__(argparse.Namespace(llama_server=path, model=model, threads=a.threads), slots)


class Max(serving.Program):
    """float32, which is what it computes with on a processor that is no GPU (docs/decisions/0009-max-no-go.md)."""

    def __init__(self, a, path, model, slots):
        folder = os.environ.get("HL_MAX_MODEL") or os.path.splitext(model)[0]
        if not os.path.exists(os.path.join(folder, "config.json")):
            raise Missing(f"no folder with its safetensors ({os.path.basename(folder)}, or HL_MAX_MODEL)")
        port = serving.free_port()
        env = dict(os.environ, MAX_SERVE_HOST="127.0.0.1", MAX_SERVE_DISABLE_TELEMETRY="1", MODULAR_TELEMETRY_ENABLED="0", HF_HUB_OFFLINE="1",
                   MAX_SERVE_METRICS_ENDPOINT_PORT=str(serving.free_port()))
        super().__init__([path, "serve", "--model", folder, "--served-model-name", self.model, "--port", str(port), "--devices", "cpu",
                          "--quantization-encoding", "float32", "--max-length", "4096", "--max-batch-size", str(slots)], env, port)
        self.wait("/health", a.load_s)


PEERS = {"Ollama": ("ollama", "HL_OLLAMA", Ollama), "llama.cpp": ("llama-server", "HL_LLAMA_SERVER", LlamaServer),
         "ik_llama.cpp": ("ik-llama-server", "HL_IK_LLAMA_SERVER", LlamaServer), "MAX": ("max", "HL_MAX", Max)}


def find(a):
    """{name: (path, maker)} of those that are there, {name: why} of the others."""
    found, missing = {"hyperlama": (a.hyperlama, Hyperlama)}, {}
    for name, (program, variable, maker) in PEERS.items():
        given = getattr(a, program.replace("-", "_")) or os.environ.get(variable) or program
        path = shutil.which(given)
        if path:
            found[name] = (path, maker)
        else:
            missing[name] = f"'{given}' is no program here: --{program}, {variable} or the PATH names it"
    return found, missing


def version_of(name, path):
    for option in ("--version", "-v"):
        try:
            done = subprocess.run([path, option], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            continue
        line = next((x for x in (done.stdout + done.stderr).splitlines() if re.search(r"\d+\.\d|version", x) and "could not" not in x), "")
        if done.returncode == 0 and line:
            return re.sub(r"^\W*(warning|hyperlama|ollama|client|version|is|max|:|\s)*", "", line.strip(), flags=re.I)[:60]
    return ""


# ---- The rows: each gives {n: value} ----

def count_prompt(p, prompt):
    """Its tokens, as the server says, and how long it read them: seconds until an answer of one token is there."""
    body = {"model": p.model, "prompt": prompt, "max_tokens": 1, "temperature": 0, **p.extra}
    request = urllib.request.Request(f"http://127.0.0.1:{p.port}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=3600) as r:
        usage = json.load(r).get("usage") or {}
    return int(usage.get("prompt_tokens") or 0), time.perf_counter() - began


def row_first(p, rng, a):
    p.answer("Hello", 2)
    return {16: 1e3 * statistics.median(p.answer(f"{rng.randrange(1000, 9999)} The cat sat on the mat and the dog ran to", 2)[0][0] for _ in range(5))}


def row_prefill(p, rng, a):
    n, seconds = count_prompt(p, f"{rng.randrange(10 ** 6)} " + serving.text_of(rng, int(a.prompt / 1.25)))
    if n == 0:
        raise Missing("it does not say how many tokens a prompt has")
    return {a.prompt: n / seconds}


def rate(stamps):
    if len(stamps) < 4:
        raise Missing(f"its answer has {len(stamps)} tokens")
    return (len(stamps) - 1) / (stamps[-1] - stamps[0])


def row_single(p, rng, a):
    return {1: rate(p.answer(f"{rng.randrange(10 ** 6)} Once upon a time", a.tokens)[0])}


def row_energy(p, rng, a):
    before = joules()
    if before is None:
        raise Missing("no RAPL counter can be read here")
    stamps = p.answer(f"{rng.randrange(10 ** 6)} Once upon a time", a.tokens)[0]
    return {1: (joules() - before) / len(stamps)}


def row_clients(p, rng, a):
    out = {}
    for n in CLIENTS:
        prompts = [f"{rng.randrange(10 ** 6)} " + serving.text_of(rng, 24) for _ in range(n)]
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(n) as pool:
            total = sum(len(x[0]) for x in pool.map(lambda s: p.answer(s, a.tokens), prompts))
        out[n] = total / (time.perf_counter() - began)
    return out


def row_agent(p, rng, a):
    said = f"{rng.randrange(10 ** 6)} " + serving.text_of(rng, 400)
    began = time.perf_counter()
    for _ in range(a.turns):
        said += " User: " + serving.text_of(rng, 100) + " Assistant:"
        said += p.answer(said, 16)[1]
    return {a.turns: time.perf_counter() - began}


TAKE = {"first": row_first, "prefill": row_prefill, "single": row_single, "energy": row_energy, "clients": row_clients, "agent": row_agent}


def measure_one(maker, path, model, slots, rows, rng, a, tell):
    """Start a program for so many clients, take some rows, stop it."""
    began = time.perf_counter()
    p = maker(a, path, model, slots)
    watch = Watch(p.process.pid)
    try:
        p.answer("Hi", 1)
        if slots == 1 and "load" in a.rows:
            tell("load", 0, time.perf_counter() - began)
        for row in rows:
            try:
                for n, value in TAKE[row](p, rng, a).items():
                    tell(row, n, value)
            except (Missing, SystemExit, OSError, ValueError, KeyError, IndexError) as e:
                tell(row, 0, str(e)[:160] or type(e).__name__)
    finally:
        most = watch.stop()
        p.stop()
    if "peak" in a.rows:
        tell("peak", slots, most)


def measure(maker, path, model, rng, a, tell):
    """One round of one program: tell(row, n, value) for each value, tell(row, 0, why) for each that cannot be had."""
    for slots, rows in ((1, [r for r in a.rows if r in TAKE and r != "clients"]), (max(CLIENTS), [r for r in a.rows if r == "clients"])):
        if not rows and (slots > 1 or not {"load", "peak"} & set(a.rows)):
            continue
        try:
            measure_one(maker, path, model, slots, rows, rng, a, tell)
        except (Missing, SystemExit, OSError, ValueError, IndexError, subprocess.CalledProcessError) as e:
            for row in rows or ["load"]:
                tell(row, 0, str(e)[:160] or type(e).__name__)


# ---- The report ----

def medians(rows):
    """{model: {engine: {(metric, n): value, or a text that says why there is none}}}"""
    seen, out = {}, {}
    for r in rows:
        failed = r["metric"] == "missing"
        key = (r["piece"] if failed else r["metric"], int(r["n"]))
        seen.setdefault(r["model"], {}).setdefault(r["engine"], {}).setdefault(key, []).append(r["unit"] if failed else float(r["value"]))
    for model, engines in seen.items():
        for engine, values in engines.items():
            for key, all_of in values.items():
                numbers = [x for x in all_of if not isinstance(x, str)]
                out.setdefault(model, {}).setdefault(engine, {})[key] = statistics.median(numbers) if numbers else all_of[0]
    return out


def markdown(rows):
    first, all_of, lines = rows[0], medians(rows), []
    names = [e for e in ("hyperlama", *PEERS) if any(e in m for m in all_of.values())]
    versions = sorted({f"{r['engine']} {r['version']}" for r in rows if r["version"]})
    lines += [f"## Baselines, run {first['run']}, {first['date'][:10]}", "", f"{first['machine']}; {first['threads']} threads, commit {first['commit']}; {'; '.join(versions)}.",
              f"Load of the machine beside it: {min(float(r['load']) for r in rows):.1f} to {max(float(r['load']) for r in rows):.1f}. Medians; ratios above 1 are in hyperlama's favour.", ""]
    for model, engines in all_of.items():
        keys = sorted({k for m in engines.values() for k, v in m.items() if not isinstance(v, str)}, key=lambda k: (ROWS.index(k[0]), k[1]))
        keys += [(r, 0) for r in ROWS if not any(k[0] == r for k in keys) and any((r, 0) in m for m in engines.values())]
        lines += [f"### {model}", "", "| | " + " | ".join(names) + " | " + " | ".join(f"/ {n}" for n in names[1:]) + f" | {BAR:g} x Ollama |", "|" + " --- |" * (2 * len(names) + 1)]
        notes = {}
        for metric, n in keys:
            cells, values = [], {}
            for e in names:
                v = engines.get(e, {}).get((metric, n), engines.get(e, {}).get((metric, 0)))
                if v is None or isinstance(v, str):
                    cells.append("missing" if isinstance(v, str) else "-")
                    if isinstance(v, str):
                        notes.setdefault((e, v), []).append(metric)
                else:
                    values[e] = v
                    cells.append(f"{v:.2f}" if v < 10 else f"{v:.0f}")
            ratios = {e: (values[e] / values["hyperlama"] if metric in FALLING else values["hyperlama"] / values[e])
                      for e in names[1:] if e in values and values.get("hyperlama") and values[e]}
            met = "" if "Ollama" not in ratios else "yes" if ratios["Ollama"] >= BAR else "**no**"
            lines.append(f"| {metric}{f' {n}' if n > 1 else ''}, {UNITS[metric]} | " + " | ".join(cells + [f"{ratios[e]:.2f}" if e in ratios else "-" for e in names[1:]] + [met]) + " |")
        lines.append("")
        lines += [f"* {e}: {', '.join(dict.fromkeys(metrics))} missing: {why}" for (e, why), metrics in notes.items()] + ([""] if notes else [])
    return "\n".join(lines)


def write(path, run):
    rows = report.read(path)
    rows = [r for r in rows if r["run"] == (run or rows[-1]["run"])]
    if not rows:
        raise SystemExit(f"{path}: no values" + (f" of run '{run}'" if run else ""))
    base, text = os.path.splitext(path)[0] + "-" + rows[0]["run"], markdown(rows)
    with open(base + ".md", "w") as f:
        f.write(text + "\n")
    panels = {}
    for model, engines in medians(rows).items():
        lines = {e: [(n, v) for (m, n), v in values.items() if m == "clients" and not isinstance(v, str)] for e, values in engines.items()}
        lines = {e: points for e, points in lines.items() if len(points) > 1}
        if lines:
            panels[model] = lines
    if panels:
        with open(base + ".svg", "w") as f:
            f.write(plots.figure("Answers at once", "clients", panels))
    print(text)


class Values:
    """The file: every value at once."""

    def __init__(self, path, run, a):
        self.path, is_new = path, not os.path.exists(path)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30
        self.same = [run, compare.commit(), f"{compare.machine()}, {memory:.0f} GiB, {platform.system()} {platform.release()}", str(a.threads)]
        if is_new:
            self.add([report.COLUMNS])

    def add(self, rows):
        with open(self.path, "a") as f:
            f.writelines("\t".join(str(c).replace("\t", " ").replace("\n", " ") for c in row) + "\n" for row in rows)

    def tell(self, model, engine, version, turn, row, n, value):
        now, load = datetime.datetime.now().isoformat(timespec="seconds"), f"{os.getloadavg()[0]:.2f}"
        what = ["missing", n, 0, value, 0] if isinstance(value, str) else [row, n, f"{value:.4f}", UNITS[row], 0]
        self.add([[now, *self.same, load, model, engine, version, row, turn, *what]])
        print(f"{model}\t{engine}\t{turn}\t{row} {n or ''}\t{value if isinstance(value, str) else round(value, 3)}", file=sys.stderr, flush=True)


def models_of(paths):
    for path in paths:
        if os.path.isdir(path):
            found = sorted(f for f in glob.glob(os.path.join(path, "*.gguf")) if os.path.basename(f).lower().startswith(SET))
            if not found:
                raise SystemExit(f"{path}: none of {', '.join(SET)}")
            yield from found
        elif os.path.exists(path):
            yield path
        else:
            raise SystemExit(f"{path}: not there")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperlama", default=os.path.join(compare.ROOT, "out/release/hyperlama"))
    for program, variable, _ in PEERS.values():
        parser.add_argument("--" + program, help=f"else {variable}, else the PATH")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--load-s", type=int, default=900, help="that MAX may take to compile")
    parser.add_argument("--run", default=str(datetime.date.today()))
    parser.add_argument("--out", default=os.path.join(compare.ROOT, f"bench/results/{datetime.date.today()}-baselines.tsv"))
    parser.add_argument("--report", metavar="FILE.tsv")
    parser.add_argument("models", nargs="*")
    a = parser.parse_args()
    if a.report:
        return write(a.report, a.run if "--run" in sys.argv else None)
    a.rows = a.rows.split(",")
    for row in a.rows:
        if row not in ROWS:
            parser.error(f"--rows: {row} is none of {', '.join(ROWS)}")
    models, (found, missing) = list(models_of(a.models)), find(a)
    if not models:
        parser.error("a model, or a folder of them")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are stopped
    values = Values(a.out, a.run, a)
    versions = {name: version_of(name, path) for name, (path, _) in found.items()}
    for model in models:
        label = os.path.splitext(os.path.basename(model))[0]
        for name, why in missing.items():
            for row in a.rows:
                values.tell(label, name, "", 1, row, 0, why)
        for turn in range(1, a.rounds + 1):
            for name in list(found) if turn % 2 else list(found)[::-1]:
                measure(found[name][1], found[name][0], model, random.Random(1000 * turn + 7), a, lambda row, n, value: values.tell(label, name, versions[name], turn, row, n, value))
    write(a.out, a.run)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
