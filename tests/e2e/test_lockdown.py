"""A run that has locked itself in: what the system says of it, and that nothing people use is lost."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
from test_terminal import chat, plain  # noqa: F401 (a fixture)


@pytest.fixture(autouse=True)
def lockdown(cli):
    done = cli("doctor")
    line = next(row for row in done.stdout.splitlines() if " lockdown" in row)
    if "Landlock" not in line:
        pytest.skip("no lockdown: " + line)


def status_of(pid):
    """What the kernel says of each thread: {name: set of values}."""
    found = {"NoNewPrivs": set(), "Seccomp": set()}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for row in (task / "status").read_text().splitlines():
            name, _, value = row.partition(":")
            if name in found:
                found[name].add(value.strip())
    return found


def test_all_threads_of_a_chat_are_locked(chat):
    t = chat()
    t.send("hi\r")
    t.until("world.")
    t.until(">>> ")
    assert status_of(t.process.pid) == {"NoNewPrivs": {"1"}, "Seccomp": {"2"}}
    t.send("/bye\r")
    assert t.end() == 0


def test_off_locks_nothing(chat):
    t = chat("--security-lockdown=off")
    assert status_of(t.process.pid) == {"NoNewPrivs": {"0"}, "Seccomp": {"0"}}


def test_a_locked_chat_saves_loads_lists_and_remembers(cli, chat):
    cli.ok("import", cli.model((" other",), name="other"), "other")
    t = chat("--security-lockdown=on")
    for line, said in (("hi", "world."), ("/save mine", "saved as mine:latest"), ("/list", "mine:latest"), ("/load other", "other:latest, context"),
                       ("hi", "other"), ("/show template", "im_start"), ("/load mine", "mine:latest, context")):
        t.send(line + "\r")
        t.until(said)
        t.until(">>> ")
    t.send("\x04")
    assert t.end() == 0
    assert (cli.home / "history").read_text().splitlines()[:2] == ["hi", "/save mine"]
    assert "mine:latest" in cli.ok("list")


def test_a_file_from_elsewhere_is_refused_with_what_to_do(cli, chat):
    elsewhere = cli.folder / "elsewhere"
    elsewhere.mkdir()
    stranger = cli.model((" stranger",), name="stranger").rename(elsewhere / "stranger.gguf")
    t = chat()
    t.send(f"/load {stranger}\r")
    said = " ".join(plain(t.until("lockdown=off")).split())
    assert "this chat is locked in and reads models of the store only: `hyperlama import` it, or start with --security-lockdown=off" in said
    t.until(">>> ")
    t.send("hi\r")
    t.until("world.")  # the model that was there still is
    t.until(">>> ")
    t.send("\x04")
    assert t.end() == 0


def test_blocks_are_saved_and_uses_are_counted(cli):
    cli.ok("import", cli.model(), "tiny")
    question = "word " * 400
    first = cli.ok("run", "tiny", "--security-lockdown=on", "--json", question)
    assert list((cli.home / "cache" / "kv").rglob("*.kv"))
    commit = (pathlib.Path(cli.program).parent / "gen/commit.h").read_text().split('"')[1]
    assert f" {commit[:20]}".encode() in next((cli.home / "cache" / "kv").rglob("*.kv")).read_bytes()[:4096]  # blocks are of one build
    again = cli.ok("run", "tiny", "--security-lockdown=on", "--json", question)
    assert json.loads(first)["cached_tokens"] == 0 < json.loads(again)["cached_tokens"]
    assert sorted(p.name for p in cli.home.iterdir() if p.is_file()) == ["hyperlama.db", "hyperlama.db.lock"]  # no side files stay


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_locked_answer(cli, number):
    model = cli.model(("la ",), loop=True)
    p = subprocess.Popen([cli.program, "run", str(model), "--security-lockdown=on", "-o", "num_predict=-1", "sing"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=cli.env, cwd=cli.folder)
    assert p.stdout.read(6) == b"la la "
    assert status_of(p.pid)["Seccomp"] == {"2"}
    p.send_signal(number)
    p.stdout.close()
    end = time.monotonic() + 60
    while p.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert p.poll() == 128 + number


def test_a_draft_from_elsewhere_is_read(cli):
    draft = cli.model(name="draft").rename(cli.folder / "draft-elsewhere.gguf")
    assert cli.ok("run", cli.model(), "--security-lockdown=on", "--engine-draft", draft, "hi").strip() == "Hello brave new world."


def test_a_data_folder_that_is_a_link_is_the_folder(cli):
    real = cli.folder / "elsewhere" / "real"
    real.mkdir(parents=True)
    os.symlink(real, cli.home)
    cli.ok("import", cli.model(), "tiny")
    assert cli.ok("run", "tiny", "--security-lockdown=on", "hi").strip() == "Hello brave new world."
    assert (real / "cache" / "kv" / "secret").exists()
