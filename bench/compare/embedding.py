#!/usr/bin/env python3
"""Embeddings over HTTP: hyperlama beside llama-server on the same file, in turns.

  embedding.py --hyperlama PROGRAM [--llama-server PROGRAM] [--rounds N] MODEL.gguf ...

Two rows a model: 256 short texts (4 to 24 words) and 32 texts of about 450 words or as many as fit, each as one request to
/v1/embeddings of a warm server. Printed: median of the rounds in texts a second, the ratio of the medians, and the smallest cosine between the
two programs' vectors of one text. Texts differ from round to round, so that nothing is answered from a cache. Standard library only.
"""
import argparse, json, math, os, random, socket, statistics, subprocess, sys, tempfile, time, urllib.request

WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "to", "house", "by", "lake", "while", "rain", "fell", "green", "old")


class Server:
    def __init__(self, name, cmd, model, env=None):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.name, self.model = name, model
        self.job = subprocess.Popen([x.replace("PORT", str(self.port)) for x in cmd], env=dict(os.environ, **{
            k: v.replace("PORT", str(self.port)) for k, v in (env or {}).items()}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                self.vectors(["one"])
                return
            except OSError:
                if self.job.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit(f"{name} does not answer about {model}")

    def vectors(self, texts):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/embeddings", json.dumps({"model": self.model, "input": texts}).encode(),
                                         {"Content-Type": "application/json"})
        return [d["embedding"] for d in json.load(urllib.request.urlopen(request, timeout=600))["data"]]

    def seconds(self, texts):
        begin = time.perf_counter()
        self.vectors(texts)
        return time.perf_counter() - begin

    def end(self):
        self.job.terminate()
        self.job.wait()


def texts_of(rng, n, low, high):
    return [" ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high))) for _ in range(n)]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--hyperlama", required=True)
    ap.add_argument("--llama-server")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    ap.add_argument("models", nargs="+")
    a = ap.parse_args()
    for path in map(os.path.abspath, a.models):
        with tempfile.TemporaryDirectory() as home:
            env = {"HYPERLAMA_HOME": home, "HYPERLAMA_SERVER_HOST": "127.0.0.1:PORT", "HYPERLAMA_CONFIG": home + "/none.ini", "HYPERLAMA_LOG_LEVEL": "error"}
            subprocess.run([a.hyperlama, "import", path, "m"], env=dict(os.environ, **env), check=True, stdout=subprocess.DEVNULL)
            servers = [Server("hyperlama", [a.hyperlama, "serve"], "m", env)]
            if a.llama_server:
                servers.append(Server("llama-server", [a.llama_server, "-m", path, "--embedding", "-t", str(a.threads), "-tb", str(a.threads), "-c", "16384",
                                                       "-b", "16384", "-ub", "512", "-np", "32", "--port", "PORT", "--host", "127.0.0.1"], "m"))
            try:
                compare(os.path.basename(path), servers, a.rounds)
            finally:
                for s in servers:
                    s.end()


def compare(model, servers, rounds):
    rng = random.Random(1)
    probe = texts_of(rng, 4, 4, 24)
    vectors = [s.vectors(probe) for s in servers]
    same = min(cosine(x, y) for x, y in zip(vectors[0], vectors[-1]))
    for row, n, low, high in ("256 short", 256, 4, 24), ("32 long", 32, 450, 450):
        took = {s.name: [] for s in servers}
        for turn in range(rounds + 1):  # the first one warms up
            texts = texts_of(rng, n, low, high)
            for s in servers:
                took[s.name].append(s.seconds(texts))
        rates = [n / statistics.median(took[s.name][1:]) for s in servers]
        said = "\t".join(f"{s.name} {r:.1f} texts/s" for s, r in zip(servers, rates))
        print(f"{model}\t{row}\t{said}\tratio {rates[0] / rates[-1]:.2f}\tcosine >= {same:.6f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
