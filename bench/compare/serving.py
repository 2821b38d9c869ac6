#!/usr/bin/env python3
"""`hyperlama serve` beside `llama-server` and Ollama, over HTTP as clients see them, and what serving itself costs.

  serving.py --hyperlama out/release/hyperlama [--llama-server PATH] [--ollama PATH] [--rows ...] [--rounds 5] MODEL.gguf

All are asked through the same API, POST /v1/completions as a stream (raw text, temperature 0), by the same client; rounds
go in turns, medians are printed with ratios, every value goes to --tsv. Each program has all cores of the affinity mask;
run it on a quiet machine, or with the first right to the cores (README).

  first        first token of a prompt of 16 tokens, model loaded; a fresh number in front so that no cache helps
  known        first token of a prompt of --long tokens that was seen before, with another ending
  agent        a conversation that grows from 2,000 to 12,000 tokens in 20 steps, each answered: time of all
  streams      64 answers at once (llama-server: -np 16): tokens/s of all, inter-token latency
  own          hyperlama alone: what a token, a request and an idle connection cost the server itself; needs --tiny,
               a model whose steps cost nothing, and wrk for requests per second
  switch       hyperlama alone: two loaded models in turns (MODEL and --tiny)
"""
import argparse, concurrent.futures, http.client, json, os, random, re, shutil, socket, statistics, subprocess, sys, tempfile, threading, time

ROWS = ("first", "known", "agent", "streams", "own", "switch")
WORDS = ("river house light stone green paper water table cloud field winter music orange silver garden window morning "
         "engine letter forest bridge summer yellow market").split()


