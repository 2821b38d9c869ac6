"""Engines that are started for a model, over their whole life (host/remote/supervisor.c): what they leave behind.

HL_ENGINE_CYCLES says how often one is started and stopped (`make test-engines`: 100).
"""
import contextlib
import os
import pathlib
import signal

import pytest

from test_guard import is_alive, wait_for
from test_remote import make_engine
from test_serve import Server

N_CYCLES = int(os.environ.get("HL_ENGINE_CYCLES") or 20)


def processes_of(folder):
    """Those whose command names this test's folder: engines, and their guards."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(folder).encode() in words and is_alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def listeners():
    """Sockets that listen: inode to port. A port may be somebody else's a moment later, an inode is one socket's."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            rows = [line.split() for line in open(table).read().splitlines()[1:]]
            found |= {row[9]: int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == "0A"}
    return found


def files_of(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if "__pycache__" not in p.parts}


def descriptors_of(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd"))


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


@pytest.fixture
def serving(cli):
    make_engine(cli)
    cli.env["TMPDIR"] = str(cli.folder)
    cli.ok("create", "mine", "--from", "engine:mine#good")
    s = Server(cli)
    yield s
    s.__exit__()
    for pid in processes_of(cli.folder):
        with contextlib.suppress(ProcessLookupError):  # it ends by itself
            os.kill(pid, signal.SIGKILL)


def chat(s, **more):
    return s.json("POST", "/api/chat", dict({"model": "mine", "messages": [{"role": "user", "content": "Hi"}], "stream": False}, **more))


def test_starting_and_stopping_leaves_nothing_behind(cli, serving):
    s, pid, sockets, before = serving, serving.process.pid, set(), None
    for i in range(N_CYCLES):
        assert chat(s)["message"]["content"] == "Hello w\u00f6rld"
        words = (cli.home / "logs/engine-mine.log").read_text().split()
        port = int(words[words.index("on") + 1])
        mine = {inode for inode, at in listeners().items() if at == port}
        assert mine and not mine & sockets  # else the look below sees nothing
        sockets |= mine
        s.json("POST", "/api/generate", {"model": "mine", "keep_alive": 0})
        wait_for(lambda: not s.json("GET", "/api/ps")["models"])
        wait_for(lambda: not processes_of(cli.folder))
        if i == 1:  # what is made once is there
            before = wait_for(lambda: (descriptors_of(pid), threads_of(pid), files_of(cli.folder)))
    assert not sockets & set(listeners())
    wait_for(lambda: len(descriptors_of(pid)) <= len(before[0]))
    assert threads_of(pid) < before[1] + min(8, N_CYCLES - 2)  # the pool of workers grows a little
    assert {f for f in files_of(cli.folder) - before[2] if not f.endswith(("-shm", "-wal"))} == set()


@pytest.mark.parametrize("victims", [("server",), ("guard",), ("inner",), ("server", "guard")], ids="-".join)
def test_nothing_is_left_of_an_engine_whoever_is_killed(cli, serving, victims):
    chat(serving)
    pids = processes_of(cli.folder)
    assert len(pids) == 3  # two guards and the engine
    parents = {p: int(open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[1]) for p in pids}
    guard, = (p for p in pids if parents[p] == serving.process.pid)
    inner, = (p for p in pids if parents[p] == guard)
    for name in victims:
        os.kill({"server": serving.process.pid, "guard": guard, "inner": inner}[name], signal.SIGKILL)
    wait_for(lambda: not processes_of(cli.folder))
    if "server" not in victims:  # and the next request gets another engine
        wait_for(lambda: serving.ask("POST", "/api/chat", {"model": "mine", "messages": [{"role": "user", "content": "Hi"}], "stream": False})[0] == 200)


def test_two_engines_of_one_profile_have_a_log_each(cli, serving):
    cli.ok("create", "other", "--from", "engine:mine#whole")
    for model in ("mine", "other"):
        chat(serving, model=model)
    logs = [cli.home / f"logs/engine-mine{n}.log" for n in ("", "-2")]
    ports = [p.read_text().split()[2] for p in logs]  # "starting on PORT"
    assert ports[0] != ports[1] and all(p.read_text().startswith("starting on ") and p.read_text().count("\n") == 1 for p in logs)
    for model in ("mine", "other"):
        serving.json("POST", "/api/generate", {"model": model, "keep_alive": 0})
    wait_for(lambda: not processes_of(cli.folder))
    chat(serving, model="other")  # the first one is free again
    assert logs[0].read_text().split()[2] != ports[0] and logs[1].read_text().split()[2] == ports[1]
    assert sorted(p.name for p in (cli.home / "logs").iterdir() if "engine" in p.name) == ["engine-mine-2.log", "engine-mine.log"]
