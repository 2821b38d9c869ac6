#!/usr/bin/env python3
"""A server under mixed load for as long as you like: do memory, file descriptors and threads stay where they are?

  soak.py --hyperlama out/release/hyperlama --minutes 60 [--clients 8] [--pause 0.05] MODEL.gguf [MODEL.gguf ...]

Clients ask in turns through all dialects, streaming and not, with wrong requests between; two of five leave in the middle.
Every ten seconds a line goes to standard output: seconds, requests so far, resident and private memory in MiB,
descriptors, threads. At the end the first and the last quarter of the time are compared, once all clients are gone.
"""
import argparse, asyncio, json, os, random, re, socket, statistics, subprocess, sys, tempfile, time

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/api/chat", "/api/generate", "/api/tags", "/api/ps", "/metrics",
         "/v1/models", "/api/show", "/nothing", "/v1/tokenize")


def body_of(rng, path, names):
    model = rng.choice(names) if rng.random() > 0.03 else "missing"
    text = " ".join(rng.choice(("one", "two", "three", "four")) for _ in range(rng.randrange(1, 60)))
    n = rng.randrange(1, 40)
    body = {"model": model, "stream": rng.random() < 0.7, "max_tokens": n, "options": {"num_predict": n, "temperature": rng.random()},
            "messages": [{"role": "user", "content": text}], "prompt": text, "content": text, "num_predict": n}
    return "{" if rng.random() < 0.02 else json.dumps(body)


async def one(port, rng, names, counts):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = rng.choice(PATHS)
    is_get = path in ("/api/tags", "/api/ps", "/metrics", "/v1/models", "/nothing")
    body = "" if is_get else body_of(rng, path, names)
    head = f"{'GET' if is_get else 'POST'} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    try:
        writer.write((head + body).encode())
        await writer.drain()
        if rng.random() < 0.4 and not is_get:
            await asyncio.sleep(rng.random() * 0.5)
            counts["left"] = counts.get("left", 0) + 1
            return
        data = await asyncio.wait_for(reader.read(), 300)
        status = data.split(b" ", 2)[1].decode() if data else "nothing"
        counts[status] = counts.get(status, 0) + 1
    finally:
        writer.close()


def look(pid):
    with open(f"/proc/{pid}/status") as f:
        said = f.read()
    number = lambda key: int(re.search(key + r":\s+(\d+)", said).group(1))
    return number("VmRSS") / 1024, number("RssAnon") / 1024, len(os.listdir(f"/proc/{pid}/fd")), number("Threads")


async def load(a, port, pid, names):
    counts, samples, began = {}, [], time.monotonic()
    end = began + 60 * a.minutes

    async def client(i):
        rng = random.Random(i)
        while time.monotonic() < end:
            try:
                await one(port, rng, names, counts)
            except (OSError, asyncio.TimeoutError) as e:
                counts[type(e).__name__] = counts.get(type(e).__name__, 0) + 1
            await asyncio.sleep(a.pause * rng.random() * 2)

    async def watch():
        while time.monotonic() < end:
            await asyncio.sleep(min(10, max(0.1, end - time.monotonic())))
            samples.append(look(pid))
            print(f"{time.monotonic() - began:.0f}\t{sum(counts.values())}\t" + "\t".join(f"{x:.0f}" for x in samples[-1]), flush=True)
    await asyncio.gather(watch(), *(client(i) for i in range(a.clients)))
    return counts, samples


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperlama", required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two requests of a client, in the mean")
    parser.add_argument("models", nargs="+")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        env = dict(os.environ, HYPERLAMA_HOME=home, HYPERLAMA_CONFIG=home + "/c.ini", HYPERLAMA_SERVER_HOST=f"127.0.0.1:{port}",
                   HYPERLAMA_LOG_LEVEL="error")
        names = [f"m{i}" for i in range(len(a.models))]
        for path, name in zip(a.models, names):
            subprocess.run([a.hyperlama, "import", path, name], env=env, check=True, stdout=subprocess.DEVNULL)
        server = subprocess.Popen([a.hyperlama, "serve"], env=env, stdout=subprocess.PIPE, text=True)
        server.stdout.readline()
        counts, samples = asyncio.run(load(a, port, server.pid, names))
        time.sleep(5)
        samples.append(look(server.pid))
        server.terminate()
        code = server.wait(120)
    print(json.dumps(counts, sort_keys=True))
    quarter = max(1, len(samples) // 4)
    for i, what in enumerate(("resident MiB", "private MiB", "descriptors", "threads")):
        first, last = (statistics.median(s[i] for s in part) for part in (samples[:quarter], samples[-quarter:]))
        print(f"{what}: {first:.0f} in the first quarter, {last:.0f} in the last, {samples[-1][i]:.0f} when all had left")
    return code


if __name__ == "__main__":
    sys.exit(main())
