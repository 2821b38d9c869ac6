"""serve over raw HTTP: what each dialect answers, what is refused and how, and what a client that leaves costs."""
import gzip
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import zlib

import pytest

from conftest import PROGRAM

PIECES = ("Hello", " brave", " new", " world.")
ANSWER = "".join(PIECES)


class Server:
    def __init__(self, cli, env=None, args=(), under=()):
        self.process = subprocess.Popen([*under, cli.program, "serve", "--log-level", "info", *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=cli.folder,
                                        env=dict(cli.env, HYPERLAMA_SERVER_HOST="127.0.0.1:0", **(env or {})))
        line = self.process.stdout.readline()
        found = re.search(r"listening on http://([\d.]+):(\d+)$", line)
        assert found, (line, self.process.communicate())
        self.host, self.port = found.group(1), int(found.group(2))
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def ask(self, method, path, body=None, headers=None):
        c = self.connect()
        raw = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        c.request(method, path, raw, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data, r.headers

    def json(self, method, path, body=None, headers=None, status=200):
        got, data, _ = self.ask(method, path, body, headers)
        assert got == status, (got, data)
        return json.loads(data) if data else None

    def lines(self, path, body):
        got, data, headers = self.ask("POST", path, body)
        assert got == 200 and headers["Content-Type"] == "application/x-ndjson", (got, data)
        assert data.endswith(b"\n") and b"\n\n" not in data
        return [json.loads(line) for line in data.splitlines()]

    def events(self, path, body):
        """(event or None, data) of each server-sent event; data is JSON but for the last one of OpenAI's."""
        got, data, headers = self.ask("POST", path, body)
        assert got == 200 and headers["Content-Type"] == "text/event-stream", (got, data)
        assert data.endswith(b"\n\n")
        out = []
        for block in data.decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            text = fields["data"]
            out.append((fields.get("event"), text if text == "[DONE]" else json.loads(text)))
        return out

    def metric(self, name):
        text = self.ask("GET", "/metrics")[1].decode()
        return int(re.search(rf"^hyperlama_{name} (\d+)$", text, re.M).group(1))

    def stop(self, wait=30):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(wait)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def serve(cli):
    servers = []

    def start(*args, env=None, **kw):
        cli.ok("import", cli.model(PIECES, **kw), "tiny")
        servers.append(Server(cli, env, args))
        return servers[-1]

    yield start
    for s in servers:
        s.__exit__()


def user(text="hi", **more):
    return dict({"model": "tiny", "messages": [{"role": "user", "content": text}]}, **more)


# ---- The short ones ----

def test_the_root_the_version_and_health(serve):
    s = serve()
    assert s.ask("GET", "/")[:2] == (200, b"Ollama is running")
    status, data, headers = s.ask("HEAD", "/")
    assert (status, data) == (200, b"") and headers["Content-Length"] == "17"
    version = s.json("GET", "/api/version")["version"]
    assert tuple(map(int, version.split("."))) >= (0, 13, 4)  # what Codex asks for
    assert s.json("GET", "/health") == {"status": "ok"}
    assert s.metric("requests_total") >= 4


def test_tags_ps_and_show(serve):
    s = serve()
    model = s.json("GET", "/api/tags")["models"][0]
    assert model["name"] == model["model"] == "tiny:latest" and len(model["digest"]) == 64 and model["size"] > 0
    assert {"format", "family", "families", "parameter_size", "quantization_level"} <= set(model["details"])
    assert s.json("GET", "/api/ps") == {"models": []}
    s.json("POST", "/api/generate", {"model": "tiny", "stream": False})
    loaded = s.json("GET", "/api/ps")["models"]
    assert [m["name"] for m in loaded] == ["tiny:latest"] and loaded[0]["context_length"] == 4096
    assert loaded[0]["digest"] == model["digest"] and loaded[0]["expires_at"].endswith("Z")
    shown = s.json("POST", "/api/show", {"name": "tiny"})
    assert shown["model_info"]["general.architecture"] == "llama" and shown["model_info"]["llama.context_length"] == 4096
    assert "completion" in shown["capabilities"] and "<|im_start|>" in shown["template"]
    assert shown["modelfile"].startswith("#") or "FROM" in shown["modelfile"]


def test_copy_and_delete(serve):
    s = serve()
    assert s.ask("POST", "/api/copy", {"source": "tiny", "destination": "other"})[:2] == (200, b"")
    assert {m["name"] for m in s.json("GET", "/api/tags")["models"]} == {"tiny:latest", "other:latest"}
    assert s.ask("DELETE", "/api/delete", {"model": "other"})[:2] == (200, b"")
    assert [m["name"] for m in s.json("GET", "/api/tags")["models"]] == ["tiny:latest"]
    assert "other" in s.json("DELETE", "/api/delete", {"model": "other"}, status=404)["error"]


# ---- Ollama ----

def test_generate_streams_lines_and_ends_with_true_counts(serve):
    s = serve()
    lines = s.lines("/api/generate", {"model": "tiny", "prompt": "hi"})
    assert [(x["response"], x["done"]) for x in lines] == [(p, False) for p in PIECES] + [("", True)]
    assert all(x["model"] == "tiny" and x["created_at"].endswith("Z") for x in lines)
    end = lines[-1]
    assert end["done_reason"] == "stop" and end["eval_count"] == 4
    assert end["prompt_eval_count"] == len("user\nhi\nassistant\n") + 3
    assert all(isinstance(end[k], int) and end[k] > 0
               for k in ("total_duration", "prompt_eval_duration", "eval_duration")) and end["load_duration"] >= 0
    whole = s.json("POST", "/api/generate", {"model": "tiny", "prompt": "hi", "stream": False})
    assert whole["response"] == ANSWER and whole["done"] and whole["prompt_eval_count"] == end["prompt_eval_count"]


def test_texts_keep_what_stands_behind_a_nul(serve):
    s = serve()
    count = lambda **more: s.json("POST", "/api/generate", dict(model="tiny", stream=False, **more))["prompt_eval_count"]
    plain = count(prompt="ab")
    assert count(prompt="a\0b") == plain + 1
    assert count(prompt="ab", system="x\0y") == count(prompt="ab", system="xyz")
    refused = s.json("POST", "/api/generate", {"model": "tiny", "prompt": "x", "template": "a\0b"}, status=400)
    assert "template: a NUL byte" in refused["error"]


def test_chat_streams_messages(serve):
    s = serve()
    lines = s.lines("/api/chat", user())
    assert "".join(x["message"]["content"] for x in lines) == ANSWER
    assert all(x["message"]["role"] == "assistant" for x in lines) and lines[-1]["done_reason"] == "stop"
    whole = s.json("POST", "/api/chat", user(stream=False, options={"num_predict": 2}))
    assert whole["message"]["content"] == "Hello brave" and whole["done_reason"] == "length"


def test_system_texts_count_as_stored_or_as_asked(serve, cli):
    s = serve()
    cli.ok("import", cli.folder / "tiny.gguf", "spoken", "--system", "Obey.")
    count = lambda model, messages: s.json("POST", "/api/chat", dict(model=model, messages=messages, stream=False))["prompt_eval_count"]
    plain = count("tiny", [{"role": "user", "content": "hi"}])
    turn = len("system\n") + len("\n") + 2
    assert count("spoken", [{"role": "user", "content": "hi"}]) == plain + turn + len("Obey.")
    assert count("spoken", [{"role": "system", "content": "No."}, {"role": "user", "content": "hi"}]) == plain + turn + len("No.")


def test_nothing_to_say_loads_and_unloads(serve):
    s = serve()
    assert s.lines("/api/generate", {"model": "tiny"})[0]["done_reason"] == "load"
    assert len(s.json("GET", "/api/ps")["models"]) == 1
    done = s.json("POST", "/api/chat", {"model": "tiny", "messages": [], "keep_alive": 0, "stream": False})
    assert done["done_reason"] == "unload" and done["message"] == {"role": "assistant", "content": ""}
    assert s.json("GET", "/api/ps")["models"] == []


def test_keep_alive_decides_how_long_a_model_stays(serve):
    s = serve()
    s.json("POST", "/api/chat", user(stream=False, keep_alive=0))
    for _ in range(100):  # given back on a worker
        if s.json("GET", "/api/ps")["models"] == []:
            break
        time.sleep(0.05)
    assert s.json("GET", "/api/ps")["models"] == []
    s.json("POST", "/api/chat", user(stream=False, keep_alive="1h30m"))
    until = lambda: s.json("GET", "/api/ps")["models"][0]["expires_at"]
    assert wait_for(lambda: until() < "2090"), until()  # while somebody has it, it stays
    left = time.mktime(time.strptime(until()[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - time.time()
    assert 5370 < left <= 5401
    assert "keep_alive" in s.json("POST", "/api/chat", user(keep_alive="10"), status=400)["error"]


def test_what_does_not_fit_is_left_out_and_said_or_refused(serve):
    s = serve()
    old = [{"role": "user", "content": "x" * 90}, {"role": "assistant", "content": "y" * 90}] * 5
    body = {"model": "tiny", "messages": old + [{"role": "user", "content": "hi"}], "stream": False, "options": {"num_ctx": 256}}
    done = s.json("POST", "/api/chat", body)
    assert done["messages_left_out"] >= 8 and done["prompt_eval_count"] < 256
    refused = s.json("POST", "/api/chat", dict(body, truncate=False), status=400)["error"]
    assert "256" in refused and re.search(r"has \d+ tokens", refused)


def test_options_are_obeyed_unknown_ones_ignored_wrong_ones_refused(serve):
    s = serve()
    said = lambda **options: s.json("POST", "/api/generate", {"model": "tiny", "prompt": "hi", "stream": False, "options": options})
    assert said(stop=["new"])["response"] == "Hello brave "
    assert said(useMLock=True, num_gpu=7, nonsense=[1])["response"] == ANSWER
    assert "temperature" in s.json("POST", "/api/generate", {"model": "tiny", "prompt": "x", "options": {"temperature": "hot"}}, status=400)["error"]
    assert "top_k" in s.json("POST", "/api/generate", {"model": "tiny", "prompt": "x", "options": {"top_k": [1]}}, status=400)["error"]


def test_logprobs_have_tokens_bytes_and_rivals(serve):
    s = serve()
    first = s.json("POST", "/api/generate", {"model": "tiny", "prompt": "hi", "stream": False, "logprobs": True, "top_logprobs": 2})["logprobs"][0]
    assert first["token"] == "Hello" and bytes(first["bytes"]) == b"Hello" and -1e-3 < first["logprob"] <= 0
    assert [t["token"] for t in first["top_logprobs"]][0] == "Hello" and len(first["top_logprobs"]) == 2


# ---- OpenAI ----

def test_a_chat_completion(serve):
    s = serve()
    got = s.json("POST", "/v1/chat/completions", user())
    choice = got["choices"][0]
    assert got["object"] == "chat.completion" and got["id"].startswith("chatcmpl-")
    assert choice["message"]["content"] == ANSWER and choice["finish_reason"] == "stop" and "tool_calls" not in choice["message"]
    usage = got["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] and usage["completion_tokens"] == 4
    again = s.json("POST", "/v1/chat/completions", user())["usage"]
    assert again["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] - 1


def test_a_chat_stream_has_one_role_one_end_and_usage_on_demand(serve):
    s = serve()
    events = [data for _, data in s.events("/v1/chat/completions", user(stream=True, stream_options={"include_usage": True}))]
    assert events[-1] == "[DONE]" and len({e["id"] for e in events[:-1]}) == 1
    deltas = [e["choices"][0] for e in events[:-2]]
    assert [("role" in d["delta"]) for d in deltas].count(True) == 1 and deltas[0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(d["delta"].get("content", "") for d in deltas) == ANSWER
    assert [d["finish_reason"] for d in deltas] == [None] * (len(deltas) - 1) + ["stop"] and deltas[-1]["delta"] == {}
    assert events[-2]["choices"] == [] and events[-2]["usage"]["completion_tokens"] == 4
    plain = s.events("/v1/chat/completions", user(stream=True))
    assert all("usage" not in data for _, data in plain[:-1])


def test_several_answers_to_one_prompt(serve):
    s = serve()
    got = s.json("POST", "/v1/chat/completions", user(n=3, max_tokens=2))
    assert [c["index"] for c in got["choices"]] == [0, 1, 2] and all(c["message"]["content"] == "Hello brave" for c in got["choices"])
    one = s.json("POST", "/v1/chat/completions", user(max_tokens=2))["usage"]
    assert got["usage"]["prompt_tokens"] == one["prompt_tokens"] and got["usage"]["completion_tokens"] == 6


def test_plain_completions_with_echo_and_several_prompts(serve):
    s = serve()
    got = s.json("POST", "/v1/completions", {"model": "tiny", "prompt": ["a\n", "b\n"], "echo": True, "max_tokens": 2})
    assert [c["text"] for c in got["choices"]] == ["a\nHello brave", "b\nHello brave"] and got["object"] == "text_completion"
    assert got["choices"][0]["finish_reason"] == "length" and got["usage"]["prompt_tokens"] == 4


def test_bias_bans_a_token(serve):
    s = serve()
    ids = s.json("POST", "/v1/tokenize", {"model": "tiny", "content": "a"})["tokens"]
    assert ids == [ord("a") - 0] or len(ids) == 1
    first = 259  # behind 256 bytes and three control tokens
    got = s.json("POST", "/v1/chat/completions", user(logit_bias={str(first): -100}, max_tokens=1, temperature=0))
    assert not got["choices"][0]["message"]["content"].startswith("Hello")


def test_models_for_both_kinds_of_clients(serve):
    s = serve()
    listed = s.json("GET", "/v1/models")
    assert listed["object"] == "list" and listed["data"][0]["id"] == "tiny:latest" and listed["has_more"] is False
    one = s.json("GET", "/v1/models/tiny%3Alatest")
    assert one["object"] == one["type"] == "model" and one["created"] > 0
    assert s.json("GET", "/v1/models/none", status=404)["error"]["code"] == "model_not_found"


# ---- Anthropic ----

def test_messages_stream_events_in_their_order(serve):
    s = serve()
    events = s.events("/v1/messages?beta=true", user(max_tokens=50, stream=True))
    assert all(name == data["type"] for name, data in events)
    names = [name for name, _ in events]
    assert names == ["message_start", "ping", "content_block_start"] + ["content_block_delta"] * 4 + ["content_block_stop", "message_delta", "message_stop"]
    start, end = events[0][1]["message"], events[-2][1]
    assert start["content"] == [] and start["usage"]["input_tokens"] == end["usage"]["input_tokens"] + end["usage"]["cache_read_input_tokens"]
    assert "".join(d["delta"]["text"] for n, d in events if n == "content_block_delta") == ANSWER
    assert end["delta"]["stop_reason"] == "end_turn" and end["usage"]["output_tokens"] == 4


def test_a_message_and_its_count(serve):
    s = serve()
    body = user("", max_tokens=2, system=[{"type": "text", "text": "x-anthropic-billing-header: cch=abc;"}, {"type": "text", "text": "Obey."}])
    body["messages"] = [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}]
    got = s.json("POST", "/v1/messages", body)
    assert got["content"] == [{"type": "text", "text": "Hello brave"}] and got["stop_reason"] == "max_tokens"
    counted = s.json("POST", "/v1/messages/count_tokens", {k: v for k, v in body.items() if k != "max_tokens"})["input_tokens"]
    assert counted == len("system\nObey.\nuser\nhi\nassistant\n") + 5
    assert got["usage"]["input_tokens"] + got["usage"]["cache_read_input_tokens"] == counted


def test_the_stop_string_that_ended_a_message_is_named(serve):
    s = serve()
    got = s.json("POST", "/v1/messages", user(max_tokens=50, stop_sequences=["xyz", " new"]))
    assert (got["stop_reason"], got["stop_sequence"], got["content"][0]["text"]) == ("stop_sequence", " new", "Hello brave")
    end = s.events("/v1/messages", user(max_tokens=50, stop_sequences=["brave"], stream=True))[-2][1]["delta"]
    assert end == {"stop_reason": "stop_sequence", "stop_sequence": "brave"}


def test_overflow_is_said_in_the_words_that_agents_look_for(serve):
    s = serve()
    long = user("x" * 9000, max_tokens=5)
    anthropic = s.json("POST", "/v1/messages", long, status=400)
    assert anthropic["type"] == "error" and re.fullmatch(r"prompt is too long: \d+ tokens > 4096 maximum", anthropic["error"]["message"])
    openai = s.json("POST", "/v1/chat/completions", long, status=400)["error"]
    words = r"This model's maximum context length is 4096 tokens. However, you requested (\d+) tokens in the prompt."
    assert openai["code"] == "context_length_exceeded" and int(re.fullmatch(words, openai["message"])[1]) > 9000
    openai = s.json("POST", "/v1/completions", {"model": "tiny", "prompt": ["x", "x" * 9000]}, status=400)["error"]
    assert int(re.fullmatch(words, openai["message"])[1]) >= 9000  # of the prompt that does not fit


# ---- What is wrong ----

@pytest.mark.parametrize("path, body, status, words", [
    ("/api/chat", "{", 400, "body"),
    ("/api/chat", "[]", 400, "object"),
    ("/api/chat", "", 400, "missing request body"),
    ("/api/chat", {"messages": []}, 400, "model is required"),
    ("/api/chat", {"model": 7}, 400, "model: found a number, expected a text"),
    ("/api/chat", {"model": "tiny", "messages": {}}, 400, "messages: found an object, expected a list"),
    ("/api/chat", {"model": "tiny", "messages": ["x"]}, 400, "messages[0]"),
    ("/api/chat", {"model": "tinny", "messages": []}, 404, "tinny"),
    ("/api/generate", {"model": "tiny", "prompt": "x", "raw": True, "system": "y"}, 400, "raw"),
    ("/api/generate", {"model": "tiny", "prompt": "x", "format": "yaml"}, 400, "format"),
    ("/api/generate", {"model": "/etc/passwd", "prompt": "x"}, 400, "model name"),
    ("/api/pull", {"model": ""}, 400, "required"),
    ("/v1/chat/completions", {"model": "tiny", "messages": []}, 400, "at least one"),
    ("/v1/chat/completions", dict(user(), n=0), 400, "n: 0 is out of range"),
    ("/v1/chat/completions", dict(user(), top_logprobs=3), 400, "logprobs"),
    ("/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "texts only"),
    ("/v1/messages", user(), 400, "max_tokens"),
    ("/v1/messages", user(max_tokens=1, thinking={"a": 1}), 400, "thinking.type"),
    ("/v1/responses", {"model": "tiny", "input": "hi", "tools": [3]}, 400, "tools[0]: expected an object"),
    ("/v1/responses", {"model": "tiny", "input": "hi", "tools": [{"name": "f"}]}, 400, "tools[0].type"),
    ("/v1/messages", {"model": "tiny", "max_tokens": 1, "messages": [{"role": "judge", "content": ""}]}, 400, "role"),
])
def test_bad_requests_are_told_what_is_wrong(serve, path, body, status, words):
    s = serve()
    got = s.json("POST", path, body, status=status)
    error = got["error"]
    text = error if isinstance(error, str) else error["message"]
    assert words in text
    assert isinstance(error, str) == path.startswith("/api")
    assert s.json("GET", "/health") == {"status": "ok"}


def test_deep_and_huge_bodies(serve):
    s = serve("--server-max-body-mib", "1")
    assert s.ask("POST", "/api/chat", "[" * 100000)[0] == 400
    assert s.ask("POST", "/api/chat", '{"a":' * 100000)[0] == 400
    assert s.json("POST", "/api/chat", b"x" * (1 << 20 | 1), status=413)["error"]
    c = s.connect()
    c.request("POST", "/api/chat", iter([b"x" * 65536] * 20), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert c.getresponse().status == 413


def test_the_memory_of_large_bodies_is_given_back(serve):
    if b"__asan_init" in pathlib.Path(PROGRAM).read_bytes() or b"__tsan_init" in pathlib.Path(PROGRAM).read_bytes():
        pytest.skip("sanitizers have an allocator of their own")
    s = serve()
    resident_mib = lambda: int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{s.process.pid}/status").read()).group(1)) >> 10
    s.json("POST", "/api/chat", user(stream=False))
    before, large = resident_mib(), json.dumps(user(stream=False, junk=[f"word {i}" for i in range(400000)]))
    askers = [threading.Thread(target=s.json, args=("POST", "/api/chat", large)) for _ in range(4)]
    for t in askers:
        t.start()
    for t in askers:
        t.join()
    assert wait_for(lambda: resident_mib() < before + 20), (before, resident_mib())  # without that, 100 more


def test_compressed_bodies(serve):
    s = serve("--server-max-body-mib", "1")
    raw = json.dumps(user(stream=False)).encode()
    for kind, data in (("gzip", gzip.compress(raw)), ("deflate", zlib.compress(raw))):
        assert s.json("POST", "/api/chat", data, {"Content-Encoding": kind})["message"]["content"] == ANSWER
    bomb = gzip.compress(b" " * (64 << 20))
    assert "decompressed" in s.json("POST", "/api/chat", bomb, {"Content-Encoding": "gzip"}, status=413)["error"]
    assert "gzip" in s.json("POST", "/api/chat", gzip.compress(raw)[:-9], {"Content-Encoding": "gzip"}, status=400)["error"]
    assert "br" in s.json("POST", "/api/chat", raw, {"Content-Encoding": "br"}, status=400)["error"]


def test_paths_and_methods(serve):
    s = serve()
    assert isinstance(s.json("GET", "/api/nothing", status=404)["error"], str)
    assert "error" in s.json("GET", "/nothing", status=404) and s.json("GET", "/v1/nothing", status=404)["error"]["message"]
    status, data, headers = s.ask("GET", "/api/chat")
    assert status == 405 and headers["Allow"] == "POST"
    assert s.ask("DELETE", "/")[2]["Allow"] == "GET, HEAD"
    assert s.json("POST", "//v1//chat/completions/", user())["choices"] and s.json("POST", "/chat/completions", user())["choices"]
    assert s.json("POST", "/v1/v1/messages", user(max_tokens=1))["content"]


def test_pages_of_others_may_not_ask(serve):
    s = serve(env={"OLLAMA_ORIGINS": "https://*.friend.example"})
    asks = lambda origin: s.ask("GET", "/api/version", headers={"Origin": origin})
    for origin in ("http://localhost:3000", "https://127.0.0.1", "app://obsidian.md", "vscode-webview://x", "https://a.friend.example"):
        status, _, headers = asks(origin)
        assert status == 200 and headers["Access-Control-Allow-Origin"] == origin
    for origin in ("https://evil.example", "https://localhost.evil.example", "http://localhost:80.evil", "http://[::1].evil.example", "https://friend.example.evil", "null"):
        assert asks(origin)[0] == 403
    status, _, headers = s.ask("OPTIONS", "/v1/messages", headers={
        "Origin": "http://localhost", "Access-Control-Request-Headers": "x-api-key, anthropic-version"})
    assert status == 204 and headers["Access-Control-Allow-Headers"] == "x-api-key, anthropic-version"
    for host in ("evil.example", "[::1].evil.example", "localhost:evil.example"):
        assert s.ask("GET", "/", headers={"Host": host})[0] == 403
    assert s.ask("GET", "/", headers={"Host": f"localhost:{s.port}"})[0] == 200


def raw(s, data, wait=10):
    with socket.create_connection((s.host, s.port), wait) as c:
        c.sendall(data)
        out = b""
        while part := c.recv(65536):
            out += part
        return out


def test_two_lengths_are_one_too_many(serve):
    s = serve()
    got = raw(s, b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400") and got.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("headers", [
    b"Content-Length: 2\r\nContent-Length: 3", b"Content-Length : 2", b"Host: evil.example\r\nContent-Length: 2",
    b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"])
def test_what_two_servers_may_read_differently_is_refused(serve, headers):
    s = serve()
    got = raw(s, b"POST /api/show HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n{}GET / HTTP/1.1\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400") and got.count(b"HTTP/1.1") == 1


def test_rubbish_ends_the_connection_and_nothing_else(serve):
    s = serve("--server-idle-s", "2")
    for junk, answer in ((b"\x16\x03\x01\x02\x00\x01\x00", b""), (b"GET\r\n\r\n", b""), (b"GET / HTTP/9.9\r\n\r\n", b"HTTP/1.1 505"),
                         (b"POST /api/chat HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400"),
                         (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/1.1 404")):
        got = raw(s, junk, 30)
        assert got.startswith(answer) and (answer or not got), (junk, got)
    assert s.json("GET", "/health") == {"status": "ok"}


# ---- Leaving, stopping, many at once ----

def endless(s, path="/api/generate"):
    c = s.connect()
    body = {"model": "tiny", "prompt": "hi", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 60000, "options": {"num_ctx": 65536}}
    c.request("POST", path, json.dumps(body))
    return c


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def test_a_body_that_never_ends_holds_no_connection(serve):
    s = serve(env={"HYPERLAMA_SERVER_MAX_CONNECTIONS": "20"})
    for _ in range(60):
        c = socket.create_connection((s.host, s.port))
        c.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        c.shutdown(socket.SHUT_WR)
        c.close()
    assert wait_for(lambda: s.json("GET", "/health") == {"status": "ok"})
    left = lambda: len(os.listdir(f"/proc/{s.process.pid}/fd"))
    assert wait_for(lambda: left() < 25), left()  # with all of them it had 20 more


def test_headers_that_never_end_hold_no_connection(serve):
    s = serve("--server-header-s", "1", "--server-idle-s", "3600")
    slow = socket.create_connection((s.host, s.port), 30)
    after = s.connect()  # and behind a request: here idle_s counts, too
    after.request("GET", "/health")
    assert after.getresponse().read() == b'{"status":"ok"}'
    body = socket.create_connection((s.host, s.port), 30)
    text = json.dumps(user(stream=False)).encode()
    body.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text))
    slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    slow.settimeout(0.1)
    is_cut = False
    for i in range(600):  # a byte each time
        try:
            if i < len(text) - 1:
                body.sendall(text[i:i + 1])
            slow.sendall(b"X")
            is_cut = slow.recv(10) == b""
            break
        except TimeoutError:
            continue
        except ConnectionError:
            is_cut = True
            break
    assert is_cut
    body.sendall(text[i + 1:] if i < len(text) - 1 else text[-1:])  # what is a request goes on as slowly as it likes
    got = b""
    while part := body.recv(65536):
        got += part
    assert got.startswith(b"HTTP/1.1 200") and ANSWER.encode() in got
    after.request("GET", "/health")
    assert after.getresponse().read() == b'{"status":"ok"}'


def test_a_client_that_leaves_ends_its_answer(serve):
    s = serve(loop=True, n_ctx=65536)  # nothing ends by itself before the client is gone
    c = endless(s)
    assert c.getresponse().read(10)
    before = s.metric("cancelled_total")
    c.close()
    c.sock = None
    assert wait_for(lambda: s.metric("cancelled_total") > before)
    c = s.connect()
    c.request("POST", "/v1/chat/completions", json.dumps(user(max_tokens=60000)))
    time.sleep(0.2)
    c.sock.close()
    assert wait_for(lambda: s.metric("cancelled_total") > before + 1)
    assert s.json("POST", "/api/chat", user(stream=False, options={"num_predict": 1}))["message"]["content"] == "Hello"


def test_one_that_does_not_read_holds_up_nobody(serve):
    s = serve(loop=True)
    silent = socket.create_connection((s.host, s.port), 10)
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    body = json.dumps({"model": "tiny", "prompt": "hi", "options": {"num_predict": 4000}})
    silent.sendall(f"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    for _ in range(5):
        assert s.json("POST", "/api/chat", user(stream=False, options={"num_predict": 3}))["message"]["content"] == "Hello brave new"
    silent.close()


def test_many_at_once_and_half_of_them_leave(serve):
    s = serve()
    failures, done = [], []

    def ask(i):
        try:
            c = s.connect()
            path = ("/v1/chat/completions", "/v1/messages", "/api/chat")[i % 3]
            c.request("POST", path, json.dumps(user(stream=i % 2 == 0, max_tokens=20)))
            if i % 4 == 0:
                c.sock.close()
                return
            r = c.getresponse()
            text = r.read()
            if r.status == 200 and b"world" in text:
                done.append(i)
            else:
                failures.append((i, r.status, text))
        except Exception as e:  # noqa: BLE001
            failures.append((i, repr(e)))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(120)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert failures == [] and len(done) == 90
    assert s.json("GET", "/health") == {"status": "ok"}
    assert s.stop() == 143


def test_a_full_queue_says_when_to_come_again(serve):
    s = serve("--server-max-queue", "1", "--engine-n-parallel", "1", loop=True)
    got = []

    def ask():
        status, data, headers = s.ask("POST", "/api/chat", user(stream=False, options={"num_predict": 200}))
        got.append((status, headers.get("Retry-After")))

    threads = [threading.Thread(target=ask) for _ in range(60)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert {status for status, _ in got} <= {200, 503} and len(got) == 60
    assert all(after == "1" for status, after in got if status == 503)


def test_a_stop_lets_answers_end(serve):
    s = serve(loop=True)
    got = []
    t = threading.Thread(target=lambda: got.append(s.json("POST", "/api/chat", user(stream=False, options={"num_predict": 300}))))
    t.start()
    assert wait_for(lambda: s.metric("completions_total") > 0)
    assert s.stop() == 143
    t.join(30)
    assert got and got[0]["eval_count"] == 300


def test_a_stop_ends_what_takes_too_long(serve):
    s = serve("--server-drain-s", "0", loop=True, n_ctx=65536)
    c = endless(s)
    assert c.getresponse().read(10)
    start = time.monotonic()
    assert s.stop() == 143 and time.monotonic() - start < 25


@pytest.mark.parametrize("stream", (True, False))
def test_a_stop_does_not_wait_for_who_does_not_read(serve, stream):
    s = serve("--server-drain-s", "0", loop=True)
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    silent.connect((s.host, s.port))
    body = json.dumps({"model": "tiny", "prompt": "hi", "stream": stream, "logprobs": True, "top_logprobs": 20,
                       "options": {"num_predict": 3500}})
    silent.sendall(f"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    assert silent.recv(1)  # the answer has begun, and is more than the socket holds
    assert s.stop() == 143
    silent.close()


def test_the_address(serve, cli):
    s = serve()
    second = cli("serve", "--server-host", f"127.0.0.1:{s.port}")
    assert second.returncode == 10 and f"127.0.0.1:{s.port}" in second.stderr and "hyperlama" in second.stderr and "already" in second.stderr
    remote = cli("serve", "--server-host", "0.0.0.0:0")
    assert remote.returncode == 2 and "server.allow_remote" in remote.stderr
    assert cli("serve", "--server-host", "127.0.0.1:x").returncode == 2


def test_tokens_there_and_back(serve):
    s = serve()
    got = s.json("POST", "/v1/tokenize", {"model": "tiny", "content": "Hello brave <|im_end|>"})
    assert got["count"] == len(got["tokens"])
    back = s.json("POST", "/v1/detokenize", {"model": "tiny", "tokens": got["tokens"]})["content"]
    assert back.endswith("Hello brave <|im_end|>")
    assert "tokens[0]" in s.json("POST", "/v1/detokenize", {"model": "tiny", "tokens": [99999]}, status=400)["error"]


def test_every_request_is_one_line_in_the_log(serve):
    s = serve()
    _, _, headers = s.ask("POST", "/api/chat", user(stream=False))
    assert wait_for(lambda: any(headers["request-id"] in line for line in s.log))
    line = next(line for line in s.log if headers["request-id"] in line)
    for word in ("route=ollama_chat", "status=200", "model=tiny", "in_tokens=", "cached_tokens=", "out_tokens=4", "prefill_ms=", "decode_ms="):
        assert word in line


# ---- Commands that ask the server ----

def test_ps_and_stop(serve, cli):
    s = serve()
    at = {"HYPERLAMA_SERVER_HOST": f"{s.host}:{s.port}"}
    assert cli.ok("ps", env=at).split() == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    s.json("POST", "/api/chat", user(stream=False))
    assert wait_for(lambda: "minutes" in cli.ok("ps", env=at))  # given back on a worker
    row = cli.ok("ps", "TI", env=at).splitlines()[1].split()
    assert row[0] == "tiny:latest" and "CPU" in row and "4096" in row and row[-3:] == ["minutes", "from", "now"]
    assert len(cli.ok("ps", "other", env=at).splitlines()) == 1
    assert json.loads(cli.ok("ps", "--json", env=at))["models"][0]["name"] == "tiny:latest"
    assert "stopped 'tiny'" in cli("stop", "tiny", env=at).stderr and json.loads(cli.ok("ps", "--json", env=at)) == {"models": []}
    missing = cli("stop", "nothing", env=at)
    assert missing.returncode == 7 and "nothing" in missing.stderr


def test_no_server_is_said_with_what_to_do(cli):
    done = cli("ps", env={"HYPERLAMA_SERVER_HOST": "127.0.0.1:1"})
    assert done.returncode == 13 and "no server answers at http://127.0.0.1:1" in done.stderr and "hyperlama serve" in done.stderr


def test_cp(cli):
    cli.ok("import", cli.model(), "one")
    assert cli.ok("cp", "one", "two:b") == "copied 'one' to 'two:b'\n"
    assert cli.ok("run", "two:b", "hi") == "Hello brave new world.\n"
    assert cli("cp", "none", "x").returncode == 7


def test_ready_says_no_while_models_are_loaded_and_while_it_leaves(serve):
    s = serve(env={"HYPERLAMA_SERVER_LEAVE_S": "20"})
    assert s.json("GET", "/ready") == {"status": "ok"}
    s.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 20
    while s.ask("GET", "/ready")[0] == 200:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert "not ready: the server is stopping" in s.json("GET", "/ready", status=503)["error"]
    assert s.json("GET", "/health") == {"status": "ok"} and s.json("POST", "/api/generate", {"model": "tiny", "prompt": "x", "stream": False})["done"]
    s.process.send_signal(signal.SIGTERM)  # the second one waits no more
    assert s.process.wait(30) == 128 + signal.SIGTERM
