"""serve where something fails: each fault has its status, is said in the dialect that was asked in, and loses nothing that was acknowledged."""
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess

import pytest

from openai_stub import Stub
from test_serve import Server, serve, user, wait_for  # noqa: F401

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
ASKS = {"/api/chat": CHAT, "/api/generate": {"prompt": "Hi", "stream": True}, "/v1/chat/completions": CHAT,
        "/v1/completions": {"prompt": "Hi", "stream": True}, "/v1/responses": {"input": "Hi", "stream": True},
        "/v1/messages": dict(CHAT, max_tokens=9), "/v1/runner/answer": CHAT}


def message_of(path, data):
    """An error's words, where its dialect has them; the object has the dialect's fields."""
    got = json.loads(data)
    if path.startswith("/v1/messages"):
        assert got["type"] == "error" and got["request_id"] and got["error"]["type"], got
        return got["error"]["message"]
    if path.startswith("/v1/runner"):
        assert got["status"], got
        return got["error"]
    if path.startswith("/v1/"):
        assert set(got["error"]) == {"message", "type", "param", "code"}, got
        return got["error"]["message"]
    assert set(got) == {"error"}, got
    return got["error"]


@pytest.fixture
def stub():
    s = Stub()
    yield s
    s.close()


# ---- Before the first token ----

@pytest.mark.parametrize("model, status, words", [("broken", 502, "out of order"), ("too-long", 400, "10 tokens"), ("unknown", 404, "no such model"),
                                                  ("busy-long", 503, "come back tomorrow"), ("cut-before", 502, "ends in the middle")])
def test_an_engine_that_refuses_gives_a_stream_its_status(cli, stub, model, status, words):
    cli.ok("create", "far", "--from", stub.name(model))
    with Server(cli) as s:
        for path, body in ASKS.items():
            got, data, headers = s.ask("POST", path, dict(body, model="far"))
            assert (got, headers["Content-Type"].split(";")[0]) == (status, "application/json"), (path, got, data)
            assert words in message_of(path, data), (path, data)
            assert headers["request-id"] and (status != 503 or headers["Retry-After"])


@pytest.mark.parametrize("path", [p for p in ASKS if p != "/v1/completions"])
def test_what_has_begun_ends_with_an_event(cli, stub, path):
    cli.ok("create", "far", "--from", stub.name("error-in-stream"))
    with Server(cli) as s:
        body = dict(ASKS[path], model="far")
        got, data, headers = s.ask("POST", path, body)
        assert got == 200 and b"so far" in data and b"the cat ate it" in data.split(b"so far")[1], (path, data)


@pytest.mark.parametrize("path", [p for p in ASKS if p != "/v1/runner/answer"])
def test_what_does_not_fit_gives_a_stream_its_status(serve, path):  # noqa: F811
    s = serve()
    long = "word " * 3000
    body = dict(ASKS[path], model="tiny", truncate=False, **{"/api/generate": {"prompt": long}, "/v1/completions": {"prompt": long},
                                                             "/v1/responses": {"input": long}}.get(path, {"messages": [{"role": "user", "content": long}]}))
    got, data, headers = s.ask("POST", path, body)
    assert got == 400 and headers["Content-Type"].startswith("application/json"), (got, data)
    assert "tokens" in message_of(path, data) or "context" in message_of(path, data)


@pytest.mark.parametrize("path", ASKS)
def test_a_model_that_is_gone_gives_a_stream_its_status(serve, cli, path):  # noqa: F811
    s = serve()
    for blob in (cli.home / "models/blobs").iterdir():
        if blob.stat().st_size > 1000:
            blob.chmod(0o600)
            blob.write_bytes(b"GGUF rubbish")
    got, data, headers = s.ask("POST", path, dict(ASKS[path], model="tiny"))
    assert got >= 400 and headers["Content-Type"].startswith("application/json") and message_of(path, data), (got, data)


