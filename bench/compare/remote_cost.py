#!/usr/bin/env python3
"""What it costs to ask a server through hyperlama: the same requests sent to it directly and as a remote model, in turns.

  remote_cost.py --hyperlama out/release/hyperlama --url http://127.0.0.1:8080/v1 --model NAME [--rounds 20] [--streams 32]

Prints medians of the time to the first token, of the time for each token after it, and tokens/s of many streams at once, with
what is to be reached (docs/decisions/0004-engines.md); and, asking a server of its own that never ends its answer, how long
it takes from a client's hang-up until that server sees one. --only cancel needs neither --url nor --model.
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


class Endless(http.server.BaseHTTPRequestHandler):
    """Says a word, then nothing, and notes when it is left."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b'data: {"choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n')
        self.connection.recv(1)
        self.server.left.put(time.perf_counter())
        self.close_connection = True


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperlama", required=True)
    parser.add_argument("--url")
    parser.add_argument("--model")
    parser.add_argument("--only", choices=("cancel",))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--stream-rounds", type=int, default=4)
    a = parser.parse_args()
    if not a.only and not (a.url and a.model):
        parser.error("--url and --model: the server that is asked, and its name for the model")
    endless = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    endless.daemon_threads, endless.left = True, queue.Queue()
    threading.Thread(target=endless.serve_forever, daemon=True).start()
    names = {"endless": f"http://127.0.0.1:{endless.server_port}/v1#m", **({"there": f"{a.url}#{a.model}"} if not a.only else {})}
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as home:
        env = dict(os.environ, HYPERLAMA_HOME=home, HYPERLAMA_CONFIG=home + "/c.ini", HYPERLAMA_SERVER_HOST="127.0.0.1:0")
        for name, source in names.items():
            subprocess.run([a.hyperlama, "create", name, "--from", f"remote:{source}"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = subprocess.Popen([a.hyperlama, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        own = re.search(r"http://\S+", server.stdout.readline())[0] + "/v1"
        ways = {"direct": (a.url, a.model), "through": (own, "there")}
        first, each, rate = ({k: [] for k in ways} for _ in range(3))
        cancels = sorted(cancel_times(own, endless, a.rounds))
        for i in range(0 if a.only else a.rounds + 1):
            for way in list(ways) if i % 2 else list(ways)[::-1]:
                t, last, n = ask(*ways[way], f"{rng.randrange(10 ** 6)} Tell me a long story.", 64)
                if i > 0:  # the first round warms up
                    first[way].append(1e3 * t)
                    each[way].append(1e3 * (last - t) / max(n - 1, 1))
        for i in range(0 if a.only else a.stream_rounds):
            for way in list(ways) if i % 2 else list(ways)[::-1]:
                prompts = [f"{rng.randrange(10 ** 6)} Tell me a story." for _ in range(a.streams)]
                began = time.perf_counter()
                with concurrent.futures.ThreadPoolExecutor(a.streams) as pool:
                    n = sum(x[2] for x in pool.map(lambda p: ask(*ways[way], p, 48), prompts))
                rate[way].append(n / (time.perf_counter() - began))
        server.terminate()
        server.wait()
    print(f"cancel: median {1e3 * statistics.median(cancels):.0f} ms, longest {1e3 * cancels[-1]:.0f} ms of {len(cancels)}; bar 1000 ms: {'met' if cancels[-1] <= 1 else 'missed'}")
    if a.only:
        return
    for name, values, unit, bar in (("first token", first, "ms", 2), ("each token", each, "ms", 0.2), (f"{a.streams} streams", rate, "tokens/s", 0.02)):
        d, t = (statistics.median(values[k]) for k in ways)
        cost = 1 - t / d if values is rate else t - d
        said = f"loss {100 * cost:+.1f} %, bar {100 * bar:.0f} %" if values is rate else f"{cost:+.3f}, bar {bar}"
        print(f"{name}: direct {d:.3f}, through {t:.3f} {unit}, {t / d:.3f} x, {said}: {'met' if cost <= bar else 'missed'}")


if __name__ == "__main__":
    sys.exit(main())
