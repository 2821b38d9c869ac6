"""Real engines behind the same door (docs/engines.md): llama-server and MAX, where they are installed.

HL_LLAMA_SERVER and HL_MAX name their programs where PATH has none; MAX opens the folder HL_MAX_MODEL (float32 safetensors of SmolLM2 135M, whose
graph was compiled once before: `hyperlama run engine:max-cpu#FOLDER Hi`). `make test-engines` runs this.
"""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import Cli
from test_engines import listeners, processes_of
from test_guard import is_alive, wait_for
from test_serve import Server

MODELS = os.environ.get("HL_TEST_MODELS")
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SAYS = {"llama-server": "L", "max-cpu": "The capital of France is Paris."}  # Q4_1 with 8-bit activations wanders; its first letter is all that is sure


class Engine:
    """A hyperlama server with one model, which the engine answers for."""

    def __init__(self, kind, program, model, folder):
        self.kind, self.cli = kind, Cli(folder)
        (folder / "bin").mkdir()
        (folder / "bin" / ("max" if kind == "max-cpu" else kind)).symlink_to(program)
        self.cli.env["PATH"] = f"{folder}/bin:{self.cli.env['PATH']}"
        if kind == "max-cpu":  # where it keeps what it has compiled
            self.cli.env["HOME"] = os.environ["HOME"]
        self.name = f"engine:{kind}#{model}"
        self.cli.ok("create", "real", "--from", self.name)
        self.server = Server(self.cli)

    def ask(self, path="/v1/chat/completions", status=200, **more):
        body = dict({"model": "real", "messages": QUESTION, "temperature": 0, "max_tokens": 12, "stream": False}, **more)
        c = self.server.connect()
        c.timeout = 600
        c.request("POST", path, json.dumps(body))
        r = c.getresponse()
        data = r.read()
        assert r.status == status, (r.status, data)
        return json.loads(data) if not body["stream"] else data.decode()

    def try_ask(self):
        c = self.server.connect()
        c.timeout = 600
        c.request("POST", "/v1/chat/completions", json.dumps({"model": "real", "messages": QUESTION, "max_tokens": 1}))
        return c.getresponse().status

    def processes(self):
        """Of the engine: all below the server that are no guards."""
        def children(pid):
            found = []
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):  # of whichever thread started them
                try:
                    found += [int(p) for p in task.read_text().split()]
                except (FileNotFoundError, ProcessLookupError):
                    pass
            return found + [q for p in found for q in children(p)]

        def is_guard(pid):
            return b"--guard-engine" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return [p for p in children(self.server.process.pid) if is_alive(p) and not is_guard(p)]

    def port(self):
        for pid in self.processes():
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if "--port" in words:
                return int(words[words.index("--port") + 1])
        raise AssertionError("no process with a port")

    def direct(self, **more):
        """The same request without us."""
        name = pathlib.Path(self.name.split("#")[1]).name
        body = dict({"model": name, "messages": QUESTION, "temperature": 0, "max_tokens": 12, "stream": False}, **more)
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port()}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=600) as f:
                return f.status, json.load(f)
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def ask_as_directly(self, **more):
        """The answer's choice; None where the engine refuses, and we with it."""
        status, data = self.direct(**more)
        if status == 200:
            return self.ask(**more)["choices"][0]
        assert 400 <= status < 502 and f"status {status}" in self.ask(status=502 if status >= 500 else status, **more)["error"]["message"], data
        return None

    def n_running(self):
        if self.kind == "max-cpu":
            return None  # its metrics are on a fixed port of their own, which another one may hold
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}/slots") as f:
            return sum(slot["is_processing"] for slot in json.load(f))

    def close(self):
        pids = self.processes()
        self.server.stop()
        wait_for(lambda: not any(map(is_alive, pids)), 60)


def find(kind, variable, word):
    program = os.environ.get(variable) or shutil.which(word)
    if not program:
        pytest.skip(f"no {word}, and {variable} names none")
    if kind == "llama-server":
        model = f"{MODELS}/smollm2-135m-q4_1.gguf"
        if not MODELS or not os.path.exists(model):
            pytest.skip("no real models")
        return program, model
    if not os.environ.get("HL_MAX_MODEL"):
        pytest.skip("no HL_MAX_MODEL, the folder of a model for max")
    return program, os.environ["HL_MAX_MODEL"]


