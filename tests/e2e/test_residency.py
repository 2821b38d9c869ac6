"""Which models a server has loaded, under which names, and for how long."""
import json
import os
import re
import resource
import signal
import subprocess
import time

import pytest

import tiny_model
from test_serve import ANSWER, PIECES, Server, serve, user  # noqa: F401: a fixture


def wait_for(what):
    """The server sees it a moment later; a minute is only to end what hangs."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def loaded(s):
    return [m["name"] for m in s.json("GET", "/api/ps")["models"]]


def said(s, model="tiny", status=200, **more):
    got = s.json("POST", "/api/chat", user(model=model, stream=False, **more), status=status)
    return got["message"]["content"] if status == 200 else got["error"]


# ---- What the command line changes is seen at once ----

def test_a_model_that_is_removed_is_gone_and_its_memory_too(cli, serve):
    s = serve()
    assert said(s) == ANSWER and loaded(s) == ["tiny:latest"]
    cli.ok("rm", "tiny")
    assert "not found" in said(s, status=404) and s.json("GET", "/api/tags")["models"] == []
    wait_for(lambda: loaded(s) == [])


def test_weights_that_another_name_has_stay_loaded(cli, serve):
    s = serve()
    cli.ok("cp", "tiny", "other")
    assert said(s) == ANSWER
    cli.ok("rm", "tiny")
    assert said(s, "other") == ANSWER and loaded(s) == ["other:latest"]
    assert s.metric("errors_total") == 0


def test_a_model_is_removed_under_an_answer(cli, serve):
    s = serve(loop=True, n_ctx=65536)
    c = s.connect()
    c.request("POST", "/api/chat", json.dumps(user(options={"num_ctx": 65536})))
    stream = c.getresponse()
    assert b"Hello" in stream.readline()
    cli.ok("rm", "tiny")
    for _ in range(300):  # it goes on
        assert b'"done":false' in stream.readline()
    c.close()
    wait_for(lambda: loaded(s) == [])


@pytest.mark.parametrize("is_loaded", [False, True])
@pytest.mark.parametrize("how", ["cp", "import", "api"])
def test_a_name_that_means_another_model_answers_as_that_one(cli, serve, how, is_loaded):
    s = serve()
    cli.ok("import", cli.model(("Good", " bye."), name="b"), "b")
    assert said(s) == ANSWER
    if is_loaded:
        assert said(s, "b") == "Good bye."
    if how == "cp":
        cli.ok("cp", "b", "tiny")
    elif how == "import":
        cli.ok("import", cli.folder / "b.gguf", "tiny")
    else:
        assert s.ask("POST", "/api/copy", {"source": "b", "destination": "tiny"})[0] == 200
    assert said(s) == "Good bye."
    wait_for(lambda: loaded(s) == ["tiny:latest"])


def test_what_a_modelfile_says_counts_from_the_next_request_on(cli, serve):
    s = serve()
    assert said(s) == ANSWER
    (cli.folder / "Modelfile").write_text("FROM x\nPARAMETER num_predict 1\n")
    cli.ok("import", cli.folder / "tiny.gguf", "tiny", "--modelfile", "Modelfile")
    assert said(s) == "Hello" and "num_predict" in s.json("POST", "/api/show", {"model": "tiny"})["parameters"]


def test_a_file_that_was_changed_in_use_is_opened_again(cli, serve):
    s = serve()
    assert said(s) == ANSWER
    blob = next(p for p in (cli.home / "models/blobs").iterdir() if p.stat().st_size > 1 << 19)
    os.utime(blob)
    whole = blob.read_bytes()
    os.chmod(blob, 0o644)
    os.truncate(blob, 4096)
    assert "changed" in said(s, status=409)
    with open(blob, "r+b") as f:  # the same file again
        f.write(whole)
    assert "changed or cut short" in said(s, status=500)
    wait_for(lambda: loaded(s) == [])
    assert said(s) == ANSWER


# ---- Names of the user's own ----

SETTINGS = """[aliases]
gpt-4o = absent:1b, tiny , other
Claude = terse
none = absent, absent:2b
tiny2 = tiny2, tiny
[preset terse]
model = tiny
num_predict = 2
system = Answer in one sentence.
    And no more.
