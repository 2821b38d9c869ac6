"""Models whose answers come from other programs' servers (host/remote): good ones, and all the ways to be a bad one."""
import json
import signal
import subprocess
import time

import pytest

from openai_stub import Stub


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
                             "temperature": 0.25, "top_p": asked["body"]["top_p"], "seed": 7, "top_k": 3, "max_tokens": 9, "stop": ["END"],
                             "stream": True, "stream_options": {"include_usage": True}}
    assert "Authorization" not in asked["headers"]


def test_counts_are_the_servers(cli, stub):
    said = run(cli, stub, "good", "--verbose").stderr
    assert "11 token(s)" in said and "3 token(s)" in said


def test_raw_text_goes_to_completions(cli, stub):
    assert run(cli, stub, "good", "--raw").stdout == "raw Hi there\n"
    assert stub.asked[0]["path"] == "/v1/completions" and "messages" not in stub.asked[0]["body"]


@pytest.mark.parametrize("model, text", [("whole", "all at once"), ("no-done", "ends without it"), ("crlf", "lines"), ("busy-once", "second try")])
def test_forms_of_answers(cli, stub, model, text):
    done = run(cli, stub, model)
    assert (done.returncode, done.stdout) == (0, text + "\n")


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
    assert done.returncode == 7 and "its program is not installed: no-such-engine: No such file" in done.stderr


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
