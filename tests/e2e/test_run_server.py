"""run while a server answers that has the same store: it asks the server, and nobody sees a difference.

What `run` promises (test_run.py) and what its chat does (test_terminal.py) is asked again here, of models that a server has.
"""
import http.server
import inspect
import json
import re
import signal
import subprocess
import threading
import time

import pytest

import test_run
import test_terminal
from conftest import Cli
from test_serve import Server
from test_terminal import Terminal, chat, plain  # noqa: F401: a fixture

PIECES = ("Hello", " brave", " new", " world.")
ANSWER = "".join(PIECES) + "\n"


class Served(Cli):
    """Where a test runs a model's file, it runs one of the store that is the same, and a server has it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.names = {}

    def model(self, pieces=PIECES, name="tiny", **kw):
        path = self.folder / f"{name}.gguf"
        path.unlink(missing_ok=True)  # the store has a link to it, and the server may have that open
        super().model(pieces, name=name, **kw)
        self.names[str(path)] = f"of-{name}"
        super().__call__("import", path, self.names[str(path)])
        return path

    def __call__(self, command, *args, **kw):
        named = [self.names.get(str(a), a) if command == "run" else a for a in args]
        return super().__call__(command, *named, **kw)

    def answers(self):
        """How many the server has begun."""
        return self.server.metric("completions_total")


@pytest.fixture
def cli(tmp_path):
    c = Served(tmp_path)
    with Server(c) as c.server:
        c.env["HYPERLAMA_SERVER_HOST"] = f"127.0.0.1:{c.server.port}"
        yield c


@pytest.fixture
def chat(cli, monkeypatch):
    """As test_terminal.py's, of a stored model."""
    opened = []

    def start(*args, pieces=PIECES, env=None, columns=80, **kw):
        t = Terminal(cli, "run", cli.names[str(cli.model(pieces, **kw))], *args, env=env, columns=columns)
        opened.append(t)
        t.until(">>> ")
        return t

    yield start
    for t in opened:
        if t.process.poll() is None:
            t.process.kill()
            t.process.wait()


# What is not about an answer, or about a file, a home, a log or a context that the server does not share.
ELSEWHERE = ("context_above_the_training", "files_that_are_no_models", "list_show_and_rm", "two_imports", "rm_removes", "home_for_reading_only", "score", "bench",
             "info", "config", "gc", "doctor")
for module in (test_run, test_terminal):
    for key, value in vars(module).items():
        if key.startswith("test_") and not any(word in key for word in ELSEWHERE) and re.search(r'"run"|chat\(', inspect.getsource(value)):
            globals()[key] = value


# ---- Who answers ----

def test_the_server_answers_and_local_does_not_ask_it(cli):
    model = cli.model()
    assert cli.ok("run", model, "hi") == ANSWER and cli.answers() == 1
    assert [m["name"] for m in cli.server.json("GET", "/api/ps")["models"]] == ["of-tiny:latest"]
    asked = cli.server.metric("requests_total")
    assert cli.ok("run", "of-tiny", "--local", "hi") == ANSWER
    assert cli.server.metric("requests_total") == asked + 1  # this question about it


def test_another_store_is_not_the_servers_to_answer_for(cli):
    cli.model()
    other = {"HYPERLAMA_HOME": str(cli.folder / "other")}
    cli.ok("import", cli.folder / "tiny.gguf", "of-tiny", env=other)
    assert cli.ok("run", "of-tiny", "hi", env=other) == ANSWER and cli.answers() == 0
    # a copy of the folder has the same id, and is another folder
    subprocess.run(["cp", "-a", cli.home, cli.folder / "copy"], check=True)
    assert cli.ok("run", "of-tiny", "hi", env={"HYPERLAMA_HOME": str(cli.folder / "copy")}) == ANSWER and cli.answers() == 0
    # a link to it is the same
    (cli.folder / "link").symlink_to(cli.home)
    assert cli.ok("run", "of-tiny", "hi", env={"HYPERLAMA_HOME": str(cli.folder / "link")}) == ANSWER and cli.answers() == 1


