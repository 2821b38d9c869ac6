"""Models whose answers come from other programs' servers (host/remote): good ones, and all the ways to be a bad one."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from openai_stub import Stub
from test_guard import wait_for


@pytest.fixture
def stub():
    s = Stub()
    yield s
    s.close()


def run(cli, stub, model, *args, **kw):
    return cli("run", "--local", stub.name(model), *args, "Hi there", **kw)


def test_an_answer_and_what_was_asked(cli, stub):
    done = run(cli, stub, "good", "--system", "Be brief.", "-o", "temperature=0.25", "-o", "seed=7", "-o", "num_predict=9", "-o", "stop=END", "-o", "top_k=3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello wörld\n", "")
    asked, = stub.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["body"] == {"model": "good", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi there"}],
                             "temperature": 0.25, "seed": 7, "top_k": 3, "max_tokens": 9, "stop": ["END"],
                             "stream": True, "stream_options": {"include_usage": True}}
    assert "Authorization" not in asked["headers"]


def sampling_of(asked):
    return {k: round(v, 6) for k, v in asked["body"].items() if isinstance(v, (int, float)) and k not in ("stream", "max_tokens")}


def test_our_defaults_are_not_sent(cli, stub, server):
    run(cli, stub, "good")
    run(cli, stub, "good", "-o", "temperature=0.8")
    assert [sampling_of(a) for a in stub.asked] == [{}, {"temperature": 0.8}]
    cli.ok("create", "plain", "--from", stub.name("good"))
    (cli.folder / "Modelfile").write_text(f"FROM {stub.name('good')}\nPARAMETER top_p 0.9\n")
    cli.ok("create", "stored", "-f", str(cli.folder / "Modelfile"))
    s = server()
    chat = {"messages": [{"role": "user", "content": "Hi"}], "stream": False, "max_tokens": 9}
    for path, name, more, want in (("/v1/chat/completions", "plain", {}, {}), ("/v1/chat/completions", "plain", {"top_p": 0.9}, {"top_p": 0.9}),
                                   ("/v1/messages", "plain", {"temperature": 0.8}, {"temperature": 0.8}), ("/api/chat", "plain", {}, {}),
                                   ("/api/chat", "plain", {"options": {"top_k": 40, "temperature": 0}}, {"top_k": 40, "temperature": 0}),
                                   ("/v1/chat/completions", "stored", {}, {"top_p": 0.9})):
        s.json("POST", path, dict(chat, model=name, **more))
        assert sampling_of(stub.asked[-1]) == want, (path, name, more)
    address = {"HYPERLAMA_SERVER_HOST": f"127.0.0.1:{s.port}"}  # and over a server of ours
    cli.ok("run", "plain", "Hi there", env=address)
    assert sampling_of(stub.asked[-1]) == {}
    cli.ok("run", "plain", "-o", "temperature=0.8", "Hi there", env=address)
    assert sampling_of(stub.asked[-1]) == {"temperature": 0.8}


def test_counts_are_the_servers(cli, stub):
    said = run(cli, stub, "good", "--verbose").stderr
    assert "11 token(s)" in said and "3 token(s)" in said


def test_raw_text_goes_to_completions(cli, stub):
    assert run(cli, stub, "good", "--raw").stdout == "raw Hi there\n"
    assert stub.asked[0]["path"] == "/v1/completions" and "messages" not in stub.asked[0]["body"]


@pytest.mark.parametrize("model, text", [("empty", ""), ("whole", "all at once"), ("no-done", "ends without it"), ("crlf", "lines"), ("busy-once", "second try")])
def test_forms_of_answers(cli, stub, model, text):
    done = run(cli, stub, model)
    assert (done.returncode, done.stdout) == (0, text and text + "\n")


def test_reasoning_is_told_apart(cli, stub):
    shown = run(cli, stub, "thinks").stdout
    assert "Hm." in shown and shown.endswith("Yes.\n")
    assert run(cli, stub, "thinks", "--hidethinking").stdout == "Yes.\n"


@pytest.mark.parametrize("model, code, words, n_asked", [
    ("cut", 13, "ends in the middle", 1),
    ("cut-before", 13, "ends in the middle", 3),
    ("broken-json", 13, "answer", 3),
    ("error-in-stream", 13, "the cat ate it", 1),
    ("html", 13, "answers with 'text/html', expected a stream of events", 3),
    ("elsewhere", 13, "sends us elsewhere (status 302), which is not followed", 1),
    ("endless-headers", 13, "its headers have more than 65536 bytes", 3),
    ("too-long", 9, "maximum context length is 10 tokens", 1),
    ("unknown", 7, "no such model", 1),
    ("broken", 13, "status 500: out of order", 3),
    ("busy-long", 10, "status 503: come back tomorrow", 1),
])
def test_ways_to_be_a_bad_server(cli, stub, model, code, words, n_asked):
    done = run(cli, stub, model)
    assert words in done.stderr and done.returncode == code, done.stderr
    assert len(stub.asked) == n_asked
    assert all(a["path"] == "/v1/chat/completions" for a in stub.asked)


def test_what_has_come_before_a_failure_is_shown(cli, stub):
    assert run(cli, stub, "cut").stdout == "half an ans\n"


def test_a_server_that_is_not_there(cli, stub):
    name = stub.name("good")
    stub.close()
    done = cli("run", "--local", name, "Hi")
    assert done.returncode == 13 and "onnect" in done.stderr


# In namespaces of its own: a name server that takes questions and never answers. How many came before our program gave up?
# A resolver that is waited for asks again, after 5 s.
SILENT_NAMES = """
import json, os, select, socket, subprocess, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
p = subprocess.run(sys.argv[1:], capture_output=True, text=True, stdin=subprocess.DEVNULL)
n = 0
while select.select([s], [], [], 0)[0]:
    s.recv(4096)
    n += 1