def test_a_silent_start_is_kept_alive(cli, stub):
    """Pings are due before the first token, too: then the stream begins, and what fails after it is an event."""
    cli.ok("create", "far", "--from", stub.name("late"))
    with Server(cli) as s:
        got, data, headers = s.ask("POST", "/v1/messages", dict(ASKS["/v1/messages"], model="far"))
        assert got == 200 and headers["Content-Type"] == "text/event-stream"
        assert data.index(b"event: message_start") < data.index(b"event: ping") < data.index(b"late word") < data.index(b"message_stop"), data


# ---- Transfers ----

@pytest.mark.parametrize("stream", (True, False))
@pytest.mark.parametrize("path", ("/api/pull", "/api/push", "/api/create"))
@pytest.mark.parametrize("body, words", [
    ({"model": "a b"}, "name"), ({"model": "x:y:z"}, "name"), ({"model": "../../etc/passwd"}, "etc/passwd"), ({"model": ""}, "model is required"), ({}, "model is required"),
    ({"model": 5}, "model"), ("{", "body: line 1"), ({"model": "http://127.0.0.1:1/a/b/c/d/e"}, "")])
def test_bad_orders_are_refused_before_the_stream(serve, path, body, words, stream):  # noqa: F811
    s = serve(env={"HYPERLAMA_REGISTRY_OFFLINE": "no"})
    if isinstance(body, dict):
        body = dict(body, stream=stream, **({"from": "tiny"} if path == "/api/create" else {}))
    got, data, headers = s.ask("POST", path, body)
    assert got == 400 and headers["Content-Type"].startswith("application/json"), (got, data)
    assert words in message_of(path, data)


# ---- Pins ----

def pin(s, text, status=200):
    return s.json("POST", "/api/pins", {"model": "tiny", "prompt": text}, status=status)


def go(s, how):
    if how == "keep_alive":
        return s.json("POST", "/api/generate", {"model": "tiny", "keep_alive": 0})
    if how == "delete":
        return s.ask("DELETE", "/api/delete", {"model": "tiny"})
    return s.json("POST", "/api/chat", {"model": "tiny", "messages": [], "keep_alive": 0, "stream": False})


@pytest.mark.parametrize("how", ("keep_alive", "chat", "delete", "delete, with a copy", "rm", "stop"))
def test_a_model_that_is_told_to_go_takes_its_pins_along(serve, cli, how):  # noqa: F811
    s = serve()
    at = {"HYPERLAMA_SERVER_HOST": f"127.0.0.1:{s.port}"}
    if "copy" in how:
        cli.ok("cp", "tiny", "other")
    kept = pin(s, "p" * 200)
    assert [m["name"] for m in s.json("GET", "/api/ps")["models"]] == ["tiny:latest"]
    if how == "rm":
        cli.ok("rm", "tiny", env={"HYPERLAMA_SERVER_HOST": "127.0.0.1:1"})  # behind the server's back: it looks each second
        assert wait_for(lambda: s.json("GET", "/api/ps")["models"] == [])
    elif how == "stop":
        cli.ok("stop", "tiny", env=at)
    else:
        go(s, how.split(",")[0])
    assert s.json("GET", "/api/pins") == {"pins": []}
    if "copy" not in how:
        assert s.json("GET", "/api/ps")["models"] == []
    s.json("DELETE", f"/api/pins/{kept['id']}", status=404)
    if not how.startswith(("delete", "rm")):  # and it comes again
        assert pin(s, "p" * 200)["tokens"] == 200