@pytest.mark.parametrize("args", [("--threads", "1"), ("--kv-type", "q8_0"), ("--cpu", "scalar"), ("--engine-n-batch", "32"),
                                  ("--security-lockdown", "off"), ("--cache-quota-mib", "0"), ("-o", "num_thread=1")])
def test_what_a_running_server_cannot_be_told_is_done_here(cli, args):
    assert cli.ok("run", cli.model(), "hi", *args) == ANSWER and cli.answers() == 0


def test_who_wants_to_be_locked_in_is(cli):
    cli.settings("[security]\nlockdown = on\n")
    done = cli("run", cli.model(), "hi")
    assert cli.answers() == 0 and (done.returncode == 0 or "lockdown" in done.stderr)


def test_a_file_is_run_here(cli):
    Cli.model(cli, name="file")
    assert cli.ok("run", "file.gguf", "hi") == ANSWER and cli.answers() == 0


class Impostor(http.server.BaseHTTPRequestHandler):
    said = b""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("said", [b'{"version": "0.33.0"}', b"Ollama is running", b"", b"[1]", b'{"hyperlama": 1, "store": 2}',
                                  b'{"hyperlama": "0.0.0", "store": "%s"}'])
def test_another_program_at_the_address_is_left_alone(cli, said):
    store = cli.server.json("GET", "/api/version")
    model = cli.model()
    Impostor.said = said.replace(b"%s", cli.server.json("GET", "/api/version")["store"].encode())
    assert "store" not in store  # there was no folder yet
    with http.server.HTTPServer(("127.0.0.1", 0), Impostor) as s:
        threading.Thread(target=s.serve_forever, daemon=True).start()
        assert cli.ok("run", model, "hi", env={"HYPERLAMA_SERVER_HOST": f"127.0.0.1:{s.server_port}"}) == ANSWER
        s.shutdown()
    assert cli.answers() == 0


# ---- The same answers ----

ARGS = [(), ("--seed", "7", "-o", "temperature=9"), ("-o", "stop=ave n"), ("-o", "num_predict=2"), ("--system", "abc"),
        ("--template", "{{ messages[0].content }}\n"), ("--template", "{% if %}"), ("--raw",), ("--think",), ("--no-speculation",),
        ("-o", "top_p=1.5"), ("-o", "top_k=1", "-o", "stop=a", "-o", "stop=b"), ("--ctx", "16"), ("-o", "num_ctx=100000000"),
        ("-o", "num_batch=16"), ("--hide-thinking",)]


def counted(out):
    return {k: v for k, v in json.loads(out or "{}").items() if not k.endswith("_ms") and not k.startswith(("drafted", "accepted", "cached"))
            and k != "seed"}


@pytest.mark.parametrize("args", ARGS, ids=" ".join)
@pytest.mark.parametrize("modelfile", ["", "SYSTEM be brief\nMESSAGE user one\nMESSAGE assistant two\nPARAMETER stop w\nPARAMETER num_predict 3\n"])
def test_there_is_no_difference(cli, args, modelfile):
    path = Cli.model(cli)
    (cli.folder / "Modelfile").write_text("FROM x\n" + modelfile)
    cli.ok("import", path, "m", "--modelfile", "Modelfile")
    args = ("--seed", "3", *args)
    here = cli("run", "m", "hi", "--local", *args)
    there = cli("run", "m", "hi", *args)
    assert (there.returncode, there.stdout, there.stderr) == (here.returncode, here.stdout, here.stderr)
    here = cli("run", "m", "hi", "--json", "--local", *args)
    there = cli("run", "m", "hi", "--json", *args)
    assert counted(there.stdout) == counted(here.stdout)
    assert cli.answers() == (2 if here.returncode == 0 else 0)