"""


def test_an_alias_is_the_first_of_its_models_that_is_there_in_every_dialect(cli, serve):
    cli.settings(SETTINGS)
    s = serve()
    assert said(s, "gpt-4o") == said(s, "gpt-4o:latest") == said(s, "GPT-4o") == said(s, "tiny2") == ANSWER and loaded(s) == ["tiny:latest"]
    assert s.json("POST", "/v1/chat/completions", user(model="gpt-4o"))["choices"][0]["message"]["content"] == ANSWER
    assert s.json("POST", "/v1/chat/completions", user(model="gpt-4o"))["model"] == "gpt-4o"
    assert s.json("POST", "/v1/messages", user(model="gpt-4o", max_tokens=50))["content"][0]["text"] == ANSWER
    assert s.json("POST", "/api/generate", {"model": "gpt-4o", "prompt": "hi", "stream": False})["response"] == ANSWER
    assert s.json("POST", "/v1/tokenize", {"model": "gpt-4o", "content": "hi"})["count"] == 2
    assert cli.ok("run", "gpt-4o", "hi") == ANSWER + "\n"
    cli.ok("import", cli.model(("First.",), name="b"), "absent:1b")  # the one that was missing
    assert said(s, "gpt-4o") == "First."


def test_an_alias_goes_past_models_that_do_not_fit(cli, serve):
    if os.path.basename(os.environ.get("HL_TEST_OUT", "")) in ("asan", "tsan"):
        pytest.skip("sanitizers map memory that a limit would count")
    cli.settings("[aliases]\ngpt-4o = huge, tiny\nbig = huge\n")
    s = serve()
    resource.prlimit(s.process.pid, resource.RLIMIT_AS, (3 << 30, 3 << 30))  # a cache for 16 million tokens takes more
    (cli.folder / "Modelfile").write_text("FROM x\nPARAMETER num_ctx 16000000\nPARAMETER num_predict 1\nSYSTEM be huge\n")
    cli.ok("import", cli.model(PIECES, name="huge", n_ctx=16000000), "huge", "--modelfile", "Modelfile")
    got = s.json("POST", "/api/chat", user(model="gpt-4o", stream=False))
    plain = s.json("POST", "/api/chat", user(stream=False))
    assert got["message"]["content"] == ANSWER and got["prompt_eval_count"] == plain["prompt_eval_count"]  # nothing of the first
    assert loaded(s) == ["tiny:latest"]
    assert "memory" in said(s, "big", status=503)
    limited = cli.folder / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -v {3 << 20}\nexec {cli.program} "$@"\n')
    limited.chmod(0o755)
    cli.program = str(limited)
    cli.env["HYPERLAMA_SERVER_HOST"] = f"127.0.0.1:{s.port}"
    for args in [], ["--local"]:
        assert cli.ok("run", "gpt-4o", "hi", *args) == ANSWER + "\n"
        assert cli("run", "big", "hi", *args).returncode == 3


def test_an_alias_of_nothing_says_what_was_looked_for(cli, serve):
    cli.settings(SETTINGS)
    s = serve()
    assert "alias 'none' stands for no model that is here" in said(s, "none", status=404)
    assert "absent:2b" in said(s, "none", status=404)


def test_a_preset_is_a_model_with_other_texts_and_parameters(cli, serve):
    cli.settings(SETTINGS)
    s = serve()
    system = "Answer in one sentence.\nAnd no more."
    for name in ("terse", "claude"):
        got = s.json("POST", "/api/chat", user(model=name, stream=False))
        plain = s.json("POST", "/api/chat", user(stream=False, messages=[{"role": "system", "content": system}, {"role": "user", "content": "hi"}]))
        assert got["message"]["content"] == "Hello brave" and got["done_reason"] == "length" and got["model"] == name
        assert got["prompt_eval_count"] == plain["prompt_eval_count"]
    assert said(s, "terse", options={"num_predict": 1}) == "Hello"  # a request goes before it
    assert s.json("POST", "/v1/chat/completions", user(model="terse"))["choices"][0]["finish_reason"] == "length"
    shown = s.json("POST", "/api/show", {"model": "terse"})
    assert shown["system"] == system and "num_predict" in shown["parameters"]
    assert loaded(s) == ["tiny:latest"]
    done = cli("run", "terse", "hi")
    assert done.stdout == "Hello brave\n" and "num_predict" in done.stderr
    assert said(s) == ANSWER


def test_own_names_are_listed_where_clients_choose_and_not_where_they_delete(cli, serve):
    cli.settings(SETTINGS)
    s = serve()
    models = s.json("GET", "/v1/models")
    assert [m["id"] for m in models["data"]] == ["tiny:latest", "gpt-4o", "Claude", "tiny2", "terse"] and models["last_id"] == "terse"
    assert s.json("GET", "/v1/models/gpt-4o")["id"] == "gpt-4o" and s.json("GET", "/v1/models/tiny")["id"] == "tiny:latest"
    assert [m["name"] for m in s.json("GET", "/api/tags")["models"]] == ["tiny:latest"]
    assert cli.ok("list", "-q") == "tiny:latest\n"
    assert cli("rm", "gpt-4o").returncode == 7
    assert s.json("DELETE", "/api/delete", {"model": "terse"}, status=404)


@pytest.mark.parametrize("settings, why", [
    ("[aliases]\nqwen3:8b = x\n", "line 2"), ("[aliases]\n" + "a" * 60 + " = x\n", "at most 48 bytes"),
    ("[preset " + "a" * 60 + "]\nmodel = x\n", "at most 48 bytes")])
def test_names_that_an_ini_file_cannot_carry_are_refused_with_their_line(cli, settings, why):
    cli.settings(settings)
    done = cli("list")
    assert done.returncode == 5 and why in done.stderr and "settings.ini" in done.stderr


@pytest.mark.parametrize("settings, why", [
    ("[preset p]\nmodel = tiny\ntemprature = 1\n", "temperature"), ("[preset p]\nmodel = tiny\ntop_p = 7\n", "0..1"),
    ("[preset p]\ntop_p = 1\n", "expected model"), ("[preset p]\nmodel = q\n[preset q]\nmodel = tiny\n", "is a preset, too"),
    ("[aliases]\np = q\nq = p\n", "go round")])
def test_what_a_preset_cannot_be_is_said_to_who_asks_for_it(cli, serve, settings, why):
    cli.settings(settings)
    s = serve()
    assert why in said(s, "p", status=400) and said(s) == ANSWER
    done = cli("run", "p", "hi")
    assert done.returncode == 2 and why in done.stderr


# ---- Before somebody asks, and for ever ----

def test_preloaded_and_pinned_models_are_there_when_the_server_is(cli, serve):
    cli.settings(SETTINGS + "[server]\npreload = terse, absent\npinned = b\nkeep_alive_s = 0\nmax_loaded_models = 1\n")
    cli.ok("import", cli.model(("Good", " bye."), name="b"), "b")
    s = serve()
    wait_for(lambda: any("preload-failed model=absent" in line.replace('"', "") for line in s.log))
    wait_for(lambda: loaded(s) == ["b:latest"])
    assert "limit" in said(s, status=503)  # a pinned one makes no room
    assert said(s, "b") == "Good bye." and said(s, "b", keep_alive=0) == "Good bye."
    wait_for(lambda: loaded(s) == ["b:latest"])
    assert s.json("GET", "/api/ps")["models"][0]["expires_at"] > "2090"
    cli.ok("stop", "b", env={"HYPERLAMA_SERVER_HOST": f"127.0.0.1:{s.port}"})
    wait_for(lambda: loaded(s) == [])
    assert said(s) == ANSWER


ALPHABET = [f" word{c}" for c in "abcdefghijkl"]


@pytest.mark.parametrize("value, seconds", [("0", "0"), ("90", "90"), ("1h30m", "5400"), ("1500ms", "2"), ("-1", "-1"), ("-5m", "-1"), ("10", "10")])
def test_ollamas_variable_for_keeping_counts(cli, value, seconds):
    env = {"OLLAMA_KEEP_ALIVE": value}
    got = {v["name"]: (v["value"], v["where"]) for v in json.loads(cli.ok("config", "--json", "server", env=env))["settings"]}
    assert got["server.keep_alive_s"] == (int(seconds), "OLLAMA_KEEP_ALIVE")
    assert "300" in cli.ok("config", "server.keep_alive_s", env={"OLLAMA_KEEP_ALIVE": "soon"})


def test_a_model_stays_as_long_as_the_variable_says(serve):
    s = serve(env={"OLLAMA_KEEP_ALIVE": "-1s"})
    assert said(s) == ANSWER and s.json("GET", "/api/ps")["models"][0]["expires_at"] > "2090"


def drafts(s, model):
    lines = [json.loads(line) for line in s.ask("POST", "/v1/runner/answer", user(model=model, options={"temperature": 0}))[1].splitlines()]
    assert "".join(line.get("text", "") for line in lines) == "".join(ALPHABET)
    return lines[-1]["usage"]


def test_the_draft_that_a_modelfile_names_drafts(cli, serve):
    s = serve()
    cli.model(ALPHABET, name="m")
    (cli.folder / "Modelfile").write_text("FROM x\nDRAFT m.gguf\n")
    cli.ok("import", cli.folder / "m.gguf", "plain")
    assert drafts(s, "plain")["accepted_tokens"] == 0  # nothing in the text foretells it
    cli.ok("import", cli.folder / "m.gguf", "drafted", "--modelfile", "Modelfile")
    s.json("POST", "/api/generate", {"model": "plain", "keep_alive": 0})
    assert drafts(s, "drafted")["accepted_tokens"] > 0


def test_a_file_that_was_made_to_draft_for_a_model(cli, serve):
    m, eagle = cli.folder / "m.gguf", cli.folder / "eagle.gguf"
    tiny_model.make_eagle(eagle, *tiny_model.make(m, ALPHABET))
    shown = cli.ok("show", eagle)
    assert "for another model" in shown and "completion" not in shown
    alone = cli("run", eagle, "Hi")
    assert alone.returncode != 0 and "'eagle3' drafts for another model" in alone.stderr and "--draft" in alone.stderr
    done = cli("run", "--local", m, "--draft", eagle, "--verbose", "-o", "temperature=0", "Hi")
    assert done.returncode == 0 and "".join(ALPHABET).strip() in done.stdout, done.stderr
    assert int(re.search(r"drafts accepted: +(\d+) of", done.stderr).group(1)) > 0, done.stderr
    other, wrong = cli.model([f" x{i}" for i in range(80)], name="other"), cli.folder / "wrong.gguf"
    tiny_model.make_eagle(wrong, {}, 300, 640)
    done = cli("run", "--local", other, "--draft", wrong, "Hi")
    assert done.returncode != 0 and "draft of architecture 'eagle3'" in done.stderr and "640" in done.stderr
    s = serve()
    (cli.folder / "Modelfile").write_text("FROM x\nDRAFT eagle.gguf\n")
    cli.ok("import", m, "drafted", "--modelfile", "Modelfile")
    assert drafts(s, "drafted")["accepted_tokens"] > 0
    assert "drafted:latest" in loaded(s)
    (cli.folder / "Modelfile").write_text("FROM x\nDRAFT wrong.gguf\n")
    cli.ok("import", m, "undrafted", "--modelfile", "Modelfile")  # it answers all the same
    s.json("POST", "/api/generate", {"model": "drafted", "keep_alive": 0})  # the same weights: else they stay, with their draft
    wait_for(lambda: loaded(s) == [])
    drafts(s, "undrafted")  # the whole answer
    wait_for(lambda: any("draft-unusable" in line and "undrafted" in line and "640" in line for line in s.log))


def test_a_context_that_nobody_asked_for_is_what_the_model_was_trained_for(serve, cli):  # noqa: F811
    cli.ok("import", cli.model(name="long", n_ctx=20000), "long")
    s = serve()
    done = s.json("POST", "/api/generate", {"model": "long", "prompt": "a" * 17000, "stream": False, "raw": True, "options": {"num_predict": 2}})
    assert done["prompt_eval_count"] == 17000 or done["prompt_eval_count"] == 17001
    assert [m["context_length"] for m in s.json("GET", "/api/ps")["models"] if m["name"] == "long:latest"] == [20000]
    s.json("POST", "/api/generate", {"model": "long", "prompt": "a", "stream": False, "options": {"num_predict": 2, "num_ctx": 600}})
    assert s.json("POST", "/api/generate", {"model": "long", "prompt": "a" * 700, "stream": False, "raw": True, "options": {"num_ctx": 600}}, status=400)