def test_pins_leave_room_for_others(serve):  # noqa: F811
    s = serve("--engine-n-ctx", "512", "--cache-quota-mib", "0", n_ctx=512)  # room for four of them: 2048 tokens
    n, refused = 0, None
    while refused is None:
        assert n < 40
        got, data, _ = s.ask("POST", "/api/pins", {"model": "tiny", "prompt": chr(97 + n) * 200})
        n, refused = (n + 1, None) if got == 200 else (n, (got, data))
    assert refused[0] == 400 and f"192 tokens to pin beside {192 * n} that are pinned".encode() in refused[1], refused
    assert b"DELETE /api/pins/{id}" in refused[1] and n >= 2
    assert pin(s, "a" * 200)["tokens"] == 200  # it shares all blocks with one that is there
    for i in range(8):
        s.json("POST", "/api/generate", {"model": "tiny", "prompt": chr(65 + i) * 400, "stream": False, "raw": True, "options": {"num_predict": 1}})
    first = s.json("GET", "/api/pins")["pins"][-1]
    s.json("DELETE", f"/api/pins/{first['id']}")
    s.json("DELETE", f"/api/pins/{s.json('GET', '/api/pins')['pins'][0]['id']}")
    assert pin(s, "z" * 200)["tokens"] == 200


@pytest.mark.parametrize("how", ("cancel", "leave"))
def test_a_pin_that_nobody_wants_any_more_is_not_made(cli, how):
    """Of a real model, whose prompts take long enough to be in the middle of one."""
    model = pathlib.Path(os.environ.get("HL_TEST_MODELS", "")) / "smollm2-135m-q4_1.gguf"
    if not model.is_file():
        pytest.skip("HL_TEST_MODELS has no smollm2-135m-q4_1.gguf")
    cli.ok("import", model, "smol")
    with Server(cli, None, ("--engine-n-ctx", "8192")) as s:
        s.json("POST", "/api/generate", {"model": "smol"})
        c = s.connect()
        c.request("POST", "/api/pins", json.dumps({"model": "smol", "prompt": "one two three " * 2000}))
        find = lambda: [r for r in s.json("GET", "/api/requests")["requests"] if r["path"] == "/api/pins"]
        running = lambda n: f'num_requests_running{{model_name="smol:latest",engine="0"}} {n}\n'.encode() in s.ask("GET", "/metrics")[1]
        assert wait_for(lambda: running(1))  # its prompt is computed
        (one,) = find()
        assert one["model"] == "smol"
        if how == "cancel":
            assert s.json("DELETE", f"/api/requests/{one['id']}")["cancelled"] is True
            answer = c.getresponse()
            assert answer.status == 499 and json.loads(answer.read())["error"] == "the request was cancelled"
        else:
            c.close()
            assert wait_for(lambda: s.metric("cancelled_total") == 1)
        assert s.json("GET", "/api/pins") == {"pins": []} and find() == []
        assert wait_for(lambda: running(0))


# ---- Out of descriptors ----

class Scarce:
    """A server with `spare` more descriptors than it has now, and one connection to it."""

    def __init__(self, server, spare):
        self.server, self.pid = server, server.process.pid
        self.most = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        self.connection = server.connect()
        self.connection.request("GET", "/api/version")
        self.connection.getresponse().read()
        taken = {int(n) for n in os.listdir(f"/proc/{self.pid}/fd")}
        free = [n for n in range(max(taken) + 40) if n not in taken]
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (free[spare], self.most[1]))

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body))
        r = self.connection.getresponse()
        return r.status, r.read(), r.headers

    def end(self):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.most)
        self.connection.close()


def needy(blob):
    tiny = user("Hi", stream=True)
    digest = hashlib.sha256(blob).hexdigest()
    return [("GET", "/api/tags", None), ("POST", "/api/show", {"model": "tiny"}), ("POST", "/api/chat", tiny), ("POST", "/v1/messages", dict(tiny, max_tokens=3)),
            ("POST", "/v1/chat/completions", tiny), ("POST", "/api/embed", {"model": "tiny", "input": "x"}), ("POST", "/api/chat", dict(tiny, model="far")),
            ("POST", "/v1/responses", {"model": "tiny", "input": "x", "store": True}), ("POST", "/api/create", {"model": "new", "from": "tiny", "system": "x"}),
            ("POST", "/api/copy", {"source": "tiny", "destination": "c"}), ("POST", f"/api/blobs/sha256:{digest}", blob), ("GET", "/v1/models", None),
            ("POST", "/api/pull", {"model": "http://127.0.0.1:1/a/b", "insecure": True, "stream": False}), ("GET", "/v1/responses/resp_1", None),
            ("DELETE", "/api/delete", {"model": "c"}), ("POST", "/v1/tokenize", {"model": "tiny", "content": "x"})]


