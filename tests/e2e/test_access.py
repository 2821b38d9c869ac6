"""serve for more than one person: keys and what they may do, the access log."""
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import termios
import threading
import time
import urllib.parse

import pytest

from test_serve import ANSWER, Server, serve, user  # noqa: F401 (a fixture)


def wait_until(look, *args):
    """Until it is true; how long that takes is nobody's business here."""
    while not look(*args):
        time.sleep(0.02)


def make_key(cli, name, *args):
    key = cli.ok("keys", "add", name, *args).strip()
    assert re.fullmatch(r"hl-[0-9a-f]{64}", key)
    return key


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


# ---- The command ----

def test_a_key_is_shown_once_and_kept_as_its_sum(cli):
    done = cli("keys", "add", "alice", "--scope", "manage", "--priority", "-5")
    key = done.stdout.strip()
    assert re.fullmatch(r"hl-[0-9a-f]{64}", key) and "alice" in done.stderr and key not in done.stderr
    second = json.loads(cli.ok("keys", "add", "bob", "--json"))
    assert second["key"] != key and (second["name"], second["scope"], second["priority"]) == ("bob", "use", 0)
    keys = json.loads(cli.ok("keys", "list", "--json"))["keys"]
    assert [(k["name"], k["scope"], k["priority"]) for k in keys] == [("alice", "manage", -5), ("bob", "use", 0)]
    assert "alice" in cli.ok("keys", "list")
    for path in cli.home.rglob("*"):
        assert not path.is_file() or (key.encode() not in path.read_bytes() and key[3:].encode() not in path.read_bytes())
    assert cli("keys", "add", "alice").returncode == 8
    assert "revoked the key 'alice'" in cli("keys", "revoke", "alice").stderr
    gone = cli("keys", "revoke", "alice")
    assert gone.returncode == 7 and "alice" in gone.stderr
    last = cli("keys", "revoke", "bob")
    assert last.returncode == 0 and "last key" in last.stderr


@pytest.mark.parametrize("args", [("add",), ("add", "a b"), ("add", ""), ("add", "x" * 65), ("list", "x"), ("drop", "x"),
                                  ("add", "x", "--scope", "root"), ("add", "x", "--priority", "101")])
def test_what_is_no_key_is_an_error(cli, args):
    assert cli("keys", *args).returncode == 2
    assert json.loads(cli.ok("keys", "list", "--json")) == {"keys": []}


# ---- Who may ask ----

def test_with_a_key_in_the_database_nobody_is_answered_without_one(serve, cli):
    s = serve()
    assert s.json("GET", "/api/tags")["models"]
    key = make_key(cli, "alice")
    wait_until(lambda: s.ask("GET", "/api/tags")[0] == 401)  # noticed while it runs
    assert s.json("GET", "/api/tags", headers=bearer(key))["models"]
    assert s.json("GET", "/api/tags", headers={"x-api-key": key})["models"]
    assert s.json("GET", "/api/tags", headers={"Authorization": f"bearer   {key}"})["models"]
    assert s.json("GET", "/api/tags", headers=dict(bearer("hl-no"), **{"x-api-key": key}))["models"]
    for wrong in (bearer(key[:-1]), bearer(key + "0"), bearer(""), {"Authorization": f"Basic {key}"}, {"x-api-key": key.upper()},
                  {"Authorization": key}):
        assert s.ask("GET", "/api/tags", headers=wrong)[0] == 401, wrong
    for path in ("/", "/health", "/ready"):
        assert s.ask("GET", path)[0] == 200
    assert s.ask("OPTIONS", "/api/chat")[0] == 204
    assert s.ask("GET", "/metrics")[0] == s.ask("GET", "/api/version")[0] == s.ask("POST", "/api/chat", user())[0] == 401
    answer = s.json("POST", "/api/chat", user(stream=False), headers=bearer(key))
    assert answer["message"]["content"] == ANSWER
    second = make_key(cli, "bob")  # counts at once
    assert s.ask("GET", "/api/tags", headers=bearer(second))[0] == 200
    cli.ok("keys", "revoke", "alice")
    wait_until(lambda: s.ask("GET", "/api/tags", headers=bearer(key))[0] == 401)
    assert s.ask("GET", "/api/tags", headers=bearer(second))[0] == 200


def test_a_missing_key_is_said_in_the_words_of_each_dialect(serve, cli):
    make_key(cli, "alice")
    s = serve()
    status, data, headers = s.ask("POST", "/api/chat", user())
    assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer") and list(json.loads(data)) == ["error"]
    openai = s.json("POST", "/v1/chat/completions", user(), status=401)["error"]
    assert openai["type"] == "invalid_request_error" and openai["code"] == "invalid_api_key"
    assert "x-api-key" in openai["message"]
    anthropic = s.json("POST", "/v1/messages", user(max_tokens=5), headers={"x-api-key": "hl-wrong"}, status=401)
    assert anthropic["type"] == "error" and anthropic["error"]["type"] == "authentication_error"
    assert "hl-wrong" not in json.dumps(anthropic)


