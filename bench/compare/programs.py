"""The programs that can be measured, how each is asked, and what is found on this machine.

A measurement is asked for as a piece of work, the same for every program:

  threads, kv, repeats   always
  probe: N               a few tokens, to learn how long the rest will take
  prefill: N             N tokens from an empty context, in passes of at most 512
  decode: N              how many tokens a decoding measurement takes; without depths or busy: measure it at depth 0
  rows: [N...]           N tokens in one pass behind a little context, logits of all
  depths: [N...]         decoding at each depth, and prefill of the deepest
  busy: N                prefill of N tokens and decoding, alone and beside one busy process
  start: True            16 tokens from a cold process: hyperlama from exec to the first byte of the answer, peers from
                         loading to the logits (the interpreter around them is not counted)

An answer is (engine, version, [(metric, n, value, unit, share)]); Failure says in a line why there is none.
"""
import json, os, re, shutil, socket, subprocess, sys, tempfile, time, urllib.request

from spinner import spinner

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPT = "The cat sat on the mat and the dog ran to the house by the lake"  # 16 tokens in most vocabularies


class Failure(Exception):
    pass


def run(cmd, seconds, env=None):
    try:
        done = subprocess.run(cmd, capture_output=True, text=True, timeout=seconds, env=env)
    except subprocess.TimeoutExpired:
        raise Failure(f"took longer than {seconds:.0f} s")
    except OSError as e:
        raise Failure(str(e))
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).split("\n")[-1]
        raise Failure(said[:160] or f"ended with {done.returncode}")
    return done.stdout


def parse(text):
    """(engine, version, rows) from tab-separated lines of metric, n, value, unit and perhaps share."""
    engine, version, rows = "", "", []
    for cell in (line.split("\t") for line in text.splitlines()):
        if len(cell) < 4 or cell[0] == "metric":
            continue
        if cell[0] == "engine":
            engine, version = cell[2], cell[3]
        else:
            rows.append((cell[0], int(cell[1]), float(cell[2]), cell[3], float(cell[4]) if len(cell) > 4 else 0.0))
    return engine, version, rows


class Hyperlama:
    name = "hyperlama"

    def __init__(self, path):
        self.path = path
        self.version = run([path, "--version"], 20).split("\n")[0].replace("hyperlama ", "")
        self.home = tempfile.TemporaryDirectory()
        self.env = dict(os.environ, HYPERLAMA_HOME=self.home.name)
        run([path, "list"], 20, self.env)  # a home that exists, as people have

    def bench(self, model, w, seconds, metrics, *options):
        cmd = [self.path, "bench", model, "--tsv", "--no-save", "--threads", str(w["threads"]), "--kv-type", w["kv"], "--limit",
               "100000", "--metrics", metrics, "--generate", str(w.get("decode", 8)), *map(str, options)]
        return parse(run(cmd, seconds, self.env))[2]

    def start(self, model, w, seconds):
        cmd = [self.path, "run", model, "--raw", "--local", "--threads", str(w["threads"]), "-o", "num_predict=1", "-o",
               "temperature=0", PROMPT]
        begin = time.perf_counter()
        job = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        job.stdout.read(1)  # or the end: the token of a model that was never trained may be no text
        ms = (time.perf_counter() - begin) * 1e3
        _, said = job.communicate(timeout=seconds)
        if job.returncode != 0:
            raise Failure(said.decode(errors="replace").strip().split("\n")[-1][:160])
        return [("start", 16, ms, "ms", 0.0)]

    def measure(self, model, w, seconds):
        rows = []
        if "probe" in w:
            got = self.bench(model, dict(w, decode=4), seconds, "prefill,decode", "-p", w["probe"], "-d", 0, "-r", 1)
            rows += [("probe_" + r[0], *r[1:]) for r in got if r[0] in ("prefill", "decode")]
        if "start" in w:
            rows += self.start(model, w, seconds)
        if {"prefill", "rows", "decode"} & set(w) and not {"depths", "busy"} & set(w):
            options = {"prefill": ("-p", w.get("prefill")), "rows": ("--rows", ",".join(map(str, w.get("rows", [])))), "decode": ("-d", 0)}
            metrics = [m for m in options if m in w]
            rows += self.bench(model, w, seconds, ",".join(metrics), *(x for m in metrics for x in options[m]), "-r", w["repeats"])
        if "depths" in w:
            deep = w["depths"][-1]
            rows += self.bench(model, w, seconds, "prefill,decode" if deep > 512 else "decode", "-p", max(deep, 1), "-d",
                               ",".join(map(str, w["depths"])), "-r", 1)
        if "busy" in w:
            for kind in "alone", "beside":
                with spinner() if kind == "beside" else open(os.devnull):
                    got = self.bench(model, w, seconds, "prefill,decode", "-p", w["busy"], "-d", 0, "-r", 1)
                rows += [(f"{kind}_{r[0]}", *r[1:]) for r in got if r[0] in ("prefill", "decode")]
        return self.name, self.version, rows