def text_of(rng, n_words):
    return " ".join(rng.choice(WORDS) for _ in range(n_words))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A server that is started, asked and stopped."""
    model = "m"

    def __init__(self, command, env, port):
        self.port = port
        self.folder = getattr(self, "folder", None)
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait(self, path, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.get(path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"{type(self).__name__} did not start")

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        c.request("GET", path)
        r = c.getresponse()
        return r.status, r.read()

    def answer(self, prompt, n, connection=None):
        """(seconds from the request to each token that came, text)."""
        c = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=3600)
        body = {"model": self.model, "prompt": prompt, "max_tokens": n, "temperature": 0, "stream": True, **self.extra}
        began = time.perf_counter()
        c.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        r = c.getresponse()
        if r.status != 200:
            raise SystemExit(f"{type(self).__name__}: {r.status} {r.read()[:300]}")
        stamps, said = [], []
        for line in r:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            event = json.loads(line[6:])
            if event.get("choices") and (event["choices"][0].get("text") or event["choices"][0].get("finish_reason") is None):
                stamps.append(time.perf_counter() - began)
                said.append(event["choices"][0].get("text") or "")
        return stamps, "".join(said), began

    def stop(self):
        self.process.terminate()
        self.process.wait()
        if self.folder:
            self.folder.cleanup()

    extra = {}


class Hyperlama(Program):
    def __init__(self, a):
        self.folder, port = tempfile.TemporaryDirectory(), free_port()
        env = dict(os.environ, HYPERLAMA_HOME=self.folder.name, HYPERLAMA_CONFIG=self.folder.name + "/c.ini",
                   HYPERLAMA_SERVER_HOST=f"127.0.0.1:{port}", HYPERLAMA_LOG_LEVEL="error")
        for path, name in ((a.model, "m"), (a.tiny, "tiny")):
            if path:
                subprocess.run([a.hyperlama, "import", path, name], env=env, check=True, stdout=subprocess.DEVNULL)
        super().__init__([a.hyperlama, "serve"], env, port)
        self.wait("/health")


class LlamaServer(Program):
    extra = {"cache_prompt": True}

    def __init__(self, a, slots=1):
        port = free_port()
        super().__init__([a.llama_server, "-m", a.model, "-t", str(a.threads), "-tb", str(a.threads), "-np", str(slots), "-c",
                          str(max(16384, 1024 * slots)), "-fa", "on", "--host", "127.0.0.1", "--port", str(port)], None, port)
        self.wait("/health")


class Ollama(Program):
    def __init__(self, a, slots=1):
        self.folder, port = tempfile.TemporaryDirectory(), free_port()
        env = dict(os.environ, HOME=self.folder.name, OLLAMA_MODELS=self.folder.name + "/models",
                   OLLAMA_HOST=f"127.0.0.1:{port}", OLLAMA_CONTEXT_LENGTH="16384" if slots == 1 else "1024",
                   OLLAMA_NUM_PARALLEL=str(slots))
        super().__init__([a.ollama, "serve"], env, port)
        self.wait("/api/version")
        modelfile = os.path.join(self.folder.name, "Modelfile")
        with open(modelfile, "w") as f:
            f.write(f"FROM {os.path.abspath(a.model)}\nTEMPLATE {{{{ .Prompt }}}}\n")
        subprocess.run([a.ollama, "create", "m", "-f", modelfile], env=env, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def warm(p):
    p.answer("Hello", 4)


# ---- rows: each gives {name: (value, unit)} ----

def row_first(p, rng):
    times = [p.answer(f"{rng.randrange(1000, 9999)} The cat sat on the mat and the dog ran to", 2)[0][0] for _ in range(8)]
    return {"first": (1e3 * statistics.median(times), "ms")}


def row_known(p, rng, a):
    shared = f"{rng.randrange(10 ** 6)} " + text_of(rng, int(a.long / 1.25))
    p.answer(shared + " Now say a number.", 2)
    times = [p.answer(shared + f" Now answer question {rng.randrange(1000, 9999)} please.", 2)[0][0] for _ in range(3)]
    return {"known": (1e3 * statistics.median(times), "ms")}


def row_agent(p, rng):
    said = f"{rng.randrange(10 ** 6)} " + text_of(rng, 1600)
    began = time.perf_counter()
    for _ in range(20):
        said += " User: " + text_of(rng, 380) + " Assistant:"
        said += p.answer(said, 16)[1]
    return {"agent": (time.perf_counter() - began, "s")}


def row_streams(p, rng, n=64, steps=48):
    prompts = [f"{rng.randrange(10 ** 6)} " + text_of(rng, 24) for _ in range(n)]
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        stamps = [[t + start - began for t in times] for times, _, start in pool.map(lambda x: p.answer(x, steps), prompts)]
    itl = sorted(b - c for s in stamps for c, b in zip(s, s[1:]))
    total = sum(len(s) for s in stamps)
    return {"streams": (total / max(s[-1] for s in stamps), "tokens/s"),
            "streams_itl_p50": (1e3 * itl[len(itl) // 2], "ms"), "streams_itl_p99": (1e3 * itl[len(itl) * 99 // 100], "ms"),
            "streams_itl_p99/p50": (itl[len(itl) * 99 // 100] / max(itl[len(itl) // 2], 1e-9), "x")}


def event_thread_cpu_ns(pid):
    """Of libmicrohttpd's thread: the first of its name, which threads that it starts inherit."""
    for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        with open(f"/proc/{pid}/task/{task}/comm") as f:
            if f.read().startswith("MHD"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as g:
                    return int(g.read().split()[0])
    raise SystemExit("no event thread is found")


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def row_own(p, rng, a):
    out, pid = {}, p.process.pid
    name, p.model = p.model, "tiny" if a.tiny else "m"
    warm(p)
    before, n = event_thread_cpu_ns(pid), 0
    for _ in range(8):
        n += len(p.answer(f"{rng.randrange(10 ** 6)}\n", 256)[0])
    out["own_token"] = ((event_thread_cpu_ns(pid) - before) / 1e3 / max(n, 1), "us of the event thread a token")
    c = http.client.HTTPConnection("127.0.0.1", p.port)
    times = []
    for _ in range(300):
        began = time.perf_counter()
        c.request("GET", "/api/version")
        c.getresponse().read()
        times.append(time.perf_counter() - began)
    out["own_request"] = (1e6 * statistics.median(times), "us, one after another, client included")
    before = rss_kib(pid)
    idle = [socket.create_connection(("127.0.0.1", p.port)) for _ in range(1000)]
    for s in idle:
        s.sendall(b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for s in idle:
        s.recv(4096)
    out["idle_1000"] = ((rss_kib(pid) - before) / 1024, "MiB")
    for s in idle:
        s.close()
    if shutil.which("wrk"):
        said = subprocess.run(["wrk", "-t1", "-c32", "-d5s", f"http://127.0.0.1:{p.port}/api/version"], capture_output=True,
                              text=True).stdout
        out["version_per_s"] = (float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1)), "requests/s")
    p.model = name
    return out