@pytest.mark.parametrize("spare", range(14))
def test_who_needs_a_descriptor_and_gets_none_is_told_to_come_again(serve, cli, stub, spare):  # noqa: F811
    cli.ok("create", "far", "--from", stub.name("good"))
    s = serve(env={"HYPERLAMA_REGISTRY_OFFLINE": "no"})
    scarce, blob = Scarce(s, spare), os.urandom(700000)
    for method, path, body in needy(blob):
        if path == "/api/pull" and spare > 0:
            continue  # it tries for seconds
        got, data, headers = scarce.ask(method, path, body)
        usual = {200, 201} | ({404} if path.startswith(("/api/delete", "/v1/responses/")) else {502} if path == "/api/pull" else set())
        assert got in usual | {503}, (spare, path, got, data)
        if got == 503:
            assert headers["Retry-After"] and b"Too many open files" in data, (spare, path, data)
        assert spare > 0 or got == 503, (path, got, data)
    scarce.end()
    assert s.json("POST", "/api/chat", user(stream=False))["message"]["content"] == "Hello brave new world."
    kept = {}

    def keep():
        kept.update(json.loads(s.ask("POST", "/v1/responses", {"model": "tiny", "input": "x", "store": True})[1]))
        return "id" in kept

    assert wait_for(keep)  # the database is tried again
    kept = kept["id"]
    assert s.json("GET", f"/v1/responses/{kept}")["id"] == kept
    assert s.json("POST", "/api/chat", user(stream=False, model="far"))["message"]["content"] == "Hello wörld"


# ---- A stop ----

LAST = {"/api/chat": b'"done_reason":"cancel"', "/api/generate": b'"done_reason":"cancel"', "/v1/chat/completions": b"data: [DONE]", "/v1/completions": b"data: [DONE]",
        "/v1/responses": b'"status":"cancelled"', "/v1/messages": b"event: message_stop"}


@pytest.mark.parametrize("stream", (True, False))
def test_answers_that_a_stop_cuts_are_told(serve, stream):  # noqa: F811
    s = serve("--server-drain-s", "0", loop=True, n_ctx=65536)
    open_ones = {}
    for path in LAST:
        c = open_ones[path] = s.connect()
        c.request("POST", path, json.dumps(dict(ASKS[path], model="tiny", stream=stream, **({"max_tokens": 60000} if "messages" in path else {}), options={"num_predict": 60000})))
    assert wait_for(lambda: len([r for r in s.json("GET", "/api/requests")["requests"] if r["state"] == "answering"]) == len(LAST))
    answers = {path: c.getresponse() for path, c in open_ones.items()} if stream else {}
    s.process.send_signal(signal.SIGTERM)
    for path, c in open_ones.items():
        r = answers.get(path) or c.getresponse()
        data = r.read()  # IncompleteRead: the connection was torn
        assert r.status == 200 and (not stream or LAST[path] in data[-3000:]), (path, data[-400:])
        assert stream or b"cancel" in data[-3000:] or b"max_tokens" in data, (path, data[-400:])
    assert s.process.wait(30) == 143


# ---- A home for reading only ----

