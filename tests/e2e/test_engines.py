"""Engines that are started for a model, over their whole life (host/remote/supervisor.c): what they leave behind.

HL_ENGINE_CYCLES says how often one is started and stopped (`make test-engines`: 100).
"""
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


def listening_ports():
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(table):
            rows = [line.split() for line in open(table).read().splitlines()[1:]]
            ports |= {int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == "0A"}
    return ports


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
        os.kill(pid, signal.SIGKILL)


def chat(s, **more):
    return s.json("POST", "/api/chat", dict({"model": "mine", "messages": [{"role": "user", "content": "Hi"}], "stream": False}, **more))


def test_starting_and_stopping_leaves_nothing_behind(cli, serving):
    s, pid, ports, before = serving, serving.process.pid, [], None
    for i in range(N_CYCLES):
        assert chat(s)["message"]["content"] == "Hello w\u00f6rld"
        words = (cli.home / "logs/engine-mine.log").read_text().split()
        ports.append(int(words[words.index("on") + 1]))
        assert ports[-1] in listening_ports()  # else the look below sees nothing
        s.json("POST", "/api/generate", {"model": "mine", "keep_alive": 0})
        wait_for(lambda: not s.json("GET", "/api/ps")["models"])
        wait_for(lambda: not processes_of(cli.folder))
        if i == 1:  # what is made once is there
            before = wait_for(lambda: (descriptors_of(pid), threads_of(pid), files_of(cli.folder)))
    assert len(set(ports)) > 1 and not set(ports) & listening_ports()
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