def row_switch(p, rng):
    def first(model):
        p.model = model
        return p.answer(f"{rng.randrange(1000, 9999)} Hello there", 1)[0][0]
    for model in ("m", "tiny", "m", "tiny"):
        first(model)
    same = statistics.median(first("m") for _ in range(12))
    turns = []
    for _ in range(12):
        first("tiny")
        turns.append(first("m"))
    p.model = "m"
    return {"switch": (1e3 * (statistics.median(turns) - same), "ms more than without a switch")}


def measure(row, p, seed, a):
    rng = random.Random(seed)
    warm(p)
    if row == "known":
        return row_known(p, rng, a)
    if row == "own":
        return row_own(p, rng, a)
    return {"first": row_first, "agent": row_agent, "streams": row_streams, "switch": row_switch}[row](p, rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperlama", required=True)
    parser.add_argument("--llama-server")
    parser.add_argument("--ollama")
    parser.add_argument("--tiny", help="a second model, for own and switch")
    parser.add_argument("--rows", default="first,known,agent,streams")
    parser.add_argument("--long", type=int, default=4000, help="tokens of the prompt of `known`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--tsv")
    parser.add_argument("model")
    a = parser.parse_args()
    makers = {"hyperlama": lambda row: Hyperlama(a)}
    if a.llama_server:
        makers["llama-server"] = lambda row: LlamaServer(a, 16 if row == "streams" else 1)
    if a.ollama:
        makers["Ollama"] = lambda row: Ollama(a)
    values = {}
    for row in a.rows.split(","):
        if row not in ROWS:
            parser.error(f"--rows: {row} is none of {', '.join(ROWS)}")
        for i in range(a.rounds):
            order = list(makers) if i % 2 == 0 else list(makers)[::-1]
            for who in order:
                if who != "hyperlama" and row in ("own", "switch"):
                    continue
                p = makers[who](row)
                try:
                    got = measure(row, p, 1000 * i + 7, a)
                finally:
                    p.stop()
                for name, (value, unit) in got.items():
                    values.setdefault((name, unit), {}).setdefault(who, []).append(value)
                    print(f"{name}\t{who}\t{i}\t{value:.3f}\t{unit}", file=sys.stderr, flush=True)
    if a.tsv:
        with open(a.tsv, "a") as f:
            for (name, unit), sides in values.items():
                for who, each in sides.items():
                    f.writelines(f"{os.path.basename(a.model)}\t{name}\t{who}\t{i}\t{x:.4f}\t{unit}\n" for i, x in enumerate(each))
    print(f"\n| {os.path.basename(a.model)} | " + " | ".join(makers) + " | hyperlama / " + " | hyperlama / ".join(list(makers)[1:]) + " |")
    print("| --- |" + " --- |" * (2 * len(makers) - 1))
    for (name, unit), sides in values.items():
        m = {who: statistics.median(x) for who, x in sides.items()}
        cells = [f"{m[w]:.1f}" if w in m else "-" for w in makers]
        cells += [f"{m['hyperlama'] / m[w]:.2f}" if w in m and m[w] else "-" for w in list(makers)[1:]]
        print(f"| {name}, {unit} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    sys.exit(main())
