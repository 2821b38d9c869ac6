"""The guard of engines (cli/guard.h): whatever happens, nobody is left behind."""
import os
import re
import signal
import subprocess
import sys
import time

import pytest


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError("it did not happen")


# Three processes: the command, a child, and a grandchild that leaves its group and loses its parent.
FAMILY = """
import os, sys, time
child = os.fork()
if child == 0:
    grandchild = os.fork()
    if grandchild == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(1, b"pid %d\\n" % os.getpid())
            time.sleep(1000)
        os._exit(0)
    os.write(1, b"pid %d\\n" % os.getpid())
    time.sleep(1000)
os.write(1, b"pid %d\\n" % os.getpid())
time.sleep(1000)
"""


@pytest.fixture
def guard(cli, tmp_path):
    started = []

    def start(*command, stop_ms=3000):
        log = tmp_path / "engine.log"
        p = subprocess.Popen([cli.program, "--guard-engine", str(log), str(stop_ms), *command], stdin=subprocess.PIPE)
        started.append(p)
        return p, log
    yield start
    for p in started:
        p.kill()
        p.wait()
    log = tmp_path / "engine.log"  # of a guard that left somebody behind
    for pid in re.findall(r"^pid (\d+)$", log.read_text(), re.M) if log.exists() and log.stat().st_size < 4096 else []:
        if is_alive(int(pid)):
            os.kill(int(pid), signal.SIGKILL)


def pids_of(log, n):
    def look():
        found = [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("pid ")] if log.exists() else []
        return found if len(found) == n else None
    return wait_for(look)


def test_all_processes_end_when_the_parent_lets_go(guard):
    p, log = guard(sys.executable, "-c", FAMILY)
    pids = pids_of(log, 3)
    assert all(map(is_alive, pids))
    p.stdin.close()
    assert p.wait(20) == 128 + signal.SIGTERM
    assert not any(map(is_alive, pids))


def test_all_processes_end_when_the_parent_is_killed(cli, tmp_path):
    log = tmp_path / "engine.log"
    script = "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); print(p.pid, flush=True); time.sleep(1000)"
    parent = subprocess.Popen([sys.executable, "-c", script, cli.program, "--guard-engine", str(log), "3000", sys.executable, "-c", FAMILY],
                              stdout=subprocess.PIPE, text=True)
    guard_pid = int(parent.stdout.readline())
    pids = pids_of(log, 3)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not any(map(is_alive, pids + [guard_pid])))


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return list(map(int, f.read().split()))


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_all_processes_end_when_a_guard_itself_is_killed(guard, who):
    p, log = guard(sys.executable, "-c", FAMILY)
    pids = pids_of(log, 3)
    inner, = children_of(p.pid)
    os.kill(p.pid if who == "outer" else inner, signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, pids + [inner])))
    assert p.wait(20) == (-signal.SIGKILL if who == "outer" else 128 + signal.SIGKILL)


def test_all_processes_end_when_the_parent_and_its_guard_are_killed(cli, tmp_path):
    log = tmp_path / "engine.log"
    script = "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); print(p.pid, flush=True); time.sleep(1000)"
    parent = subprocess.Popen([sys.executable, "-c", script, cli.program, "--guard-engine", str(log), "3000", sys.executable, "-c", FAMILY],
                              stdout=subprocess.PIPE, text=True)
    guard_pid = int(parent.stdout.readline())
    pids = pids_of(log, 3) + children_of(guard_pid)
    os.kill(guard_pid, signal.SIGKILL)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not any(map(is_alive, pids)))


def test_the_command_has_no_descriptors_but_its_own(guard):
    p, log = guard(sys.executable, "-c", "import os; print('has', *sorted(f for f in map(int, os.listdir('/proc/self/fd')) if os.path.exists(f'/proc/self/fd/{f}')))")
    assert p.wait(20) == 0
    assert log.read_text() == "has 0 1 2\n"


def test_a_command_that_does_not_listen_is_killed(guard):
    script = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('pid', os.getpid(), flush=True); time.sleep(1000)"
    p, log = guard(sys.executable, "-c", script, stop_ms=200)
    pid, = pids_of(log, 1)
    p.stdin.close()
    assert p.wait(20) == 128 + signal.SIGKILL
    assert not is_alive(pid)


def test_its_end_is_the_guards_and_what_it_said_is_kept(guard):
    p, log = guard("sh", "-c", "echo said; echo complained >&2; exit 7")
    assert p.wait(20) == 7
    assert log.read_text() == "said\ncomplained\n"
    assert os.stat(log).st_mode & 0o777 == 0o600


def test_a_program_that_is_not_there_is_said_in_the_log(guard):
    p, log = guard("no-such-engine", "serve")
    assert p.wait(20) == 127
    assert log.read_text() == "no-such-engine: No such file or directory\n"


def test_a_chatty_engine_fills_no_disk(guard, tmp_path):
    p, log = guard(sys.executable, "-c", "import sys\nfor i in range(11): sys.stdout.write(('%07d ' % i) * (1 << 17) + '\\n')\nprint('last')")
    assert p.wait(30) == 0
    assert log.read_text().endswith("last\n")
    assert log.stat().st_size <= 4 << 20 and (tmp_path / "engine.log.1").stat().st_size <= 4 << 20
