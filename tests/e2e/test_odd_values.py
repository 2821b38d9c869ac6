"""Values that clients send by mistake: refused in the words of each dialect, and never taken for something else."""
import gzip
import json

import pytest
import zlib

from test_serve import ANSWER, raw, serve, user  # noqa: F401 (a fixture)

DIALECTS = {"/api/chat": lambda stop: user(options={"stop": stop}, stream=False), "/v1/chat/completions": lambda stop: user(stop=stop),
            "/v1/completions": lambda stop: {"model": "tiny", "prompt": "x", "stop": stop}, "/v1/responses": lambda stop: {"model": "tiny", "input": "x", "stop": stop},
            "/v1/messages": lambda stop: user(max_tokens=9, stop_sequences=stop)}


def message_of(got):
    return got["error"] if isinstance(got["error"], str) else got["error"]["message"]


@pytest.mark.parametrize("path", DIALECTS)
def test_stop_is_a_text_or_texts_within_limits(serve, path):  # noqa: F811
    s, body = serve(), DIALECTS[path]
    for stop, words in ((3, "a text, or a list of texts"), (True, "a text"), ({"a": 1}, "a text"), ([1.5], "a text"), ([None], "a text"), (["a", ["b"]], "a text"),
                        ("", "0 bytes, expected 1..4096"), (["a", ""], "0 bytes"), (["x" * 4097], "4097 bytes"), ([f"s{i}" for i in range(65)], "more than 64")):
        got = s.json("POST", path, body(stop), status=400)
        assert words in message_of(got) and "stop" in message_of(got), (stop, got)
        assert isinstance(got["error"], str) == path.startswith("/api") and got.get("type") == ("error" if path == "/v1/messages" else None)
    for stop in ([], None, "zzz", ["zzz"] * 65, [f"s{i}" for i in range(64)]):
        s.json("POST", path, body(stop))
    if path == "/v1/messages":
        assert "stop_sequences" in message_of(s.json("POST", path, body([""]), status=400))


@pytest.mark.parametrize("bias, status", [(100, 200), (-100, 200), (0, 200), (1.5, 200), (100.5, 400), (-101, 400), (1e30, 400), ("5", 400), (None, 400), ([1], 400)])
def test_bias_has_a_range(serve, bias, status):  # noqa: F811
    got = serve().json("POST", "/v1/chat/completions", user(logit_bias={"1": bias}), status=status)
    assert status == 200 or "logit_bias" in got["error"]["message"] and "-100..100" in got["error"]["message"]


def test_roles_may_be_in_capitals(serve):  # noqa: F811
    s = serve()
    for path, more in (("/api/chat", {"stream": False}), ("/v1/chat/completions", {}), ("/v1/messages", {"max_tokens": 9})):
        assert ANSWER in json.dumps(s.json("POST", path, {"model": "tiny", "messages": [{"role": "USER", "content": "hi"}], **more}))


@pytest.mark.parametrize("more, words", [
    ({"system": 5}, "system"), ({"system": {"type": "text", "text": "x"}}, "system"), ({"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0]"), ({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": []}]}]}, "messages[0]"),
    ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "x", "input": {}}]}]}, "tool_use"), ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": 4}]}]}, "tool_result")])
def test_blocks_of_other_shapes_are_named(serve, more, words):  # noqa: F811
    got = serve().json("POST", "/v1/messages", {**user(max_tokens=3), **more}, status=400)
    assert got["error"]["type"] == "invalid_request_error" and words in got["error"]["message"]


def test_effort_of_messages_is_heard(serve):  # noqa: F811
    template = "{{ reasoning_effort }}|{% for m in messages %}{{ m.content }}{% endfor %}\n"
    s = serve(template=template)
    count = lambda **more: s.json("POST", "/v1/messages/count_tokens", user(**more))["input_tokens"]
    on = {"type": "enabled"}
    assert count(thinking=on, output_config={"effort": "medium"}) - count(thinking=on, output_config={"effort": "low"}) == len("medium") - len("low")
    assert count(output_config={"effort": "medium"}) == count()


def test_several_members_are_one_body(serve):  # noqa: F811
    s, text = serve("--server-max-body-mib", "1"), json.dumps(user(stream=False)).encode()
    for cut in (1, len(text) // 2, len(text) - 1):
        both = gzip.compress(text[:cut]) + gzip.compress(text[cut:])
        assert s.json("POST", "/api/chat", both, {"Content-Encoding": "gzip"})["message"]["content"] == ANSWER
    for kind, packed in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text))):
        for rest in (b"x", b"\0" * 9, b"more than that " * 99, gzip.compress(b" ")[:-1]):
            assert "body" in s.json("POST", "/api/chat", packed + rest, {"Content-Encoding": kind}, status=400)["error"], rest
    bomb = gzip.compress(b" " * (1 << 20)) * 2
    assert "decompressed" in s.json("POST", "/api/chat", bomb, {"Content-Encoding": "gzip"}, status=413)["error"]


@pytest.mark.parametrize("name, values", [("Origin", ("http://localhost", "http://evil.example")), ("Authorization", ("Bearer a", "Bearer b")), ("x-api-key", ("a", "b")),
                                          ("Content-Type", ("application/json", "text/plain")), ("x-request-priority", ("1", "2")), ("Content-Encoding", ("gzip", "identity"))])
def test_headers_of_two_minds_are_refused(serve, name, values):  # noqa: F811
    s = serve()
    for order in (values, (values[0].upper(), values[1]), values[::-1]):
        got = raw(s, f"GET /api/version HTTP/1.1\r\nHost: localhost\r\n{name}: {order[0]}\r\n{name}: {order[1]}\r\nConnection: close\r\n\r\n".encode())
        assert got.split(b" ")[1] in ((b"400", b"403") if name == "Origin" else (b"400",)), got
    same = raw(s, f"GET /api/version HTTP/1.1\r\nHost: localhost\r\n{name}: {values[0]}\r\n{name}: {values[0]}\r\nConnection: close\r\n\r\n".encode())
    assert same.split(b" ")[1] == b"200", same
