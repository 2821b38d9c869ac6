"""Which models a server has loaded, under which names, and for how long."""
import json
import os
import signal
import subprocess
import time

import pytest

from test_serve import ANSWER, Server, serve, user  # noqa: F401: a fixture


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
