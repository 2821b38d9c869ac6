#!/usr/bin/env python3
"""A server under mixed load for as long as you like: do memory, file descriptors and threads stay where they are?

  soak.py --hyperlama out/release/hyperlama --minutes 60 [--clients 8] [--pause 0.05] MODEL.gguf [MODEL.gguf ...]

Clients ask in turns through all dialects, streaming and not, with wrong requests between; two of five leave in the middle.
Every ten seconds a line goes to standard output: seconds, requests so far, resident and private memory in MiB,
descriptors, threads. At the end the first and the last quarter of the time are compared, once all clients are gone. A server built with a
sanitizer (MODE=asan, MODE=tsan) ends with its code when it found something; answers of 500, 502 or none fail the run too.
"""
import argparse, asyncio, json, os, random, re, socket, statistics, subprocess, sys, tempfile, time

# Everything below is asked for about equally often, an entry's repeats more often.
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/api/chat", "/api/generate", "/v1/responses") * 3 + (
    "/api/tags", "/api/ps", "/metrics", "/v1/models", "/api/show", "/nothing", "/v1/tokenize", "/v1/messages/count_tokens",
    "/api/embed", "/v1/embeddings", "/api/pins", "/api/cache", "unpin", "cancel", "unload", "forget", "kept")
GETS = ("/api/tags", "/api/ps", "/metrics", "/v1/models", "/nothing", "/api/cache")
TOOL = {"name": "look_up", "description": "Looks a word up", "parameters": {
    "type": "object", "properties": {"word": {"type": "string", "maxLength": 12}, "n": {"type": "integer"}}, "required": ["word"]}}
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "array", "items": {"type": "integer"}, "maxItems": 4}},
          "required": ["a", "b"], "additionalProperties": False}


def body_of(rng, path, names):
    model = rng.choice(names) if rng.random() > 0.03 else "missing"
    text = " ".join(rng.choice(("one", "two", "three", "four")) for _ in range(rng.randrange(1, 60)))
    n = rng.randrange(1, 40)
    body = {"model": model, "stream": rng.random() < 0.7, "max_tokens": n, "options": {"num_predict": n, "temperature": rng.random()},
            "messages": [{"role": "user", "content": text}], "prompt": text, "content": text, "input": text, "num_predict": n}
    if path in ("/v1/responses", "/v1/embeddings", "/api/embed", "/api/pins", "/v1/messages/count_tokens"):
        keep = {"/v1/responses": ("model", "stream", "input"), "/api/pins": ("model", "prompt"), "/api/embed": ("model", "input"),
                "/v1/embeddings": ("model", "input"), "/v1/messages/count_tokens": ("model", "messages")}[path]
        body = {k: body[k] for k in keep} | ({"max_output_tokens": n} if path == "/v1/responses" else {})
    kind = rng.random()
    if path == "/v1/chat/completions" and kind < 0.6:
        body |= ({"tools": [{"type": "function", "function": TOOL}], "tool_choice": rng.choice(("auto", "required", "none"))} if kind < 0.2 else
                 {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}} if kind < 0.4 else
                 {"n": 3, "logprobs": True, "temperature": 1.2})
    elif path == "/api/chat" and kind < 0.4:
        body |= {"format": SCHEMA} if kind < 0.2 else {"tools": [{"type": "function", "function": TOOL}]}
    return "{" if rng.random() < 0.02 else json.dumps(body)


async def ask(port, method, path, body=""):
    """(status, body) of a short request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        data = await asyncio.wait_for(reader.read(), 300)
    finally:
        writer.close()
    return (data.split(b" ", 2)[1].decode() if data else "nothing"), data.partition(b"\r\n\r\n")[2]


async def manage(port, rng, names, what):
    """One request that ends, unloads or forgets something."""
    if what == "unload":
        return (await ask(port, "POST", "/api/generate", json.dumps({"model": rng.choice(names), "keep_alive": 0})))[0]
    if what == "forget":
        return (await ask(port, "DELETE", "/api/cache/" + rng.choice(names)))[0]
    if what == "kept":
        status, said = await ask(port, "POST", "/v1/responses", json.dumps({"model": names[0], "input": "hi", "max_output_tokens": 4}))
        return (await ask(port, rng.choice(("GET", "DELETE")), "/v1/responses/" + json.loads(said)["id"]))[0] if status == "200" else status
    path = "/api/pins" if what == "unpin" else "/api/requests"
    status, said = await ask(port, "GET", path)
    ids = re.findall(r'"id":\s*"?([^",}]+)', said.decode(errors="replace"))
    return (await ask(port, "DELETE", f"{path}/{rng.choice(ids)}"))[0] if ids else status


async def one(port, rng, names, counts):
    path = rng.choice(PATHS)
    if not path.startswith("/"):
        status = await manage(port, rng, names, path)
        counts[status] = counts.get(status, 0) + 1
        return
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    is_get = path in GETS
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
    return code or sum(counts.get(status, 0) for status in ("500", "502", "504", "nothing"))


if __name__ == "__main__":
    sys.exit(main())