def test_a_home_that_cannot_be_written_is_read(cli):
    """As another user, to whom the home belongs to look at: keys count, answers are made, and what writes says so."""
    cli.ok("import", cli.model(), "tiny")
    key = cli.ok("keys", "add", "alice").split()[-1]
    program = shutil.copy(cli.program, cli.folder / "program")
    everything = [cli.folder, *cli.folder.rglob("*")]
    for p in everything:
        p.chmod(0o555 if p.is_dir() else 0o444)
    pathlib.Path(program).chmod(0o555)
    for p in cli.folder.parents:
        if p.name.startswith("pytest-"):
            p.chmod(0o755)
    as_other = "import os,sys; os.getuid() or (os.setgid(65534), os.setuid(65534)); os.execve(sys.argv[1], sys.argv[1:], os.environ)"

    def run(*args):
        return subprocess.run(["python3", "-c", as_other, str(program), *args], env=dict(cli.env, HYPERLAMA_SERVER_HOST="127.0.0.1:0"), cwd="/", capture_output=True, text=True)
    done = run("run", "--local", "tiny", "hi")
    assert (done.returncode, done.stdout) == (0, "Hello brave new world.\n"), done.stderr
    assert "tiny:latest" in run("list").stdout and "llama" in run("show", "tiny").stdout
    p = subprocess.Popen(["python3", "-c", as_other, str(program), "serve"], env=dict(cli.env, HYPERLAMA_SERVER_HOST="127.0.0.1:0"), cwd="/",
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = p.stdout.readline()
    try:
        assert "listening on" in line, p.communicate()
        s = Server.__new__(Server)
        s.host, s.port = "127.0.0.1", int(line.rsplit(":", 1)[1])
        assert s.ask("GET", "/api/tags")[0] == 401
        mine = {"Authorization": f"Bearer {key}"}
        assert s.json("POST", "/api/chat", user(stream=False), mine)["message"]["content"] == "Hello brave new world."
        for _ in range(3):
            assert s.json("POST", "/v1/responses", {"model": "tiny", "input": "x"}, mine)["store"] is False
        got, data, _ = s.ask("POST", "/v1/responses", {"model": "tiny", "input": "x", "store": True}, mine)
        assert got == 500 and b"store: database" in data, (got, data)
        assert s.json("POST", "/api/show", {"model": "tiny"}, mine)["details"]["family"] == "llama"
    finally:
        p.terminate()
        said = p.communicate()[1]
        for p in everything:
            p.chmod(0o755)
    assert said.count("warning") == 1 and "cannot be written" in said, said


# ---- Connections without a request ----

def test_clients_that_close_in_the_middle_of_a_header_hold_no_connection(cli):
    """Their bytes and their end come together, and no event follows that libmicrohttpd would see."""
    env = {"HYPERLAMA_SERVER_MAX_CONNECTIONS": "20", "HYPERLAMA_SERVER_HEADER_S": "3600", "HYPERLAMA_SERVER_IDLE_S": "3600"}
    with Server(cli, env=env) as s:
        for _ in range(3):
            several = [socket.create_connection((s.host, s.port)) for _ in range(60)]
            for c in several:
                c.sendall(b"GET /")
            for c in several:
                c.close()
            assert s.ask("GET", "/health")[0] == 200


def test_a_low_soft_limit_of_descriptors_is_raised(cli):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        s = Server(cli, env={"HYPERLAMA_SERVER_MAX_CONNECTIONS": "300"})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with s:
        assert resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE) == (364, hard)
        assert not any("few-descriptors" in line for line in s.log)


def test_connections_leave_descriptors_for_work(cli):
    """Where no more may be had, fewer connections are taken than asked for, and those that are there are served."""
    cli.ok("import", cli.model(), "tiny")
    with Server(cli, env={"HYPERLAMA_SERVER_HEADER_S": "3600"}, under=["prlimit", "--nofile=100:100"]) as s:
        assert wait_for(lambda: any("few-descriptors limit=100 max_connections=50 instead_of=1024" in line for line in s.log))
        first = s.connect()
        first.connect()
        several = [socket.create_connection((s.host, s.port)) for _ in range(80)]
        for c in several:
            c.sendall(b"GET /")
        first.request("POST", "/api/generate", json.dumps({"model": "tiny", "prompt": "hi", "stream": False}))
        answer = first.getresponse()
        assert answer.status == 200, answer.read()
        for c in several:
            c.close()