class Worker:
    """A Python with llama-cpp-python or ik-llama-cpp-python in it."""

    def __init__(self, name, path):
        self.name, self.path = name, path

    def measure(self, model, w, seconds):
        _, version, rows = parse(run([self.path, os.path.join(HERE, "peer_worker.py"), model, json.dumps(w)], seconds))
        if not rows:
            raise Failure("no values")
        return self.name, version, rows


class LlamaBench:
    """llama.cpp's own benchmark program: prefill and decode, also at depths."""
    name = "llama-bench"

    def __init__(self, path):
        self.path = path

    def measure(self, model, w, seconds):
        sizes = [(w["prefill"], 0, 0)] if "prefill" in w else []
        sizes += [(0, w["decode"], d) for d in w.get("depths", [0] if "prefill" in w else [])]
        if not sizes:
            raise Failure("does not measure this")
        rows, version = [], ""
        for p, n, d in sizes:
            cmd = [self.path, "-m", model, "-p", p, "-n", n, "-d", d, "-t", w["threads"], "-fa", 1, "-ctk", w["kv"], "-ctv", w["kv"],
                   "-r", w["repeats"], "-o", "json"]
            out = json.loads(run([str(x) for x in cmd], seconds))[0]
            version = "build " + str(out.get("build_commit", "?"))
            rows.append(("prefill" if p else "decode", p or d, float(out["avg_ts"]), "tokens/s", 0.0))
        return self.name, version, rows


class LlamaServer:
    """llama.cpp's server: what a client sees of prefill, decoding and the first token, HTTP included."""
    name = "llama-server"

    def __init__(self, path):
        self.path = path

    def ask(self, port, seconds, **body):
        data = json.dumps(dict(body, cache_prompt=False, ignore_eos=True, temperature=0)).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/completion", data, {"Content-Type": "application/json"})
        begin = time.perf_counter()
        answer = json.load(urllib.request.urlopen(request, timeout=seconds))
        return answer["timings"], (time.perf_counter() - begin) * 1e3

    def wait(self, job, port, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and job.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                return
            except OSError:
                time.sleep(0.005)
        raise Failure("did not come up")

    def measure(self, model, w, seconds):
        if "prefill" not in w and "start" not in w:
            raise Failure("does not measure this")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        tokens = [1 + i * 7 % 900 for i in range(w.get("prefill", 16))]
        cmd = [self.path, "-m", model, "-t", w["threads"], "-fa", "on", "-ctk", w["kv"], "-ctv", w["kv"], "-np", 1, "-c",
               len(tokens) + 8 * w.get("decode", 8) + 64, "--port", port, "--host", "127.0.0.1", "--no-warmup"]
        begin = time.perf_counter()
        job = subprocess.Popen([str(x) for x in cmd], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.wait(job, port, seconds)
            self.ask(port, seconds, prompt=tokens[:16], n_predict=1)
            rows = [("start", 16, (time.perf_counter() - begin) * 1e3, "ms", 0.0)]
            if "prefill" in w:
                rows += self.rates(port, tokens, w, seconds)
        except (OSError, KeyError, ValueError) as e:
            raise Failure(str(e))
        finally:
            job.terminate()
            job.wait()
        return self.name, "", rows

    def rates(self, port, tokens, w, seconds):
        got = [self.ask(port, seconds, prompt=tokens, n_predict=1)[0] for _ in range(w["repeats"] + 1)][1:]
        wrote = self.ask(port, seconds, prompt=tokens[:1], n_predict=w["decode"])[0]
        first = [self.ask(port, seconds, prompt=tokens[:16], n_predict=1)[1] for _ in range(3)]
        return [("prefill", len(tokens), sorted(t["prompt_per_second"] for t in got)[len(got) // 2], "tokens/s", 0.0),
                ("decode", 0, wrote["predicted_per_second"], "tokens/s", 0.0), ("ttft_http", 16, sorted(first)[1], "ms", 0.0)]


KINDS = {"llama-bench": LlamaBench, "llama-server": LlamaServer}


def peer(text):
    """A program from NAME=PATH or PATH."""
    name, _, path = text.rpartition("=")
    path = path or text
    base = os.path.basename(path)
    if base in KINDS:
        return KINDS[base](path)
    if re.match(r"python", base):
        return Worker(name or "peer", path)
    raise SystemExit(f"--peer {text}: expected llama-bench, llama-server, or NAME=the python of a virtual environment")


def find():
    """Peers on the PATH and beside this Python: (programs, words about what is not there)."""
    found, words = [], []
    for module, name in (("llama_cpp", "llama.cpp"), ("ik_llama_cpp", "ik_llama.cpp")):
        there = subprocess.run([sys.executable, "-c", f"import importlib.util as u, sys; sys.exit(not u.find_spec('{module}'))"])
        if there.returncode == 0:
            found.append(Worker(name, sys.executable))
        else:
            words.append(f"{name}: this Python has no {module} (give --peer {name}=VENV/bin/python)")
    for base, kind in KINDS.items():
        path = shutil.which(base)
        found.append(kind(path)) if path else words.append(f"{base}: not on the PATH")
    words.append("ollama: " + ("found, but it is compared through HTTP, not here" if shutil.which("ollama") else "not on the PATH"))
    return found, words