@pytest.fixture(scope="module", params=[("llama-server", "HL_LLAMA_SERVER", "llama-server"), ("max-cpu", "HL_MAX", "max")], ids=lambda p: p[0])
def engine(request, tmp_path_factory):
    kind, variable, word = request.param
    program, model = find(kind, variable, word)
    e = Engine(kind, program, model, tmp_path_factory.mktemp(kind))
    e.ask()
    yield e
    e.close()


def test_whole_answers_and_usage(engine):  # A1, A7
    got = engine.ask(max_tokens=8)
    choice = got["choices"][0]
    assert choice["message"]["content"].startswith(SAYS[engine.kind]) and choice["finish_reason"] in ("stop", "length")
    assert got["usage"]["prompt_tokens"] > 5 and 1 <= got["usage"]["completion_tokens"] <= 9
    assert engine.ask("/api/chat", options={"num_predict": 8, "temperature": 0})["message"]["content"] == choice["message"]["content"]
    assert engine.ask(max_tokens=1)["choices"][0]["finish_reason"] == "length"


def test_streams_say_the_same(engine):
    whole = engine.ask()["choices"][0]["message"]["content"]
    events = [json.loads(e[6:]) for e in engine.ask(stream=True).split("\n\n") if e.startswith("data: {")]
    assert "".join(c["delta"].get("content") or "" for e in events for c in e["choices"]) == whole
    assert len(events) > 4


