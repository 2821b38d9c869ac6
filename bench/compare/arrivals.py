#!/usr/bin/env python3
"""Requests that arrive at random times, beside llama-server: tokens per second of all, inter-token latency, first tokens.

  arrivals.py --hyperlama out/release/hyperlama --server llama-server [--requests 64] [--arrivals 8] [--rounds 1] MODEL
  arrivals.py ... --clients 16 --steps 32 MODEL     so many answers at the same time instead

Both programs get the same requests: `hyperlama bench --requests` draws prompt lengths (16 to 512 tokens), answer lengths
(16 to 128) and waiting times from a generator that draw() repeats. hyperlama is asked through its scheduler; the server
through HTTP on this machine, prompts as token ids, a stream per request, `-np 16`, its own prompt cache off as no two
prompts begin alike. How much of a step HTTP costs the server is its own affair only when steps are short: use a model
whose steps take tens of milliseconds. Rounds alternate; medians are printed as Markdown.
"""
import argparse, http.client, json, math, os, socket, statistics, subprocess, sys, threading, time

MASK = (1 << 32) - 1


def next_random(state):
    """The generator of cli/bench_serve.c: the new state, and the number drawn."""
    state = (state * 1664525 + 1013904223) & MASK
    return state, state >> 8


def prompt(seed, n, n_vocab):
    state, ids = seed * 2654435761 & MASK, []
    for _ in range(n):
        state, x = next_random(state)
        ids.append(x % n_vocab)
    return ids


def draw(n, per_s):
    """[(seconds to wait before it, prompt length, answer length)] of the requests."""
    state, out = 4711, []
    for i in range(n):
        state, a = next_random(state)
        state, b = next_random(state)
        state, c = next_random(state)
        wait = -math.log((c % 65536 + 1) / 65537.0) / per_s
        out.append((wait if i else 0.0, 16 << a % 6, 16 << b % 4))
    return out


class Server:
    def __init__(self, path, model, threads, slots, n_ctx):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(
            [path, "-m", model, "-t", str(threads), "-tb", str(threads), "-np", str(slots), "-c", str(n_ctx), "-fa", "on",
             "--host", "127.0.0.1", "--port", str(self.port), "--no-webui"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                if self.ask("GET", "/health").status == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None:
                raise SystemExit("the server ended while it loaded the model")
            time.sleep(0.1)
        try:
            self.n_vocab = json.load(self.ask("GET", "/v1/models"))["data"][0]["meta"]["n_vocab"]
        except (OSError, ValueError, LookupError) as e:
            self.stop()
            raise SystemExit(f"the server does not say how large its vocabulary is: {e!r}")

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        c.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        return c.getresponse()

    def answer(self, ids, n, stamps):
        """Times of the tokens, as they come."""
        body = {"prompt": ids, "n_predict": n, "temperature": 0, "ignore_eos": True, "stream": True, "cache_prompt": False,
                "return_tokens": True}
        for line in self.ask("POST", "/completion", body):
            if line.startswith(b"data: "):
                now = time.perf_counter()
                stamps.extend([now] * len(json.loads(line[6:]).get("tokens", [])))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def figures(began, sent, stamps):
    itl = sorted(b - a for s in stamps for a, b in zip(s, s[1:]))
    first = sorted(s[0] - t for s, t in zip(stamps, sent))
    total = sum(len(s) for s in stamps)
    return {"tokens": total, "rate": total / (max(s[-1] for s in stamps) - began), "itl_p50": 1e3 * itl[len(itl) // 2],
            "itl_p99": 1e3 * itl[len(itl) * 99 // 100], "itl_max": 1e3 * itl[-1], "first_p50": 1e3 * first[len(first) // 2],
            "first_max": 1e3 * first[-1]}


def ask_server(a):
    plan = draw(a.requests, a.arrivals) if not a.clients else [(0.0, a.prompt, a.steps)] * a.clients
    server = Server(a.server, a.model, a.threads, 16, 16 * 1024)
    try:
        prompts = [prompt(100 + i if not a.clients else i + 1, p[1], server.n_vocab) for i, p in enumerate(plan)]
        stamps, sent, threads = [[] for _ in plan], [], []
        began = time.perf_counter()
        for i, (wait, _, n) in enumerate(plan):
            time.sleep(wait)
            sent.append(time.perf_counter())
            threads.append(threading.Thread(target=server.answer, args=(prompts[i], n, stamps[i])))
            threads[-1].start()
        for t in threads:
            t.join()
    finally:
        server.stop()
    if any(not s for s in stamps):
        raise SystemExit("the server left a request without an answer")
    out = figures(began, sent, stamps)
    if a.clients:  # while all were generating
        begin, end = max(s[0] for s in stamps), min(s[-1] for s in stamps)
        out["rate"] = sum(begin < t <= end for s in stamps for t in s) / (end - begin)
    return out


def ask_hyperlama(a):
    what = ["--clients", str(a.clients), "-n", str(a.steps), "-p", str(a.prompt)] if a.clients else \
           ["--requests", str(a.requests), "--arrivals", str(a.arrivals)]
    out = subprocess.run([a.hyperlama, "bench", "--no-save", "--tsv", "-t", str(a.threads), *what, a.model], check=True,
                         capture_output=True, text=True).stdout
    rows = dict((r[0], float(r[2])) for r in (line.split("\t") for line in out.splitlines()[1:]))
    if a.clients:
        return {"rate": rows["clients"], "itl_p50": rows["itl_p50"], "itl_p99": rows["itl_p99"], "itl_max": rows["itl_max"]}
    return {"rate": rows["requests"], **{k: rows["requests_" + k] for k in ("itl_p50", "itl_p99", "itl_max", "first_p50", "first_max")}}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--hyperlama", required=True)
    p.add_argument("--server", required=True, help="llama-server, built for this processor")
    p.add_argument("--requests", type=int, default=64)
    p.add_argument("--arrivals", type=float, default=8, help="requests per second")
    p.add_argument("--clients", type=int, default=0)
    p.add_argument("--steps", type=int, default=32)
    p.add_argument("--prompt", type=int, default=16)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("model")
    a = p.parse_args()
    ours, theirs = [], []
    for _ in range(a.rounds):
        ours.append(ask_hyperlama(a))
        theirs.append(ask_server(a))
    print("| | hyperlama | llama-server | ratio |\n| --- | --- | --- | --- |")
    for key, words in (("rate", "tokens/s"), ("itl_p50", "inter-token latency, median, ms"), ("itl_p99", "99th percentile, ms"),
                       ("itl_max", "longest, ms"), ("first_p50", "first token, median, ms"), ("first_max", "longest, ms")):
        if key in ours[0]:
            x, y = (statistics.median(r[key] for r in side) for side in (ours, theirs))
            print(f"| {words} | {x:.1f} | {y:.1f} | {f'{x / y:.2f}' if y else '-'} |")


if __name__ == "__main__":
    sys.exit(main())