@pytest.mark.parametrize("template", [None, "{{ messages[0].content }}i"])
@pytest.mark.parametrize("prompt", [b"hi", b"a\0b\0i", b"\xc3\xa4 \xf0\x9f\x98\x80 i", b"<|im_end|>i", b'"\\i'])
def test_a_prompt_arrives_as_it_is(cli, template, prompt):
    model = cli.model(template=template, start=b"i")
    here = cli("run", model, "--json", "--local", stdin=prompt, text=False)
    there = cli("run", model, "--json", stdin=prompt, text=False)
    assert counted(there.stdout) == counted(here.stdout) and here.stderr == there.stderr and counted(here.stdout)["response"].startswith("Hello")
    assert cli.answers() == 1


def test_a_seed_of_the_servers_choice_is_told(cli):
    said = json.loads(cli.ok("run", cli.model(), "hi", "--json"))
    assert said["seed"] > 0 and said["total_ms"] > 0 and said["prompt_ms"] > 0 and cli.answers() == 1


# ---- How long, and the end ----

def test_keep_alive_is_the_servers_business(cli):
    loaded = lambda: cli.server.json("GET", "/api/ps")["models"]
    model = cli.model()
    assert cli.ok("run", model, "hi", "--keep-alive", "0") == ANSWER
    wait_for(lambda: loaded() == [])
    assert cli.ok("run", model, "hi", "--keep-alive", "-1") == ANSWER
    wait_for(lambda: loaded()[0]["expires_at"] > "2090")
    assert cli.ok("run", model, "hi", "--keep-alive", "1h30m") == ANSWER
    wait_for(lambda: loaded()[0]["expires_at"] < "2090")
    assert cli("run", model, "hi", "--keep-alive", "soon").returncode == 2


def wait_for(what):
    """The server sees it a moment later; a minute is only to end what hangs."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def was_left(cli):
    return any("route=runner_answer" in line and "end=gone" in line for line in list(cli.server.log))


def run_endless(cli, *args):
    """Until its first word is there."""
    cli.model(loop=True, n_ctx=65536)
    p = subprocess.Popen([cli.program, "run", "of-tiny", "hi", *args], env=cli.env, cwd=cli.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.stdout.read(5) == b"Hello"
    return p


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_answer_here_and_there(cli, number, code):
    p = run_endless(cli, "--ctx", "65536")
    p.send_signal(number)
    p.communicate()
    assert p.returncode == code
    wait_for(lambda: was_left(cli))
    assert cli.ok("run", "of-tiny", "hi", "-o", "num_predict=1") == "Hello\n"


def test_a_server_that_goes_away_during_an_answer_is_an_error(cli):
    p = run_endless(cli, "--ctx", "65536")
    cli.server.process.kill()
    assert "is gone" in p.communicate()[1].decode() and p.returncode == 13


def test_a_reader_that_goes_away_ends_the_answer(cli):
    p = run_endless(cli, "--ctx", "65536")
    p.stdout.close()
    assert p.wait() == 141
    wait_for(lambda: was_left(cli))


def test_a_chat_outlives_its_server(cli, chat):
    t = chat()
    t.send("hi\r")
    t.until("world.\n\n>>> ")
    assert cli.answers() == 1
    cli.server.process.kill()
    cli.server.process.wait()
    t.send("hi\r")
    assert re.search("error: the server at .* is gone", re.sub(r"\s+", " ", plain(t.until(">>> "))))
    t.send("/load of-tiny\r")
    t.until(">>> ")
    t.send("hi\r")
    t.until("world.\n\n>>> ")
    t.send("/bye\r")
    assert t.end() == 0


def test_ctrl_c_in_a_chat_stops_the_answer_there_too(cli, chat):
    t = chat("--ctx", "65536", loop=True, n_ctx=65536)
    t.send("hi\r")
    t.until("brave")
    t.send("\x03")
    t.until(">>> ")
    wait_for(lambda: was_left(cli))
    t.send("/bye\r")
    assert t.end() == 0