def test_stop_strings_end_an_answer(engine):
    whole = engine.ask()["choices"][0]["message"]["content"]
    stop = whole[len(whole) // 2:][:3]
    got = engine.ask(stop=[stop])["choices"][0]
    assert got["message"]["content"] == whole[:whole.index(stop)]  # MAX 26.7 keeps the token that it ends in
    assert got["finish_reason"] == "stop"


def test_what_it_refuses_is_told_with_its_words(engine):
    got = engine.ask(status=400, messages=[{"role": "user", "content": "word " * 20000}])
    assert "127.0.0.1" in got["error"]["message"] or "context" in got["error"]["message"]


def test_schemas_hold(engine):
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"], "additionalProperties": False}
    got = engine.ask_as_directly(max_tokens=40, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    if engine.kind == "llama-server":
        assert json.loads(got["message"]["content"])["city"] in ("Paris", "Rome")


def test_tools_are_answered_as_without_us(engine):
    """Whether it calls one is the model's and the engine's affair."""
    tools = [{"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}}}]
    more = {"max_tokens": 24, "tools": tools, "top_p": 0.9}
    got = engine.ask_as_directly(**more)
    if got:
        alone = engine.direct(**more)[1]["choices"][0]["message"]
        assert (got["message"]["content"] or "") == (alone.get("content") or "")
        assert [c["function"] for c in got["message"].get("tool_calls") or []] == [c["function"] for c in alone.get("tool_calls") or []]


def test_log_probabilities(engine):
    got = engine.ask_as_directly(max_tokens=4, logprobs=True, top_logprobs=3)
    if not got:
        assert engine.kind == "max-cpu"
        return
    tokens = got["logprobs"]["content"]
    assert bytes(b for t in tokens for b in t["bytes"]).decode().startswith(got["message"]["content"])
    assert all(len(t["top_logprobs"]) == 3 and t["logprob"] == t["top_logprobs"][0]["logprob"] for t in tokens)


def test_an_answer_goes_on(engine):
    begun = QUESTION + [{"role": "assistant", "content": "The capital of France is"}]
    if engine.kind == "max-cpu":
        engine.ask("/api/chat", status=400, messages=begun)
        return
    said = engine.ask("/api/chat", messages=begun, options={"num_predict": 3, "temperature": 0})["message"]["content"]
    assert "Paris" in said


def test_many_at_once(engine):
    """Each gets its own answer. What it says is the engine's affair: llama-server's first token may be another one in a batch."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = [f.result() for f in [pool.submit(engine.ask, max_tokens=3 * i) for i in range(1, 9)]]
    for i, one in enumerate(got, 1):
        n, choice = one["usage"]["completion_tokens"], one["choices"][0]
        assert choice["message"]["content"] and (n in (3 * i, 3 * i + 1) if choice["finish_reason"] == "length" else n <= 3 * i + 1), (i, one)


def test_a_client_that_leaves_ends_its_answer_there(engine):  # A3
    c = socket.create_connection((engine.server.host, engine.server.port))
    body = json.dumps({"model": "real", "messages": QUESTION, "stream": True, "max_tokens": 4000, "ignore_eos": True}).encode()
    c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    while b"content" not in c.recv(4096):
        pass
    c.close()
    if engine.n_running() is not None:
        wait_for(lambda: engine.n_running() == 0)
    engine.ask()


def test_it_listens_on_loopback_alone(engine):  # A5
    pids, inodes = engine.processes(), set()
    for pid in pids:
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(os.readlink(fd))
            except FileNotFoundError:
                pass
    addresses = set()
    for table in ("tcp", "tcp6"):
        for row in (line.split() for line in open(f"/proc/{pids[0]}/net/{table}").read().splitlines()[1:]):
            if row[3] == "0A" and f"socket:[{row[9]}]" in inodes:
                addresses.add(row[1].rsplit(":", 1)[0])
    assert addresses and addresses <= {"0100007F", "00000000000000000000000001000000"}


def test_one_that_is_killed_is_told_and_started_again(engine):  # A4
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        old = engine.processes()
        waiting = pool.submit(engine.server.ask, "POST", "/v1/chat/completions",
                              {"model": "real", "messages": QUESTION, "max_tokens": 4000, "stream": True})
        if engine.n_running() is not None:
            wait_for(lambda: engine.n_running() == 1 or waiting.done())
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        got, data, _ = waiting.result(60)
    assert got in (200, 502, 503) and (got != 200 or b"error" in data or b"[DONE]" in data)
    wait_for(lambda: not any(map(is_alive, old)))
    wait_for(lambda: engine.try_ask() == 200, 600)
    assert not set(engine.processes()) & set(old)


def test_nothing_is_left_when_it_is_stopped(engine):  # A4
    for _ in range(3 if engine.kind == "llama-server" else 1):
        engine.ask(max_tokens=1)
        pids, port = engine.processes(), engine.port()
        sockets = {inode for inode, at in listeners().items() if at == port}
        assert sockets
        engine.ask("/api/generate", prompt="", messages=None, keep_alive=0)
        wait_for(lambda: not any(map(is_alive, pids)), 60)
        assert not sockets & set(listeners())


def test_it_answers_without_a_network(engine):  # A5
    if os.geteuid() != 0:
        pytest.skip("needs root")
    engine.ask("/api/generate", prompt="", messages=None, keep_alive=0)
    done = subprocess.run(["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", engine.cli.program, "run", "--local", engine.name,
                           "-o", "temperature=0", "-o", "num_predict=8", QUESTION[0]["content"]],
                          env=engine.cli.env, capture_output=True, text=True, timeout=600, cwd=engine.cli.folder)
    assert done.returncode == 0 and done.stdout.startswith(SAYS[engine.kind]), done.stderr
    wait_for(lambda: not processes_of(engine.cli.folder))


def test_a_start_has_a_limit(engine):  # A6
    config = engine.cli.folder / "engines.ini"
    command = f"{engine.cli.folder}/bin/llama-server -m {{model}} --host 127.0.0.1 --port {{port}}" if engine.kind == "llama-server" \
        else f"{engine.cli.folder}/bin/max serve --model {{model}} --host 127.0.0.1 --port {{port}} --devices cpu --quantization-encoding float32"
    config.write_text(f"[quick]\ncommand = {command}\nenv = MODULAR_TELEMETRY_ENABLED=0\nbase = /v1\nready = /never\nstart_s = 1\nstop_ms = 500\n")
    done = engine.cli("run", "--local", engine.name.replace(engine.kind, "quick"), "Hi")
    assert done.returncode == 13 and "cannot be asked after 1 s" in done.stderr, done.stderr
