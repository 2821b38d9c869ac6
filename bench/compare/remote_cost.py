#!/usr/bin/env python3
"""What it costs to ask a server through hyperlama: the same requests sent to it directly and as a remote model, in turns.

  remote_cost.py --hyperlama out/release/hyperlama --url http://127.0.0.1:8080/v1 --model NAME [--rounds 20] [--streams 32]

Prints medians of the time to the first token, of the time for each token after it, and tokens/s of many streams at once, with
what is to be reached (docs/decisions/0004-engines.md). Two rows ask a server of its own, and need neither --url nor --model:

  --only cancel   from a client's hang-up until the server behind us, whose answer does not end, sees one
  --only paced    the same many streams, where each has a token every 20 ms whoever asks: what is lost is lost by us
"""
import argparse, concurrent.futures, http.client, http.server, json, os, queue, random, re, socket, statistics, subprocess, sys, tempfile, threading, time, urllib.parse


def ask(url, model, prompt, n):
    """(seconds to the first token, seconds to the last one, tokens)"""
    where = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(where.hostname, where.port, timeout=600)
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": n, "temperature": 0, "stream": True, "ignore_eos": True}
    began = time.perf_counter()
    c.request("POST", where.path + "/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        raise SystemExit(f"{url}: {r.status} {r.read()[:300]}")
    stamps = []
    for line in r:
        if line.startswith(b"data: {"):
            choices = json.loads(line[6:]).get("choices")
            if choices and choices[0]["delta"].get("content"):
                stamps.append(time.perf_counter() - began)
    c.close()
    return stamps[0], stamps[-1], len(stamps)


PACED_TOKENS, PACED_S = 100, 0.02


class Own(http.server.BaseHTTPRequestHandler):
    """Model `paced`: a word every 20 ms; any other: one word, then nothing, and it notes when it is left."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        word = b'data: {"choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n'
        self.wfile.write(word)
        if model == "paced":
            began = time.perf_counter()
            for i in range(1, PACED_TOKENS):
                time.sleep(max(0, began + i * PACED_S - time.perf_counter()))
                self.wfile.write(word)
            self.wfile.write(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
            return
        self.connection.recv(1)
        self.server.left.put(time.perf_counter())


class Behind(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Own)
        self.left = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()


def cancel_times(own, server, rounds):
    """Seconds from a hang-up at our door until the server behind it sees one."""
    where, out = urllib.parse.urlsplit(own), []
    for _ in range(rounds):
        c = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        c.request("POST", where.path + "/chat/completions", json.dumps({"model": "endless", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}))
        r = c.getresponse()
        if r.status != 200 or not r.readline().startswith(b"data: "):
            raise SystemExit(f"endless: {r.status} {r.read()[:300]}")
        began = time.perf_counter()
        c.sock.shutdown(socket.SHUT_RDWR)
        c.close()
        out.append(server.left.get(timeout=60) - began)
    return out


def streams_rate(url, model, prompts, n):
    """Tokens/s of all prompts at once."""
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(len(prompts)) as pool:
        total = sum(x[2] for x in pool.map(lambda p: ask(url, model, p, n), prompts))
    return total / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperlama", required=True)
    parser.add_argument("--url")
    parser.add_argument("--model")
    parser.add_argument("--only", choices=("cancel", "paced"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--stream-rounds", type=int, default=4)
    a = parser.parse_args()
    if not a.only and not (a.url and a.model):
        parser.error("--url and --model: the server that is asked, and its name for the model")
    own_server = Behind()
    behind = f"http://127.0.0.1:{own_server.server_port}/v1"
    names = {"endless": f"{behind}#m", "paced": f"{behind}#paced", **({"there": f"{a.url}#{a.model}"} if not a.only else {})}
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as home:
        env = dict(os.environ, HYPERLAMA_HOME=home, HYPERLAMA_CONFIG=home + "/c.ini", HYPERLAMA_SERVER_HOST="127.0.0.1:0")
        for name, source in names.items():
            subprocess.run([a.hyperlama, "create", name, "--from", f"remote:{source}"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = subprocess.Popen([a.hyperlama, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            own = re.search(r"http://\S+", server.stdout.readline())[0] + "/v1"
            ways = {"direct": (a.url, a.model), "through": (own, "there")}
            first, each, rate = ({k: [] for k in ways} for _ in range(3))
            cancels = sorted(cancel_times(own, own_server, a.rounds)) if a.only != "paced" else []
            paced = {"direct": [], "through": []}
            for i in range(a.stream_rounds if a.only != "cancel" else 0):
                for way in list(paced) if i % 2 else list(paced)[::-1]:
                    paced[way].append(streams_rate({"direct": behind, "through": own}[way], "paced", ["Hi"] * a.streams, PACED_TOKENS))
            for i in range(0 if a.only else a.rounds + 1):
                for way in list(ways) if i % 2 else list(ways)[::-1]:
                    t, last, n = ask(*ways[way], f"{rng.randrange(10 ** 6)} Tell me a long story.", 64)
                    if i > 0:  # the first round warms up
                        first[way].append(1e3 * t)
                        each[way].append(1e3 * (last - t) / max(n - 1, 1))
            for i in range(0 if a.only else a.stream_rounds):
                for way in list(ways) if i % 2 else list(ways)[::-1]:
                    rate[way].append(streams_rate(*ways[way], [f"{rng.randrange(10 ** 6)} Tell me a story." for _ in range(a.streams)], 48))
        finally:
            server.terminate()
            server.wait()
    if cancels:
        print(f"cancel: median {1e3 * statistics.median(cancels):.0f} ms, longest {1e3 * cancels[-1]:.0f} ms of {len(cancels)}; bar 1000 ms: {'met' if cancels[-1] <= 1 else 'missed'}")
    rows = [("first token", first, "ms", 2), ("each token", each, "ms", 0.2), (f"{a.streams} streams", rate, "tokens/s", 0.02)] if not a.only else []
    rows += [(f"{a.streams} paced streams", paced, "tokens/s", 0.02)] if a.only != "cancel" else []
    for name, values, unit, bar in rows:
        d, t = (statistics.median(values[k]) for k in ("direct", "through"))
        cost = 1 - t / d if unit == "tokens/s" else t - d
        said = f"loss {100 * cost:+.1f} %, bar {100 * bar:.0f} %" if unit == "tokens/s" else f"{cost:+.3f}, bar {bar}"
        print(f"{name}: direct {d:.3f}, through {t:.3f} {unit}, {t / d:.3f} x, {said}: {'met' if cost <= bar else 'missed'}")


if __name__ == "__main__":
    sys.exit(main())
