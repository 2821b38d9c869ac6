#!/usr/bin/env python3
"""What it costs to ask a server through hyperlama: the same requests sent to it directly and as a remote model, in turns.

  remote_cost.py --hyperlama out/release/hyperlama --url http://127.0.0.1:8080/v1 --model NAME [--rounds 20] [--streams 32]

Prints medians of the time to the first token, of the time for each token after it, and tokens/s of many streams at once.
"""
import argparse, concurrent.futures, http.client, json, os, random, re, statistics, subprocess, sys, tempfile, time, urllib.parse


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("hyperlama", "url", "model"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--streams", type=int, default=32)
    a = parser.parse_args()
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as home:
        env = dict(os.environ, HYPERLAMA_HOME=home, HYPERLAMA_CONFIG=home + "/c.ini", HYPERLAMA_SERVER_HOST="127.0.0.1:0")
        subprocess.run([a.hyperlama, "create", "there", "--from", f"remote:{a.url}#{a.model}"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = subprocess.Popen([a.hyperlama, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        own = re.search(r"http://\S+", server.stdout.readline())[0] + "/v1"
        ways = {"direct": (a.url, a.model), "through": (own, "there")}
        first, each, rate = ({k: [] for k in ways} for _ in range(3))
        for i in range(a.rounds + 1):
            for way in list(ways) if i % 2 else list(ways)[::-1]:
                t, last, n = ask(*ways[way], f"{rng.randrange(10 ** 6)} Tell me a long story.", 64)
                if i > 0:  # the first round warms up
                    first[way].append(1e3 * t)
                    each[way].append(1e3 * (last - t) / max(n - 1, 1))
        for i in range(4):
            for way in list(ways) if i % 2 else list(ways)[::-1]:
                prompts = [f"{rng.randrange(10 ** 6)} Tell me a story." for _ in range(a.streams)]
                began = time.perf_counter()
                with concurrent.futures.ThreadPoolExecutor(a.streams) as pool:
                    n = sum(x[2] for x in pool.map(lambda p: ask(*ways[way], p, 48), prompts))
                rate[way].append(n / (time.perf_counter() - began))
        server.terminate()
        server.wait()
    for name, values, unit in (("first token", first, "ms"), ("each token", each, "ms"), (f"{a.streams} streams", rate, "tokens/s")):
        d, t = (statistics.median(values[k]) for k in ways)
        print(f"{name}: direct {d:.3f}, through {t:.3f} {unit}, {t - d:+.3f}, {t / d:.3f} x")


if __name__ == "__main__":
    sys.exit(main())