def peak_kib(s):
    with open(f"/proc/{s.process.pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1))


def test_who_is_refused_while_still_sending_learns_why(serve, cli):
    make_key(cli, "alice")
    s = serve()
    assert s.ask("GET", "/health")[0] == 200
    before, body = peak_kib(s), "x" * (20 << 20)
    assert s.ask("POST", "/api/chat", body)[0] == 401
    assert s.ask("POST", "/api/chat", body, {"Origin": "https://evil.example"})[0] == 403
    assert s.ask("POST", "/api/nothing", body)[0] == 404
    c = s.connect()
    c.request("POST", "/api/chat", iter([b"x" * (1 << 20)] * 20), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert c.getresponse().status == 401
    with socket.create_connection((s.host, s.port)) as c:  # one that asks first is not made to send
        c.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n")
        assert c.recv(1000).startswith(b"HTTP/1.1 401 ")
    assert peak_kib(s) - before < 10 << 10  # and nothing of it was kept


def test_a_key_may_do_what_its_scope_says(serve, cli):
    keys = {scope: make_key(cli, scope, "--scope", scope) for scope in ("use", "manage", "admin")}
    s = serve()
    copy = {"source": "tiny", "destination": "other"}
    refused, data, headers = s.ask("POST", "/api/copy", copy, headers=bearer(keys["use"]))
    assert refused == 403 and "manage" in json.loads(data)["error"] and "WWW-Authenticate" not in headers
    for path in ("/api/create", "/api/pull", "/api/push"):
        assert s.ask("POST", path, {"model": "x"}, headers=bearer(keys["use"]))[0] == 403
        assert s.ask("POST", path, {"model": "x"}, headers=bearer(keys["manage"]))[0] != 403
    assert s.ask("DELETE", "/api/delete", {"model": "tiny"}, headers=bearer(keys["use"]))[0] == 403
    assert s.ask("POST", "/api/copy", copy, headers=bearer(keys["manage"]))[0] == 200
    assert s.ask("DELETE", "/api/delete", {"model": "other"}, headers=bearer(keys["admin"]))[0] == 200
    assert [m["name"] for m in s.json("GET", "/api/tags", headers=bearer(keys["use"]))["models"]] == ["tiny:latest"]


def test_kept_answers_belong_to_the_key_that_asked(serve, cli):
    s = serve()
    alice, bob = (bearer(make_key(cli, name)) for name in ("alice", "bob"))
    ask = lambda headers, **more: s.ask("POST", "/v1/responses", dict({"model": "tiny", "input": "my secret is 42"}, **more), headers)
    kept = json.loads(ask(alice)[1])["id"]
    for method, path in (("GET", f"/v1/responses/{kept}"), ("GET", f"/v1/responses/{kept}/input_items"), ("DELETE", f"/v1/responses/{kept}")):
        assert s.ask(method, path, headers=bob)[0] == 404
    assert ask(bob, previous_response_id=kept)[0] == 400
    item = json.loads(s.ask("GET", f"/v1/responses/{kept}/input_items", headers=alice)[1])["data"][0]["id"]
    status, data, _ = ask(bob, input=[{"type": "item_reference", "id": item}])
    assert status == 404 and b"secret" not in data
    assert ask(alice, previous_response_id=kept)[0] == 200
    cli.ok("keys", "revoke", "alice")
    again = bearer(make_key(cli, "alice"))  # another one of that name
    assert s.ask("GET", f"/v1/responses/{kept}", headers=again)[0] == 404 and ask(again, previous_response_id=kept)[0] == 400
    mine = json.loads(ask(again)[1])["id"]
    assert s.ask("DELETE", f"/v1/responses/{mine}", headers=again)[0] == 200


def test_running_requests_are_for_admins(serve, cli):
    s = serve()
    use, admin = bearer(make_key(cli, "u")), bearer(make_key(cli, "a", "--scope", "admin"))
    assert s.ask("GET", "/api/requests", headers=use)[0] == s.ask("DELETE", "/api/requests/req_1", headers=use)[0] == 403
    assert s.ask("GET", "/api/requests", headers=admin)[0] == 200


def test_the_first_key_counts_at_once(serve, cli):
    s = serve()
    for _ in range(5):
        assert s.ask("GET", "/api/tags")[0] == 200
        make_key(cli, "first")
        assert s.ask("GET", "/api/tags")[0] == 401
        cli.ok("keys", "revoke", "first")
        wait_until(lambda: s.ask("GET", "/api/tags")[0] == 200)


def test_a_lost_database_opens_nothing(serve, cli):
    s = serve()
    key = make_key(cli, "k")
    assert s.ask("GET", "/api/tags")[0] == 401
    (cli.home / "hyperlama.db").write_bytes(os.urandom(4000))
    for tail in ("-wal", "-shm"):
        (cli.home / ("hyperlama.db" + tail)).unlink(missing_ok=True)
    assert "k" not in cli.ok("keys", "list").split()
    wait_until(lambda: s.ask("GET", "/api/tags", headers=bearer(key))[0] == 401)
    assert s.ask("GET", "/api/tags")[0] == 401
    with Server(cli) as fresh:
        assert fresh.ask("GET", "/api/tags")[0] == 401
        new = make_key(cli, "new")
        assert fresh.ask("GET", "/api/tags", headers=bearer(new))[0] == 200
        cli.ok("keys", "revoke", "new")
        wait_until(lambda: fresh.ask("GET", "/api/tags")[0] == 200)


def test_settings_may_be_written_with_their_section(cli):
    cli.settings("server.require_keys = yes\n")
    with Server(cli) as s:
        assert s.ask("GET", "/api/tags")[0] == 401


def test_https_without_a_certificate_is_refused(cli):
    done = cli("serve", env={"HYPERLAMA_SERVER_HOST": "https://127.0.0.1:0"})
    assert done.returncode == 2 and "server.tls_cert" in done.stderr and "listening" not in done.stdout


def test_commands_show_a_key_from_the_environment(serve, cli):
    key = make_key(cli, "alice")
    s = serve()
    at = {"HYPERLAMA_SERVER_HOST": f"{s.host}:{s.port}"}
    without = cli("ps", env=at)
    assert without.returncode == 14 and "HYPERLAMA_API_KEY" in without.stderr
    for name in ("HYPERLAMA_API_KEY", "OLLAMA_API_KEY"):
        done = cli("ps", env=dict(at, **{name: key}))
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_keys_can_be_required_before_there_is_one(serve, cli):
    s = serve(env={"HYPERLAMA_SERVER_REQUIRE_KEYS": "yes"})
    assert s.ask("GET", "/api/tags")[0] == 401
    assert s.ask("GET", "/api/tags", headers=bearer(make_key(cli, "alice")))[0] == 200


def test_an_address_for_all_machines_needs_keys(cli):
    everywhere = ("--server-host", "0.0.0.0:0")
    refused = cli("serve", *everywhere)
    assert refused.returncode == 2 and "keys add" in refused.stderr and "server.allow_remote" in refused.stderr
    key = make_key(cli, "alice")
    with Server(cli, args=everywhere) as s:
        assert s.ask("GET", "/api/version")[0] == 401
        assert s.ask("GET", "/api/version", headers=bearer(key))[0] == 200
        cli.ok("keys", "revoke", "alice")
        wait_until(lambda: s.ask("GET", "/api/version", headers=bearer(key))[0] == 401)
        assert s.ask("GET", "/api/version")[0] == 401  # without any key it does not open up
    with Server(cli, args=(*everywhere, "--server-allow-remote", "yes")) as s:
        assert s.ask("GET", "/api/version")[0] == 200


def test_keys_that_cannot_be_read_let_nobody_in(cli):
    make_key(cli, "alice")
    with sqlite3.connect(cli.home / "hyperlama.db") as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute(f"PRAGMA user_version = {version + 1}")
    refused = cli("serve", env={"HYPERLAMA_SERVER_HOST": "127.0.0.1:0"})
    assert refused.returncode == 6 and "newer" in refused.stderr


def test_a_home_that_cannot_be_written_has_no_keys(cli):
    (cli.folder / "file").write_text("no folder")
    with Server(cli, {"HYPERLAMA_HOME": str(cli.folder / "file" / "home"), "HYPERLAMA_STORE_MODELS_DIR": str(cli.folder)}) as s:
        assert s.ask("GET", "/api/version")[0] == 200


# ---- Browsers ----

def test_a_page_of_the_public_network_may_ask_when_it_is_allowed(serve, cli):
    make_key(cli, "alice")  # which no preflight can show
    s = serve("--server-origins", "https://a.example")

    def preflight(origin, wants="true"):
        more = {"Access-Control-Request-Private-Network": wants} if wants else {}
        status, _, headers = s.ask("OPTIONS", "/api/chat", headers={"Origin": origin, "Access-Control-Request-Method": "POST", **more})
        return status, headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Private-Network"]

    assert preflight("https://a.example") == (204, "https://a.example", "true")
    assert preflight("https://a.example", None) == (204, "https://a.example", None)
    assert preflight("https://b.example") == (403, None, None)
    refused = s.ask("GET", "/api/tags", headers={"Origin": "https://a.example"})  # a page can read why
    assert refused[0] == 401 and refused[2]["Access-Control-Allow-Origin"] == "https://a.example"


@pytest.mark.parametrize("request_bytes,status", [
    (b"GET /" + b"x" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40000 + b"\r\n\r\n", 431),
    (b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400)])
def test_what_the_library_refuses_before_us_has_its_own_page(serve, request_bytes, status):
    """docs/serve.md says so: no JSON, no request-id, and the connection is closed."""
    s = serve()
    with socket.create_connection((s.host, s.port)) as c:
        try:
            c.sendall(request_bytes)
            head, _, page = c.makefile("rb").read().partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status) and b"<html" in page and b"request-id" not in head
        except ConnectionError:  # closed before all of it was read: then the page may be lost
            assert status != 400
    assert s.json("GET", "/health") == {"status": "ok"}


# ---- Shares ----

def begin_endless(s, key):
    """An answer that goes on until its socket is closed: nobody reads it, and it is more than the socket holds."""
    c = socket.socket()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.connect((s.host, s.port))
    body = json.dumps({"model": "tiny", "prompt": "hi", "options": {"num_predict": -1, "num_ctx": 65536}})
    c.sendall(f"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
              f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    assert c.recv(1)
    return c


def test_one_key_cannot_fill_the_queue(serve, cli):
    alice, bob = make_key(cli, "alice"), make_key(cli, "bob")
    s = serve(env={"HYPERLAMA_SERVER_MAX_QUEUE_PER_KEY": "1"}, loop=True, n_ctx=65536)
    c = begin_endless(s, alice)
    short = user(stream=False, max_tokens=4, options={"num_predict": 4})
    for path, shape in (("/api/chat", {"error"}), ("/v1/chat/completions", {"error"}), ("/v1/messages", {"type", "error", "request_id"})):
        status, data, headers = s.ask("POST", path, short, bearer(alice))
        assert status == 503 and headers["Retry-After"] and "alice" in data.decode() and set(json.loads(data)) == shape
    assert s.ask("POST", "/api/chat", short, bearer(bob))[0] == 200
    assert s.ask("GET", "/health")[0] == 200
    c.close()
    wait_until(lambda: s.ask("POST", "/api/chat", short, bearer(alice))[0] == 200)


def begin_plug(s, key):
    """One with a long prompt: while that is read nobody else's turn comes. (Who writes is set aside when nobody reads.)"""
    c = s.connect()
    body = {"model": "tiny", "prompt": "x" * 60000, "raw": True}
    c.request("POST", "/api/generate", json.dumps(body), bearer(key))
    wait_until(lambda: s.metric("completions_total") >= 1)
    return c.sock


def finish_in_turn(s, first, later):
    """The paths in the order in which they were answered, when all waited behind `first`, one at a time."""
    threads = []
    for i, (path, headers) in enumerate(later):
        body = user("abc"[i] * 20000, stream=False, max_tokens=1, options={"num_predict": 1})
        threads.append(threading.Thread(target=s.ask, args=("POST", path, body, headers)))
        threads[-1].start()
        wait_until(lambda n: s.metric("completions_total") >= n, i + 2)
    first.shutdown(socket.SHUT_RDWR)
    for t in threads:
        t.join()
    s.stop()
    s.reader.join()
    return [m.group(1) for m in (re.search(r" status=200 .* path=(\S+)", one) for one in s.log) if m and m.group(1).startswith(("/v1", "/api/chat"))]


ONE_AT_A_TIME = {"HYPERLAMA_ENGINE_N_PARALLEL": "1", "HYPERLAMA_ENGINE_N_CTX": "65536"}


class Admin(Server):
    """Asks /metrics with a key."""

    key = None

    def ask(self, method, path, body=None, headers=None):
        return super().ask(method, path, body, headers or bearer(self.key))


def test_keys_get_equal_shares(cli):
    cli.ok("import", cli.model(loop=True, n_ctx=65536), "tiny")
    alice, bob = make_key(cli, "alice"), make_key(cli, "bob")
    with Admin(cli, ONE_AT_A_TIME) as s:
        s.key = alice
        first = begin_plug(s, alice)
        order = finish_in_turn(s, first, [("/api/chat", bearer(alice)), ("/v1/chat/completions", bearer(alice)),
                                          ("/v1/messages", bearer(bob))])
    assert order.index("/v1/messages") < order.index("/v1/chat/completions")


def test_a_request_that_steps_back_comes_later(cli):
    cli.ok("import", cli.model(loop=True, n_ctx=65536), "tiny")
    alice = make_key(cli, "alice")
    low = make_key(cli, "batch", "--priority", "-50")
    with Admin(cli, ONE_AT_A_TIME) as s:
        s.key = alice
        first = begin_plug(s, alice)
        back = dict(bearer(alice), **{"x-request-priority": "-10"})
        front = dict(bearer(low), **{"x-request-priority": "100"})  # more than the key has
        order = finish_in_turn(s, first, [("/v1/messages", front), ("/v1/chat/completions", back), ("/api/chat", bearer(alice))])
    assert order == ["/api/chat", "/v1/chat/completions", "/v1/messages"]


def test_a_request_may_step_back_and_not_in_front(serve, cli):
    key = make_key(cli, "alice", "--priority", "5")
    s = serve()
    for text, status in (("5", 200), ("100", 200), ("-100", 200), ("101", 400), ("x", 400), ("", 400), ("1 ", 400)):
        got = s.ask("POST", "/api/chat", user(stream=False), headers=dict(bearer(key), **{"x-request-priority": text}))
        assert got[0] == status, (text, got)


# ---- The log ----

def access_lines(s):
    s.stop()
    s.reader.join()
    return [one.rstrip("\n") for one in s.log if " server request " in one or "event=request" in one or "request id=" in one]


def test_the_access_log_names_the_key_and_never_shows_it(serve, cli):
    key = make_key(cli, "alice")
    s = serve()
    s.json("POST", "/api/chat", user(stream=False), headers=bearer(key))
    s.ask("GET", "/api/tags?x=1", headers={"x-api-key": "hl-secret-of-another"})
    lines = access_lines(s)
    text = "".join(s.log)
    assert key not in text and key[3:] not in text and "hl-secret" not in text
    chat, tags = lines
    for word in (" key=alice ", " method=POST ", " route=ollama_chat ", " status=200 ", " end=stop ", " model=tiny ", " path=/api/chat",
                 " out_tokens=4 ", " in_tokens=", " cached_tokens=", " queue_ms=", " prefill_ms=", " decode_ms="):
        assert word in chat + " ", (word, chat)
    for word in (" key=- ", " method=GET ", " status=401 ", " end=error ", " path=/api/tags"):
        assert word in tags + " ", (word, tags)


def test_words_of_a_request_make_no_words_of_the_log(serve):
    s = serve()
    s.ask("POST", "/api/chat", user() | {"model": 'x" status=200 end="stop\x1b[31m\n'})
    s.ask("GET", "/a%20status=200%0a%1b]52%22x")
    s.ask("GET", "/" + "y" * 5000)
    c = s.connect()
    c.request("BREW", "/api/chat")
    assert c.getresponse().status == 405
    lines = access_lines(s)
    assert len(lines) == 4
    for one in lines:
        assert len(re.findall(r"(?<!\\)\bstatus=", re.sub(r'"(?:[^"\\]|\\.)*"', "", one))) == 1, one
        assert all(c.isprintable() for c in one)
    assert " status=400 " in lines[0] and " status=404 " in lines[1] and " path_bytes=5001" in lines[2] and " method=? " in lines[3]


@pytest.mark.parametrize("body,end", [({"options": {"num_predict": 2}}, "length"), ({}, "stop"), ({"options": {"num_ctx": "x"}}, "error")])
def test_the_log_says_how_it_ended(serve, body, end):
    s = serve()
    s.ask("POST", "/api/chat", user(stream=True, **body))
    line, = access_lines(s)
    assert f" end={end} " in line


def test_the_log_says_who_left(serve):
    s = serve(loop=True, n_ctx=65536)
    begin_endless(s, "-").close()
    wait_until(lambda: s.metric("cancelled_total") == 1)
    assert any(" end=gone " in one and " route=ollama_generate " in one for one in access_lines(s))


# ---- Where it listens ----

class Host(Server):
    """serve with another server.host; asks by `way`: a URL as serve says it."""

    def __init__(self, cli, host, env=None, args=(), before=(), **kw):
        env = dict(cli.env, **(env or {}), **({"HYPERLAMA_SERVER_HOST": host} if host else {}))
        self.process = subprocess.Popen([*before, cli.program, "serve", "--log-level", "info", *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=cli.folder, env=env, **kw)
        self.line = self.process.stdout.readline()
        found = re.search(r"listening on (.+)$", self.line)
        assert found, (self.line, self.process.communicate())
        self.ways = found.group(1).split(" and ")
        self.way = self.ways[0]
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def connect(self):
        if self.way.startswith("unix:"):
            c = http.client.HTTPConnection("localhost", timeout=60)
            c.sock = socket.socket(socket.AF_UNIX)
            c.sock.connect(self.way[5:])
            return c
        url = urllib.parse.urlsplit(self.way)
        if url.scheme == "https":
            return http.client.HTTPSConnection(url.hostname, url.port, timeout=60, context=self.context)
        return http.client.HTTPConnection(url.hostname, url.port, timeout=60)


def has_ip6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_localhost_is_both_loopbacks_on_one_port(cli):
    with Host(cli, "localhost:0") as s:
        ports = {urllib.parse.urlsplit(way).port for way in s.ways}
        hosts = [urllib.parse.urlsplit(way).hostname for way in s.ways]
        assert len(ports) == 1 and hosts == (["127.0.0.1", "::1"] if has_ip6() else ["127.0.0.1"])
        for s.way in s.ways:
            assert s.json("GET", "/health") == {"status": "ok"}
            assert s.ask("GET", "/", headers={"Host": "evil.example"})[0] == 403
        again = cli("serve", env={"HYPERLAMA_SERVER_HOST": f"localhost:{ports.pop()}"})
        assert again.returncode == 10 and "hyperlama" in again.stderr


def test_a_unix_socket(cli):
    cli.ok("import", cli.model(), "tiny")
    path = cli.folder / "s.sock"
    with Host(cli, f"unix:{path}") as s:
        assert s.ways == [f"unix:{path}"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert s.json("POST", "/api/chat", user(stream=False), headers={"Host": "anything"})["message"]["content"] == ANSWER
        assert len(s.lines("/api/chat", user())) == 5
        assert s.ask("GET", "/", headers={"Origin": "https://evil.example"})[0] == 403
        assert "tiny" in cli.ok("ps", env={"HYPERLAMA_SERVER_HOST": f"unix://{path}"})
        second = cli("serve", env={"HYPERLAMA_SERVER_HOST": f"unix:{path}"})
        assert second.returncode == 10 and "hyperlama" in second.stderr and path.exists()
        key = make_key(cli, "alice")
        wait_until(lambda: s.ask("GET", "/api/tags")[0] == 401)
        assert s.ask("GET", "/api/tags", headers=bearer(key))[0] == 200
        s.stop()
        assert not path.exists()


def test_a_client_that_leaves_a_unix_socket_ends_its_answer(cli):
    cli.ok("import", cli.model(loop=True, n_ctx=65536), "tiny")
    with Host(cli, f"unix:{cli.folder}/s.sock") as s:
        c = s.connect()
        c.request("POST", "/api/generate", json.dumps({"model": "tiny", "prompt": "hi", "stream": False,
                                                       "options": {"num_predict": -1, "num_ctx": 65536}}))
        wait_until(lambda: s.metric("completions_total") == 1)
        c.close()
        wait_until(lambda: s.metric("cancelled_total") == 1)


def test_what_a_killed_server_left_is_no_hindrance(cli):
    path = cli.folder / "s.sock"
    with Host(cli, f"unix:{path}") as s:
        s.process.kill()
        s.process.wait()
    assert path.exists()
    with Host(cli, f"unix:{path}") as s:
        assert s.json("GET", "/health") == {"status": "ok"}


@pytest.mark.parametrize("host", ["unix:relative", "unix:", "unix:/" + "x" * 200])
def test_a_path_that_is_none(cli, host):
    done = cli("serve", env={"HYPERLAMA_SERVER_HOST": host})
    assert done.returncode == 2 and "absolute path" in done.stderr


def test_a_file_is_not_replaced_by_a_socket(cli):
    (cli.folder / "s.sock").write_text("precious")
    assert cli("serve", env={"HYPERLAMA_SERVER_HOST": f"unix:{cli.folder}/s.sock"}).returncode == 10
    assert (cli.folder / "s.sock").read_text() == "precious"


@pytest.mark.parametrize("answer,words", [
    (b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"version":"0.12.3"}', "Ollama 0.12.3 answers there already"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "another program has this address"),
    (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "a server that asks for a key answers there already"),
    (b"SSH-2.0-x\r\n", "another program has this address")])
def test_who_has_the_address_is_said(cli, answer, words):
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve_one():
            c, _ = listener.accept()
            asked.append(c.recv(1000))
            c.sendall(answer)
            c.close()
        threading.Thread(target=serve_one, daemon=True).start()
        done = cli("serve", env={"HYPERLAMA_SERVER_HOST": f"127.0.0.1:{listener.getsockname()[1]}"})
    assert done.returncode == 10 and words in done.stderr, done.stderr
    assert asked[0].startswith(b"GET /api/version HTTP/1.1\r\n")


# ---- Service managers ----

def activate():
    return shutil.which("systemd-socket-activate") or pytest.skip("no systemd-socket-activate here")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def test_sockets_that_were_opened_for_it(cli):
    port, path = free_port(), cli.folder / "a.sock"
    manager = subprocess.Popen([activate(), "-l", f"127.0.0.1:{port}", "-l", str(path),
                                *[f"--setenv={k}={v}" for k, v in cli.env.items()], cli.program, "serve"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cli.folder)
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)  # which starts it
        line = manager.stdout.readline()
        assert line.rstrip("\n").endswith(f"listening on http://127.0.0.1:{port} and unix:{path}"), (line, manager.communicate())
        for family, place in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, str(path))):
            with socket.socket(family) as c:
                c.connect(place)
                c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert b'"ok"' in c.makefile("rb").read()
        manager.send_signal(signal.SIGTERM)
        manager.wait(30)
        assert path.exists()  # the manager's, not ours
    finally:
        manager.kill()
        manager.communicate()


def test_sockets_for_another_process_are_left_alone(cli):
    with Host(cli, "127.0.0.1:0", {"LISTEN_PID": "1", "LISTEN_FDS": "1"}) as s:
        assert s.json("GET", "/health") == {"status": "ok"}


def test_a_descriptor_that_is_no_socket_is_refused(cli):
    done = subprocess.run(["sh", "-c", 'exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" serve', cli.program],
                          env=cli.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "descriptor 3" in done.stderr


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_manager_is_told_when_it_is_ready_and_when_it_stops(cli, is_abstract):
    name = f"@hyperlama-test-{cli.folder.name}-{time.monotonic_ns()}" if is_abstract else str(cli.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if is_abstract else name)
        with Host(cli, "127.0.0.1:0", {"NOTIFY_SOCKET": name}) as s:
            assert manager.recv(100) == b"READY=1"
            assert s.json("GET", "/health") == {"status": "ok"}
            s.stop()
            assert manager.recv(100) == b"STOPPING=1"


# ---- TLS ----

def openssl(folder, *args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=folder)


class Authority:
    """A certificate authority of our own, and a server's certificate by it."""

    def __init__(self, folder):
        self.folder = folder
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", "/CN=our authority",
                "-keyout", "ca.key", "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign")
        self.serial = 0

    def sign(self, name="srv"):
        """(Re)write name.pem and name.key; the certificate's serial number."""
        self.serial += 1
        (self.folder / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nkeyUsage=digitalSignature\n")
        openssl(self.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout", f"{name}.key", "-out", "csr")
        openssl(self.folder, "x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", 1, "-set_serial", self.serial,
                "-extfile", "ext", "-out", f"{name}.pem")
        return self.serial

    def context(self):
        return ssl.create_default_context(cafile=self.folder / "ca.pem")


@pytest.fixture
def authority(cli):
    return Authority(cli.folder)


def tls_env(cli, name="srv"):
    return {"HYPERLAMA_SERVER_TLS_CERT": str(cli.folder / f"{name}.pem"), "HYPERLAMA_SERVER_TLS_KEY": str(cli.folder / f"{name}.key")}


class Secure(Host):
    def __init__(self, cli, authority, env=None, args=(), host="127.0.0.1:0"):
        self.context = authority.context()
        super().__init__(cli, host, env if env is not None else tls_env(cli), args)

    def serial(self):
        c = self.connect()
        c.connect()
        serial = int(c.sock.getpeercert()["serialNumber"], 16)
        c.close()
        return serial

    def reload(self):
        """SIGHUP, and what the log says then."""
        n = len(self.log)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any(" server reload" in one for one in self.log[n:]))
        return "".join(self.log[n:])


def test_https(cli, authority):
    authority.sign()
    cli.ok("import", cli.model(), "tiny")
    with Secure(cli, authority) as s:
        assert s.way.startswith("https://127.0.0.1:")
        assert s.json("POST", "/api/chat", user(stream=False))["message"]["content"] == ANSWER
        assert "".join(line["message"]["content"] for line in s.lines("/api/chat", user())) == ANSWER
        assert s.events("/v1/chat/completions", user(stream=True))[-1][1] == "[DONE]"
        big = user(stream=False, junk="x" * 300000)
        assert s.ask("POST", "/api/chat", big)[0] == 200 and s.json("GET", "/api/tags")["models"]
        with pytest.raises((http.client.HTTPException, OSError)):  # not in the clear
            c = http.client.HTTPConnection("127.0.0.1", urllib.parse.urlsplit(s.way).port, timeout=60)
            c.request("GET", "/health")
            c.getresponse()
        at = {"HYPERLAMA_SERVER_HOST": s.way}
        assert "tiny" in cli.ok("ps", env=dict(at, SSL_CERT_FILE=str(cli.folder / "ca.pem")))
        stranger = cli("ps", env=at)
        assert stranger.returncode == 14 and "certificate is not trusted" in stranger.stderr and "SSL_CERT_FILE" in stranger.stderr
        assert "no server answers" not in stranger.stderr
        second = cli("serve", env=dict(tls_env(cli), HYPERLAMA_SERVER_HOST=s.way.removeprefix("https://")))
        assert second.returncode == 10 and re.search(r"hyperlama [\d.]+ answers there already", second.stderr), second.stderr
        stranger = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            http.client.HTTPSConnection("127.0.0.1", urllib.parse.urlsplit(s.way).port, timeout=60, context=stranger).request("GET", "/")
        assert s.json("GET", "/health") == {"status": "ok"}


def test_a_client_that_leaves_ends_its_answer_under_tls_too(cli, authority):
    authority.sign()
    cli.ok("import", cli.model(loop=True, n_ctx=65536), "tiny")
    with Secure(cli, authority) as s:
        for stream in (True, False):
            before = s.metric("cancelled_total"), s.metric("completions_total")
            c = s.connect()
            c.request("POST", "/api/generate", json.dumps({"model": "tiny", "prompt": "hi", "stream": stream,
                                                           "options": {"num_predict": -1, "num_ctx": 65536}}))
            wait_until(lambda: s.metric("completions_total") > before[1])
            if stream:
                assert c.getresponse().read(10)
            c.sock.shutdown(socket.SHUT_RDWR)
            c.close()
            wait_until(lambda: s.metric("cancelled_total") > before[0])


def test_many_at_once_under_tls(cli, authority):
    authority.sign()
    cli.ok("import", cli.model(), "tiny")
    with Secure(cli, authority) as s:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(s.json("POST", "/api/chat", user(stream=False))["message"]["content"]))
                   for _ in range(40)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert answers == [ANSWER] * 40


def test_a_new_certificate_counts_after_sighup_and_drops_nobody(cli, authority):
    first = authority.sign()
    cli.ok("import", cli.model(loop=True, n_ctx=65536), "tiny")
    with Secure(cli, authority) as s:
        assert s.serial() == first
        kept = s.connect()
        kept.request("GET", "/health")
        assert kept.getresponse().read()
        running = s.connect()
        running.request("POST", "/api/generate", json.dumps({"model": "tiny", "prompt": "hi", "options": {"num_predict": 20000, "num_ctx": 65536}}))
        answer = running.getresponse()
        assert answer.read(1)
        second = authority.sign()
        said = s.reload()
        assert "reload-failed" not in said and s.serial() == second
        kept.request("GET", "/health")  # on the connection of before
        assert kept.getresponse().status == 200
        assert int(kept.sock.getpeercert()["serialNumber"], 16) == first
        lines = answer.read().splitlines()
        assert json.loads(lines[-1])["done"] and json.loads(lines[-1])["eval_count"] == 20000
        kept.close()
        running.close()
        # what is no certificate changes nothing
        (cli.folder / "srv.pem").write_text("rubbish")
        assert "reload-failed" in s.reload() and s.serial() == second
        authority.sign("other")
        (cli.folder / "srv.pem").write_bytes((cli.folder / "other.pem").read_bytes())  # goes with another key
        assert "reload-failed" in s.reload() and s.serial() == second
        third = authority.sign()
        assert "reload-failed" not in s.reload() and s.serial() == third
        assert s.stop() == 143


def test_reloads_under_load_drop_nobody_and_leave_nothing(cli, authority):
    authority.sign()
    cli.ok("import", cli.model(), "tiny")
    with Secure(cli, authority) as s:
        statuses, failures, is_over = [], [], []

        def ask_again_and_again():  # each on a connection of its own
            while not is_over:
                try:
                    statuses.append(s.ask("POST", "/api/chat", user(stream=False))[0])
                except (OSError, http.client.HTTPException) as e:
                    failures.append(repr(e))

        def n_open():
            return len(os.listdir(f"/proc/{s.process.pid}/fd"))

        s.json("POST", "/api/chat", user(stream=False))
        before = n_open()
        threads = [threading.Thread(target=ask_again_and_again) for _ in range(4)]
        for t in threads:
            t.start()
        for _ in range(6):
            assert "reload-failed" not in s.reload()
        wait_until(lambda n=len(statuses): len(statuses) > n + 10)
        is_over.append(True)
        for t in threads:
            t.join()
        assert not failures and set(statuses) == {200}
        wait_until(lambda: n_open() <= before)  # the event threads of before are gone
        assert s.stop(60) == 143


@pytest.mark.parametrize("cert,key,code,words", [("srv.pem", "", 2, "tls_key"), ("", "srv.key", 2, "tls_cert"), ("none.pem", "srv.key", 7, "none.pem"),
                                                ("ext", "srv.key", 5, "PEM"), ("srv.pem", "ca.key", 5, "tls_key")])
def test_certificates_that_are_none(cli, authority, cert, key, code, words):
    authority.sign()
    env = {f"HYPERLAMA_SERVER_TLS_{k}": str(cli.folder / v) if v else "" for k, v in (("CERT", cert), ("KEY", key))}
    done = cli("serve", env=dict(env, HYPERLAMA_SERVER_HOST="127.0.0.1:0"))
    assert done.returncode == code and words in done.stderr, done.stderr


def test_a_unix_socket_stays_plain(cli, authority):
    authority.sign()
    with Secure(cli, authority, host=f"unix:{cli.folder}/s.sock") as s:
        assert s.json("GET", "/health") == {"status": "ok"}


# ---- SIGHUP ----

def test_settings_that_can_change_do_on_sighup_and_others_are_named(cli, authority):
    settings = "[server]\norigins = https://a.example\nhost = 127.0.0.1:0\nmax_body_mib = 1\n[log]\nlevel = info\n"
    cli.settings(settings)
    with Secure(cli, authority, env={}, host=None, args=("--server-max-queue", "7")) as s:
        def allows(origin):
            return s.ask("GET", "/health", headers={"Origin": origin})[0] == 200
        assert allows("https://a.example") and not allows("https://b.example")
        assert s.ask("POST", "/api/chat", user("x" * (3 << 20)))[0] == 413
        cli.settings("[server]\norigins = https://b.example\nhost = 127.0.0.1:1\nmax_body_mib = 8\nrequire_keys = yes\nmax_queue = 9\n"
                     "[engine]\nn_ctx = 512\n[log]\nlevel = info\n")
        said = s.reload()
        assert not allows("https://a.example") and allows("https://b.example")
        assert s.ask("GET", "/api/tags")[0] == 401
        for name in ("server.origins", "server.max_body_mib", "server.require_keys"):
            assert f"setting-changed name={name}" in said
        for name in ("server.host", "engine.n_ctx"):
            assert f"setting-needs-restart name={name} " in said
        assert "server.max_queue" not in said  # the flag still wins
        assert s.ask("POST", "/api/chat", user("x" * (3 << 20)), headers=bearer(make_key(cli, "alice")))[0] == 404
        cli.settings("[server]\nmax_body_mib = none\n")
        assert "reload-failed" in s.reload() and s.ask("GET", "/api/tags")[0] == 401
        cli.settings("[server]\nhost = 127.0.0.1:0\n[log]\nlevel = info\n")
        said = s.reload()
        assert "setting-changed name=server.origins" in said and "needs-restart" not in said
        assert s.json("GET", "/health") == {"status": "ok"}


def test_the_manager_is_told_of_a_reload(cli, authority):
    name = str(cli.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        with Secure(cli, authority, env={"NOTIFY_SOCKET": name}) as s:
            assert manager.recv(100) == b"READY=1"
            s.reload()
            assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(100))
            assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("nohup", [False, True])
def test_the_end_of_its_terminal_ends_it_unless_that_was_to_be_ignored(cli, nohup):
    master, slave = os.openpty()

    def become_its_own():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)

    with Host(cli, "127.0.0.1:0", preexec_fn=become_its_own) as s:
        os.close(slave)
        os.close(master)
        if nohup:
            wait_until(lambda: any(" server reload" in one for one in s.log))
            assert s.json("GET", "/health") == {"status": "ok"}
        else:
            s.process.wait(60)


# ---- Stopping ----

@pytest.mark.parametrize("round", range(3))
def test_requests_that_come_while_it_stops_do_not_break_it(serve, round):
    s = serve()
    statuses = []

    def ask_again_and_again():
        c = s.connect()
        try:
            while True:
                c.request("POST", "/api/chat", json.dumps(user(stream=False)))
                r = c.getresponse()
                r.read()
                statuses.append(r.status)
        except (OSError, http.client.HTTPException):
            pass  # the end

    threads = [threading.Thread(target=ask_again_and_again, daemon=True) for _ in range(16)]
    for t in threads:
        t.start()
    wait_until(lambda: len(statuses) > 100)
    assert s.stop(60) == 143
    for t in threads:
        t.join()
    assert set(statuses) <= {200, 503}


# ---- Cut off ----

def airgap(cli, **kw):
    """serve --airgap, or a skip where the kernel or the build has no filter."""
    done = cli("serve", "--airgap", env={"HYPERLAMA_SERVER_HOST": "unix:relative"})  # options and addresses come first
    assert done.returncode == 2 and "absolute" in done.stderr
    if os.path.basename(os.environ.get("HL_TEST_OUT", "")) in ("asan", "tsan"):
        pytest.skip("no lockdown of calls: this build has none")
    return Host(cli, args=("--airgap",), **kw)


def n_filters(process):
    with open(f"/proc/{process}/status") as f:
        return int(re.search(r"^Seccomp_filters:\s+(\d+)$", f.read(), re.M).group(1))


def test_one_that_is_cut_off_answers(cli):
    cli.ok("import", cli.model(), "tiny")
    name = str(cli.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        with airgap(cli, host="127.0.0.1:0", env={"NOTIFY_SOCKET": name}) as s:
            assert manager.recv(100) == b"READY=1"  # the one way out that is left
            assert s.json("POST", "/api/chat", user(stream=False))["message"]["content"] == ANSWER
            assert len(s.lines("/api/chat", user())) == 5
            s.process.send_signal(signal.SIGHUP)
            wait_until(lambda: any(" server reload" in one for one in s.log))
            assert not any("reload-failed" in one for one in s.log)
            assert s.json("GET", "/health") == {"status": "ok"}
            for task in os.listdir(f"/proc/{s.process.pid}/task"):
                try:
                    assert n_filters(f"{s.process.pid}/task/{task}") == n_filters("self") + 1
                except FileNotFoundError:  # a thread that has left meanwhile
                    continue
            assert any(" airgap " in one for one in s.log)
            assert s.stop() == 143


def test_without_airgap_there_is_no_filter_more(cli):
    with Host(cli, "127.0.0.1:0") as s:
        assert n_filters(s.process.pid) == n_filters("self")


def test_run_says_that_a_server_asks_for_a_key(serve, cli):
    s = serve()
    key = make_key(cli, "k")
    env = {"HYPERLAMA_SERVER_HOST": f"{s.host}:{s.port}"}
    done = cli("run", "tiny", "hi", env=env)
    assert done.returncode == 0 and done.stdout.strip() == ANSWER and "HYPERLAMA_API_KEY" in done.stderr
    done = cli("run", "tiny", "hi", env=dict(env, HYPERLAMA_API_KEY=key))
    assert done.stdout.strip() == ANSWER and done.stderr == ""
    wait_until(lambda: any("route=runner_answer" in line and "key=k" in line for line in s.log))