print(json.dumps([n, p.returncode, p.stderr]))
"""


def test_a_name_server_that_says_nothing_holds_nobody(cli):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (cli.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    name = record(cli, connect_ms=500, attempts=1, upstreams=[{"url": "http://far.example.com/v1", "model": "m"}])
    done = subprocess.run(["unshare", "-mn", "sh", "-c", 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"', str(cli.folder / "resolv.conf"),
                           sys.executable, "-c", SILENT_NAMES, cli.program, "run", "--local", name, "Hi"], env=cli.env, capture_output=True, text=True, timeout=60)
    n, code, said = json.loads(done.stdout)
    assert code == 13 and "timed out" in said and 1 <= n <= 2, (n, said)  # one question for each kind of address


def test_ctrl_c_closes_the_connection(cli, stub):
    p = subprocess.Popen([cli.program, "run", "--local", stub.name("slow"), "Hi"], env=cli.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.stdout.read(4) == b"wait"
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=20)
    end = time.monotonic() + 20
    while stub.n_left == 0 and time.monotonic() < end:
        time.sleep(0.02)
    assert stub.n_left == 1


@pytest.mark.parametrize("name, words", [
    ("remote:ftp://x#m", "expected http://... or https://..."),
    ("remote:http://me:secret@host/v1#m", "key_env or key_file"),
    ("remote:http:///v1#m", "names no host"),
    ("remote:http://host/v1", "expected remote:http://HOST:PORT/v1#MODEL"),
    ("remote:http://host/v1#", "expected remote:http://HOST:PORT/v1#MODEL"),
    ("remote:http://host/v1?a=b#m", "have no place in a base URL"),
    ("remote:http://host:99999/v1#m", "URL 'http://host:99999/v1'"),
    ("remote:http://[::1/v1#m", "URL 'http://[::1/v1'"),
    ("engine:vllm", "expected engine:PROFILE#MODEL"),
    ("engine:nobody#m", "there is no launch profile 'nobody'; there are llama-server, ik-llama-server, vllm, max"),
])
def test_wrong_names(cli, name, words):
    done = cli("run", "--local", name, "Hi")
    assert done.returncode != 0 and words in done.stderr, done.stderr


ENGINE = """
import http.server, json, os, sys
sys.path.insert(0, {here!r})
import openai_stub
port = int(sys.argv[sys.argv.index("--port") + 1])
print("starting on", port, flush=True)
{before}
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), openai_stub.Handler)
server.stub = openai_stub.Stub()
server.serve_forever()
"""


def make_engine(cli, before="", start_s=30, command="python3 {folder}/engine.py --port {{port}} {{model}}"):
    import pathlib
    here = str(pathlib.Path(__file__).parent)
    (cli.folder / "engine.py").write_text(ENGINE.format(here=here, before=before))
    (cli.folder / "engines.ini").write_text(f"[mine]\ncommand = {command.format(folder=cli.folder)}\nenv = SAID=by the profile\nbase = /v1\n"
                                            f"ready = /v1/models\nstart_s = {start_s}\nstop_ms = 500\n")


def log(cli):
    return (cli.home / "logs/engine-mine.log").read_text()


def test_an_engine_is_started_asked_and_stopped(cli):
    make_engine(cli, "print('pid', os.getpid(), os.environ['SAID'], flush=True)")
    done = cli("run", "--local", "engine:mine#good", "Hi")
    assert (done.returncode, done.stdout) == (0, "Hello wörld\n"), done.stderr
    pid = next(line.split()[1] for line in log(cli).splitlines() if line.startswith("pid "))
    assert "by the profile" in log(cli)
    import os
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("before, start_s, words", [
    ("print('no room for weights'); sys.exit(3)", 30, "ended with 3 before it could be asked; it said last: no room for weights"),
    ("import time; time.sleep(100)", 1, "cannot be asked after 1 s (start_s of its profile)"),
])
def test_engines_that_never_get_ready(cli, before, start_s, words):
    make_engine(cli, before, start_s)
    done = cli("run", "--local", "engine:mine#good", "Hi")
    assert done.returncode == 13 and words in done.stderr, done.stderr


def test_an_engine_that_is_not_installed(cli):
    make_engine(cli, command="no-such-engine {{model}}")
    done = cli("run", "--local", "engine:mine#good", "Hi")
    assert done.returncode == 4 and "its program is not in PATH: no-such-engine: No such file" in done.stderr


@pytest.mark.parametrize("text, words", [
    ("[mine]\nbase = /v1\nready = /\n", "profile 'mine' has no command"),
    ("[mine]\ncommand = x\nbase = v1\nready = /\n", "base and ready are paths"),
    ("[mine]\ncommand = x\nstart_s = soon\n", "line 3: start_s is 'soon', expected a number"),
    ("[mine]\ncommand = x\nenv = A\n", "line 3: env is 'A', expected NAME=VALUE"),
    ("[mine]\ncommand = x\ncolour = red\n", "line 3: 'colour' is no part of a profile"),
])
def test_wrong_profiles(cli, text, words):
    (cli.folder / "engines.ini").write_text(text)
    done = cli("run", "--local", "engine:mine#good", "Hi")
    assert done.returncode != 0 and words in done.stderr, done.stderr


# ---- Models of the store ----

def test_a_remote_model_is_created_listed_shown_copied_run_and_removed(cli, stub):
    cli.ok("create", "big", "--from", stub.name("good"), "--system", "Be brief.", "--parameter", "temperature=0.5")
    listed, = json.loads(cli.ok("list", "--json"))["models"]
    assert listed["name"] == "big:latest"
    shown = cli.ok("show", "big")
    assert stub.url in shown and "good" in shown and "Be brief." in shown
    assert cli.ok("run", "--local", "big", "Hi there") == "Hello wörld\n"
    body = stub.asked[0]["body"]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."} and body["temperature"] == 0.5
    cli.ok("cp", "big", "other")
    cli.ok("rm", "big")
    assert cli.ok("run", "--local", "other", "Hi there") == "Hello wörld\n"
    cli.ok("create", "child", "--from", "other", "--parameter", "seed=3")
    cli.ok("run", "--local", "child", "Hi there")
    assert stub.asked[-1]["body"]["seed"] == 3


def test_what_lists_say_of_a_remote_model(cli, stub, server):
    said = cli.ok("create", "big", "--from", stub.name("good"))
    assert said == f"created 'big:latest' (remote, 'good' at {stub.url})\n"
    assert "created 'own:latest' (remote, '/m/x.gguf' at engine:llama-server)" in cli.ok("create", "own", "--from", "engine:llama-server#/m/x.gguf")
    cli.ok("create", "short", "--from", record(cli, upstreams=[{"url": stub.url, "model": "good"}], context_length=2048))
    assert [line.split()[2] for line in cli.ok("list").splitlines()[1:]] == ["-"] * 3
    s = server()
    at = {"HYPERLAMA_SERVER_HOST": f"127.0.0.1:{s.port}"}
    for model in ("big", "short"):
        cli.ok("run", model, "Hi", env=at)
    shown = {line.split()[0]: line.split()[2:5] for line in cli.ok("ps", env=at).splitlines()[1:]}
    assert shown == {"big:latest": ["-", "remote", "-"], "short:latest": ["-", "remote", "2048"]}
    places = {m["name"]: (m.get("remote_host"), m.get("remote_model")) for m in s.json("GET", "/api/tags")["models"]}
    assert places == {"big:latest": (stub.url, "good"), "short:latest": (stub.url, "good"), "own:latest": ("engine:llama-server", "/m/x.gguf")}
    assert all(m["remote_host"] == stub.url for m in s.json("GET", "/api/ps")["models"])
    loaded = {m["name"]: m.get("context_length") for m in s.json("GET", "/api/ps")["models"]}
    assert loaded == {"big:latest": None, "short:latest": 2048}
    s.json("POST", "/api/chat", {"model": "big", "messages": [], "keep_alive": 0})
    assert "big" not in cli.ok("ps", env=at)


def test_a_chat_says_who_answers(cli, stub):
    from test_terminal import Terminal
    t = Terminal(cli, "run", "--local", stub.name("good"), columns=200)
    t.until(f"#good, answered by {stub.url}. /? for help, /bye leaves.")
    t.send("/bye\r")
    assert t.end() == 0


def test_remote_models_are_copied_and_built_on_over_the_network(cli, stub, server):
    cli.ok("create", "big", "--from", stub.name("good"), "--system", "Be brief.")
    s = server()
    assert s.ask("POST", "/api/copy", {"source": "big", "destination": "other"})[0] == 200
    s.json("POST", "/api/create", {"model": "child", "from": "other", "system": "Sing.", "parameters": {"seed": 3}, "stream": False})
    chat = {"messages": [{"role": "user", "content": "Hi"}], "stream": False}
    for model, system in (("other", "Be brief."), ("child", "Sing.")):
        assert s.json("POST", "/api/chat", dict(chat, model=model))["message"]["content"] == "Hello wörld"
        assert stub.asked[-1]["body"]["messages"][0] == {"role": "system", "content": system}
    assert stub.asked[-1]["body"]["seed"] == 3
    assert s.json("POST", "/api/show", {"model": "child"})["remote_host"] == stub.url
    for field, words in (({"quantize": "q4_0"}, b"smaller weights has no place"), ({"template": "{{ .Prompt }}"}, b"a template has no place")):
        got, data, _ = s.ask("POST", "/api/create", {"model": "no", "from": "big", "stream": False, **field})
        assert got == 400 and words in data, (field, got, data)
    assert "a template has no place here" in cli("create", "no", "--from", stub.name("good"), "--template", "{{ .Prompt }}").stderr


def test_a_remote_model_is_not_pushed(cli, stub):
    cli.ok("create", "127.0.0.1:1/me/big", "--from", stub.name("good"))
    done = cli("push", "--insecure", "127.0.0.1:1/me/big", env={"HYPERLAMA_REGISTRY_OFFLINE": "no"})
    assert done.returncode != 0 and "this machine's affair" in done.stderr


def record(cli, **fields):
    path = cli.folder / "record.json"
    path.write_text(json.dumps(fields))
    return f"remote:{path}"


def test_a_key_is_sent_and_never_shown(cli, stub):
    (cli.folder / "key").write_text("sk-very-secret\n")
    cli.ok("create", "keyed", "--from", record(cli, upstreams=[{"url": stub.url, "model": "good", "key_file": str(cli.folder / "key"), "headers": {"X-Team": "a"}}]))
    cli.ok("create", "refused", "--from", record(cli, upstreams=[{"url": stub.url, "model": "refuses", "key_env": "A_KEY"}]))
    cli.ok("run", "--local", "keyed", "Hi")
    assert stub.asked[0]["headers"]["Authorization"] == "Bearer sk-very-secret" and stub.asked[0]["headers"]["X-Team"] == "a"
    done = cli("run", "--local", "--log-level", "trace", "refused", "Hi", env={"A_KEY": "sk-very-secret"})
    assert "refuses our key (status 401): no such key: Bearer **************" in done.stderr and done.returncode == 13
    for shown in (done.stderr, cli.ok("show", "keyed"), cli.ok("show", "keyed", "--json"), cli.ok("show", "keyed", "--modelfile")):
        assert "sk-very-secret" not in shown
    assert not any(b"sk-very-secret" in p.read_bytes() for p in cli.home.rglob("*") if p.is_file())
    cli.ok("create", "late", "--from", record(cli, upstreams=[{"url": stub.url, "model": "refuses-late", "key_file": str(cli.folder / "key"), "headers": {"X-Team": "team-secret"}}]))
    done = cli("run", "--local", "late", "Hi")
    assert "pppp" in done.stderr and "sk-" not in done.stderr and "team-s" not in done.stderr
    done = cli("run", "--local", "refused", "Hi")
    assert "the variable A_KEY, which holds its key, is not set" in done.stderr


@pytest.mark.parametrize("bad", ["broken", "refuses", "forbidden", "unknown", "elsewhere", "html", "cut-before"])
def test_another_server_answers_where_one_fails(cli, stub, server, bad):
    other = Stub()
    cli.ok("create", "both", "--from", record(cli, upstreams=[{"url": stub.url, "model": bad}, {"url": other.url, "model": "good"}]))
    assert [line.split()[-1] for line in cli.ok("show", "both").splitlines()[1:5]] == [stub.url, bad, other.url, "good"]
    assert cli.ok("run", "--local", "both", "Hi") == "Hello wörld\n"
    assert (len(stub.asked), len(other.asked)) == (1, 1)
    assert len(server().json("POST", "/v1/embeddings", {"model": "both", "input": ["a", "b"]})["data"]) == 2
    assert (len(stub.asked), len(other.asked)) == (2, 2)
    other.close()


def test_vectors_are_asked_for_again_too(cli, stub, server):
    cli.ok("create", "m", "--from", stub.name("busy-once"))
    assert len(server().json("POST", "/v1/embeddings", {"model": "m", "input": ["a", "b"]})["data"]) == 2
    assert len(stub.asked) == 2


def test_a_long_body_is_sent_without_asking(cli, stub, server):
    cli.ok("create", "m", "--from", stub.name("good"))
    server().json("POST", "/api/chat", {"model": "m", "messages": [{"role": "user", "content": "long " * (1 << 19)}], "stream": False})
    assert "Expect" not in stub.asked[0]["headers"] and int(stub.asked[0]["headers"]["Content-Length"]) > 2 << 20


@pytest.mark.parametrize("fields, words", [
    ({}, "upstreams is no list of 1 to 16 servers"),
    ({"engine": "mine", "model": "m", "upstreams": []}, "either an engine or upstreams, not both"),
    ({"engine": "mine"}, "engine and model are not both texts"),
    ({"upstreams": [{"url": "http://h", "model": "m", "key": "sk-1"}]}, "would be kept in clear"),
    ({"upstreams": [{"url": "http://h:99999", "model": "m"}]}, "URL 'http://h:99999'"),
    ({"engine": "nobody", "model": "m"}, "there is no launch profile 'nobody'; there are llama-server"),
])
def test_wrong_records(cli, fields, words):
    done = cli("create", "x", "--from", record(cli, **fields))
    assert done.returncode != 0 and words in done.stderr and cli.ok("list") .count("\n") <= 1


@pytest.fixture
def server(cli):
    from test_serve import Server
    servers = []

    def start(**env):
        servers.append(Server(cli, env))
        return servers[-1]
    yield start
    for s in servers:
        s.stop()


def test_the_server_answers_for_it_in_every_dialect(cli, stub, server):
    for model in ("good", "calls", "too-long", "broken"):
        cli.ok("create", model, "--from", stub.name(model))
    s = server()
    chat = {"model": "good", "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    assert s.json("POST", "/api/chat", chat)["message"]["content"] == "Hello wörld"
    assert s.json("POST", "/api/generate", {"model": "good", "prompt": "Hi", "stream": False})["response"] == "Hello wörld"
    assert "does not count" in s.json("POST", "/v1/messages/count_tokens", chat, status=400)["error"]["message"]
    got = s.json("POST", "/v1/chat/completions", chat)
    assert got["choices"][0]["message"]["content"] == "Hello wörld"
    assert (got["usage"]["prompt_tokens"], got["usage"]["completion_tokens"], got["usage"]["prompt_tokens_details"]["cached_tokens"]) == (11, 3, 4)
    assert s.json("POST", "/v1/messages", dict(chat, max_tokens=9))["content"][0]["text"] == "Hello wörld"
    tools = [{"type": "function", "function": {"name": n, "parameters": {"type": "object"}}} for n in ("add", "stop")]
    calls = s.json("POST", "/v1/chat/completions", dict(chat, model="calls", tools=tools))["choices"][0]
    assert calls["finish_reason"] == "tool_calls"
    assert [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls["message"]["tool_calls"]] == [("add", {"a": 1, "b": 2}), ("stop", {})]
    assert [[v, len(s.json("POST", "/api/embed", {"model": "good", "input": ["a", "b"]})["embeddings"])] for v in (1,)] == [[1, 2]]
    assert [m["name"] for m in s.json("GET", "/api/ps")["models"]] != []
    shown = s.json("POST", "/api/show", {"model": "good"})
    assert (shown["remote_host"], shown["remote_model"]) == (stub.url, "good")
    assert "10 tokens" in s.json("POST", "/v1/chat/completions", dict(chat, model="too-long"), status=400)["error"]["message"]
    assert "out of order" in s.json("POST", "/v1/chat/completions", dict(chat, model="broken"), status=502)["error"]["message"]


def test_log_probabilities_come_from_there(cli, stub, server):
    for model in ("logprobs", "good"):
        cli.ok("create", model, "--from", stub.name(model))
    s = server()
    chat = {"model": "logprobs", "messages": [{"role": "user", "content": "Hi"}], "logprobs": True, "top_logprobs": 2}
    shown = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},
                                                                                    {"token": "\ufffd", "logprob": -1.5, "bytes": [195]}]},
             {"token": " the", "logprob": -0.25, "bytes": [32, 116, 104, 101], "top_logprobs": []},
             {"token": "re", "logprob": -0.25, "bytes": [114, 101], "top_logprobs": []}]
    got = s.json("POST", "/v1/chat/completions", chat)["choices"][0]
    assert got["message"]["content"] == "Hi there" and got["logprobs"]["content"] == shown
    assert (stub.asked[-1]["body"]["logprobs"], stub.asked[-1]["body"]["top_logprobs"]) == (True, 2)
    lines = s.ask("POST", "/v1/chat/completions", dict(chat, stream=True))[1].decode().split("\n\n")
    chunks = [json.loads(line[6:])["choices"][0] for line in lines if line.startswith("data: {") and json.loads(line[6:])["choices"]]
    assert [t for c in chunks for t in ((c.get("logprobs") or {}).get("content") or [])] == shown
    assert "".join(c["delta"].get("content") or "" for c in chunks) == "Hi there"
    got = s.json("POST", "/api/chat", dict(chat, stream=False, top_logprobs=0))
    assert [t["token"] for t in got["logprobs"]] == ["Hi", " the", "re"] and got["logprobs"][0]["top_logprobs"] == []
    text = s.json("POST", "/v1/completions", {"model": "logprobs", "prompt": "x", "logprobs": 1})["choices"][0]
    assert text["text"] == "Hi" and text["logprobs"] == {"tokens": ["H", "i"], "token_logprobs": [-0.5, -0.25], "text_offset": [0, 1],
                                                         "top_logprobs": [{"H": -0.5}, {"i": -0.25}]}
    failed = s.json("POST", "/v1/chat/completions", dict(chat, model="good"), status=400)["error"]["message"]
    assert f"{stub.url} answers without the log probabilities that it was asked for" in failed
    failed = s.json("POST", "/v1/completions", {"model": "logprobs", "prompt": "x", "logprobs": 1, "echo": True}, status=400)["error"]["message"]
    assert "log probabilities of the prompt" in failed


def test_an_answer_goes_on_where_the_server_can(cli, stub, server):
    cli.ok("create", "good", "--from", stub.name("good"))
    s = server()
    chat = {"model": "good", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well"}], "stream": False}
    failed = s.json("POST", "/api/chat", chat, status=400)["error"]
    assert f"the last message is the assistant's, and {stub.url} (owned_by 'nobody') is not known to go on" in failed and stub.asked == []
    stub.owner = "vllm"
    assert s.json("POST", "/api/chat", chat)["message"]["content"] == "Hello wörld"
    body = stub.asked[-1]["body"]
    assert (body["add_generation_prompt"], body["continue_final_message"], body["messages"][-1]["role"]) == (False, True, "assistant")
    assert s.json("POST", "/v1/messages", dict(chat, max_tokens=9))["content"][0]["text"] == "Hello wörld"
    s.json("POST", "/api/chat", {"model": "good", "messages": chat["messages"][:1], "stream": False})
    assert "continue_final_message" not in stub.asked[-1]["body"]

BEGUN = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well"}], "stream": False}
LOADS = (503, {"error": {"message": "Loading model", "code": 503}})


def test_a_server_that_is_loading_is_asked_again_who_it_is(cli, stub, server):
    stub.owner, stub.lists = "vllm", [LOADS, (200, {"object": "list", "data": []})]
    cli.ok("create", "m", "--from", stub.name("good"))
    s = server()
    assert s.json("POST", "/api/chat", BEGUN)["message"]["content"] == "Hello wörld"
    assert (stub.n_lists, len(stub.asked)) == (3, 1)
    s.json("POST", "/api/chat", BEGUN)
    assert stub.n_lists == 3  # a yes is remembered


@pytest.mark.parametrize("answer, status, words, retry", [
    (LOADS, 503, "answers with status 503: Loading model", "1"),
    ((429, {"error": "slow down"}, ("Retry-After", "30")), 429, "answers with status 429: slow down", "30"),
    ((401, {"error": "no such key"}), 502, "refuses our key (status 401): no such key", None),
    ((302, {}, ("Location", "/v1/stolen")), 502, "sends us elsewhere (status 302), which is not followed", None),
    ((500, {"error": {"message": "out of order"}}), 502, "answers with status 500: out of order", None),
    ((200, b"<html>"), 502, "list of models", None),
    ((200, {"data": []}), 502, "its list of models, which is to say who it is, has none", None),
    ((200, {"data": [{"id": "good"}]}), 400, "(owned_by '') is not known to go on", None),
    ((404, {"error": "no such path"}), 400, "(owned_by '') is not known to go on", None),
])
def test_who_cannot_say_who_it_is_is_not_called_unable(cli, stub, server, answer, status, words, retry):
    stub.owner, stub.lists = "vllm", [answer]
    cli.ok("create", "m", "--from", record(cli, attempts=1, upstreams=[{"url": stub.url, "model": "good"}]))
    s = server()
    got, data, headers = s.ask("POST", "/api/chat", BEGUN)
    assert (got, headers.get("Retry-After"), stub.asked) == (status, retry, []), data
    assert words in json.loads(data)["error"] and stub.url in json.loads(data)["error"]
    assert s.json("POST", "/api/chat", BEGUN)["message"]["content"] == "Hello wörld"  # nothing of it was remembered


def test_a_client_that_leaves_does_not_wait_for_a_list(cli, stub, server):
    stub.lists = [(200, None)]
    cli.ok("create", "m", "--from", stub.name("good"))
    c = server().connect()
    c.request("POST", "/api/chat", json.dumps(BEGUN))
    wait_for(lambda: stub.n_lists == 1)
    c.sock.shutdown(2)
    c.close()
    wait_for(lambda: stub.n_left == 1)  # long before its own limit, 30 s
    assert stub.asked == []


@pytest.mark.parametrize("model, status, words", [
    ("limited", 429, "answers with status 429: slow down"),
    ("broken", 502, "answers with status 500: out of order"),
    ("no-logprobs", 400, "answers with status 400: logprobs are not supported with this model"),
])
def test_a_refusal_is_not_blamed_on_log_probabilities(cli, stub, server, model, status, words):
    cli.ok("create", "m", "--from", record(cli, attempts=1, upstreams=[{"url": stub.url, "model": model}]))
    for path in ("/v1/chat/completions", "/api/chat"):
        got, data, _ = server().ask("POST", path, {"model": "m", "messages": BEGUN["messages"][:1], "logprobs": True, "stream": False})
        assert got == status and words in data.decode() and b"without the log probabilities" not in data, data


@pytest.mark.parametrize("model, text, tokens", [("declines", "I will not.", []), ("declines-surely", "No.", ["No."])])
def test_what_a_model_says_instead_of_an_answer_needs_no_log_probabilities(cli, stub, server, model, text, tokens):
    cli.ok("create", "m", "--from", stub.name(model))
    choice = server().json("POST", "/v1/chat/completions", {"model": "m", "messages": BEGUN["messages"][:1], "logprobs": True})["choices"][0]
    assert choice["message"]["content"] == text
    assert [t["token"] for t in (choice["logprobs"] or {}).get("content") or []] == tokens


STOPPED = [("/v1/chat/completions", lambda stops: {"stop": stops}, lambda r: (r["choices"][0]["message"]["content"], r["choices"][0]["finish_reason"] == "stop")),
           ("/api/chat", lambda stops: {"options": {"stop": stops}}, lambda r: (r["message"]["content"], r["done_reason"] == "stop")),
           ("/v1/messages", lambda stops: {"stop_sequences": stops, "max_tokens": 99}, lambda r: ("".join(b["text"] for b in r["content"]), r["stop_sequence"] == "France"))]


@pytest.mark.parametrize("model", ["keeps-stop", "ignores-stop", "whole-stop", "names-stop"])
def test_an_answer_ends_at_a_stop_string_whatever_the_server_does(cli, stub, server, model):
    cli.ok("create", "m", "--from", stub.name(model))
    s = server()
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    for i, (path, ask_for, read) in enumerate(STOPPED):
        more = {"tools": tools} if model == "whole-stop" and path != "/v1/messages" else {}
        got = s.json("POST", path, dict(BEGUN, messages=BEGUN["messages"][:1], **ask_for(["is Rome", "France"]), **more))
        assert read(got) == ("The capital of ", True), (path, got)
        assert not got.get("message", {}).get("tool_calls")
        if model == "ignores-stop":  # it would go on
            wait_for(lambda: stub.n_left == i + 1)
        elif path == "/v1/chat/completions":
            assert (got["usage"]["prompt_tokens"], got["usage"]["completion_tokens"]) == (11, 3)
    body = dict(BEGUN, messages=BEGUN["messages"][:1], stop=["France"], stream=True)
    lines = s.ask("POST", "/v1/chat/completions", body)[1].decode().split("\n\n")
    chunks = [json.loads(line[6:])["choices"][0] for line in lines if line.startswith("data: {") and json.loads(line[6:])["choices"]]
    assert "".join(c["delta"].get("content") or "" for c in chunks) == "The capital of " and chunks[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize("model, stop, text", [
    ("keeps-stop", "ances", "The capital of France"),  # held back, and then over
    ("keeps-stop", "Frunce", "The capital of France"),
    ("cut", "answer", "half an ans"),  # and then lost
    ("thinks", ".Y", "Yes."),  # reasoning and answer were not beside each other
])
def test_what_is_no_stop_string_is_shown(cli, stub, model, stop, text):
    assert run(cli, stub, model, "--hidethinking", "-o", f"stop={stop}").stdout == text + "\n"


def test_log_probabilities_end_at_a_stop_string(cli, stub, server):
    cli.ok("create", "m", "--from", stub.name("logprobs"))
    choice = server().json("POST", "/v1/chat/completions", {"model": "m", "messages": BEGUN["messages"][:1], "logprobs": True, "stop": "the"})["choices"][0]
    assert choice["message"]["content"] == "Hi " and choice["finish_reason"] == "stop"
    assert [t["token"] for t in choice["logprobs"]["content"]] == ["Hi", " the"]  # as far as something of it is shown


@pytest.mark.parametrize("model, status, words, retry", [
    ("refuses", 502, "refuses our key (status 401): no such key: Bearer **********", None),
    ("forbidden", 502, "refuses our key (status 403): not for you: Bearer **********", None),
    ("unknown", 404, "answers with status 404: no such model", None),
    ("too-long", 400, "maximum context length is 10 tokens", None),
    ("long-words", 502, "answers with status 400 and more words than we take", None),
    ("too-large", 413, "answers with status 413: too many bytes", None),
    ("limited", 429, "answers with status 429: slow down", "30"),
    ("limited-until", 429, "answers with status 429: slow down", "1000000"),
    ("limited-before", 429, "answers with status 429: slow down", "1"),
    ("limited-oddly", 429, "answers with status 429: slow down", "1"),
    ("busy-long", 503, "answers with status 503: come back tomorrow", "3600"),
    ("done-only", 502, "an answer without a choice", None),
    ("no-choices", 502, "an answer without a choice", None),
    ("call-below-0", 502, "a tool call whose index is below 0", None),
    ("busy-in-stream", 503, "no room", "1"),
    ("broken", 502, "answers with status 500: out of order", None),
    ("gateway", 502, "answers with status 504: nobody behind me", None),
    ("html", 502, "answers with 'text/html', expected a stream of events", None),
    ("plain", 502, "answers with 'text/plain', expected a stream of events", None),
    ("elsewhere", 502, "sends us elsewhere (status 302), which is not followed", None),
    ("endless-headers", 502, "its headers have more than 65536 bytes", None),
    ("endless-line", 502, "more of an answer than we take", None),
    ("cut-before", 502, "ends in the middle", None),
    ("broken-json", 502, "answer", None),
])
def test_what_a_client_hears_of_a_bad_server(cli, stub, server, model, status, words, retry):
    (cli.folder / "key").write_text("sk-secret0\n")
    cli.ok("create", "m", "--from", record(cli, attempts=1, upstreams=[{"url": stub.url, "model": model, "key_file": str(cli.folder / "key")}]))
    s = server()
    for path, stream in (("/v1/chat/completions", False), ("/v1/chat/completions", True), ("/api/chat", False), ("/api/chat", True), ("/v1/messages", True)):
        got, data, headers = s.ask("POST", path, {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream, "max_tokens": 9})
        said = json.loads(data)["error"]
        said = said if isinstance(said, str) else said["message"]
        assert (got, headers.get("Retry-After")) == (status, retry), (path, stream, data)
        assert words in said and stub.url in said and b"sk-" not in data, (path, stream, said)
        if model == "endless-line":
            break  # 64 MiB of it are enough
    got, data, headers = s.ask("POST", "/v1/embeddings", {"model": "m", "input": "Hi"})
    assert stub.url in json.loads(data)["error"]["message"] and b"sk-" not in data, data
    assert model in ("endless-line", "busy-in-stream", "long-words", "done-only", "no-choices", "call-below-0") or (got, headers.get("Retry-After")) == (status, retry), data


def test_a_certificate_that_nobody_trusts_is_not_the_clients_fault(cli, server, tmp_path):
    import http.server
    import ssl
    import threading
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x", "-keyout", tmp_path / "k.pem", "-out", tmp_path / "c.pem"],
                   check=True, capture_output=True)
    far = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    far.socket = context.wrap_socket(far.socket, server_side=True)
    far.handle_error = lambda *_: None
    threading.Thread(target=far.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{far.server_port}/v1"
    cli.ok("create", "m", "--from", record(cli, attempts=1, upstreams=[{"url": url, "model": "m"}]))
    s = server()
    for path, body in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}), ("/v1/embeddings", {"input": "Hi"})):
        got = s.json("POST", path, dict(body, model="m"), status=502)
        assert url in got["error"]["message"] and "certificate is not trusted" in got["error"]["message"]
    far.shutdown()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["slow", "silent", "mute"])
def test_a_client_that_leaves_ends_it_there_too(cli, stub, server, model, stream):
    cli.ok("create", "m", "--from", stub.name(model))
    s = server()
    c = s.connect()
    c.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}))
    wait_for(lambda: stub.asked)
    if stream and model != "mute":
        assert c.getresponse().readline().startswith(b"data: ")
    assert stub.n_left == 0  # the answer goes on
    c.sock.shutdown(2)
    c.close()
    wait_for(lambda: stub.n_left == 1)


ADD = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize("model", ["calls-broken", "calls-list"])
def test_arguments_that_are_no_object_are_no_call(cli, stub, server, model):
    cli.ok("create", "m", "--from", stub.name(model))
    s = server()
    for path in ("/v1/chat/completions", "/api/chat", "/v1/messages"):
        tools = [{"name": "add", "input_schema": {"type": "object"}}] if path == "/v1/messages" else ADD
        n_asked = len(stub.asked)
        said = s.json("POST", path, {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": tools, "stream": False, "max_tokens": 99}, status=502)
        assert f"{stub.url}: the arguments of its call of 'add' are no JSON object" in json.dumps(said)
        assert len(stub.asked) == n_asked + 1, "a call that was handed on is not asked for again"


@pytest.mark.parametrize("model, arguments", [("calls-nothing", {}), ("calls-object", {"a": 1, "b": 2})])
def test_arguments_in_odd_forms(cli, stub, server, model, arguments):
    cli.ok("create", "m", "--from", stub.name(model))
    s = server()
    call, = s.json("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": ADD})["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == arguments


def test_run_asks_a_running_server_for_it(cli, stub, server):
    cli.ok("create", "good", "--from", stub.name("good"))
    s = server()
    assert cli.ok("run", "good", "Hi there", env={"HYPERLAMA_SERVER_HOST": f"127.0.0.1:{s.port}"}) == "Hello wörld\n"


def test_nobody_makes_remote_models_over_the_network(cli, stub, server):
    cli.ok("import", cli.model(), "tiny")
    s = server()
    for source in (stub.name("good"), "engine:llama-server#x", f"remote:{cli.folder}/record.json"):
        got, data, _ = s.ask("POST", "/api/create", {"model": "x", "from": source, "stream": False})
        assert got in (400, 401, 403) and b"alone" in data, (got, data)
    assert stub.asked == []


def test_an_engine_that_dies_is_started_again_with_pauses(cli, server):
    make_engine(cli, "import threading; threading.Timer(1.0, lambda: os._exit(9)).start()")
    cli.ok("create", "weak", "--from", "engine:mine#good")
    s = server()
    chat = {"model": "weak", "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    assert s.json("POST", "/api/chat", chat)["message"]["content"] == "Hello wörld"
    end, seen = time.monotonic() + 60, []
    while seen.count(200) < 2:
        assert time.monotonic() < end
        seen.append(s.ask("POST", "/api/chat", chat)[0])
        time.sleep(0.2)
        if seen[-1] == 200 and 503 not in seen and 502 not in seen:
            seen.pop()
    assert 503 in seen  # it was left alone for a while
