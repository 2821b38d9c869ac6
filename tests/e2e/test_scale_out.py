"""Three nodes behind haproxy with the file of docs/scale-out: each in a network namespace where that may be made, else on a port."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BRIDGE = f"hl{os.getpid() % 100000}"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


class Networks:
    """A bridge of our own and a namespace for each node; without the right to that, ports of the loopback."""

    def __init__(self):
        self.made = shutil.which("ip") and os.getuid() == 0 and ip("link", "add", BRIDGE, "type", "bridge").returncode == 0
        self.names, octet = [], 1 + os.getpid() % 250
        self.net = f"10.207.{octet}"
        if self.made and (ip("addr", "add", f"{self.net}.254/24", "dev", BRIDGE).returncode or ip("link", "set", BRIDGE, "up").returncode or not self.add(1)):
            self.remove()
            self.made = False

    def add(self, i):
        name = f"{BRIDGE}n{i}"
        self.names.append(name)
        steps = (("netns", "add", name), ("link", "add", f"{BRIDGE}v{i}", "type", "veth", "peer", "name", "eth0", "netns", name),
                 ("link", "set", f"{BRIDGE}v{i}", "master", BRIDGE, "up"), ("-n", name, "addr", "add", f"{self.net}.{i}/24", "dev", "eth0"),
                 ("-n", name, "link", "set", "eth0", "up"), ("-n", name, "link", "set", "lo", "up"))
        return all(ip(*step).returncode == 0 for step in steps)

    def place(self, i):
        """(what stands before the command, address)"""
        if not self.made:
            return [], f"127.0.0.1:{free_port()}"
        assert i == 1 or self.add(i)
        return ["ip", "netns", "exec", self.names[i - 1]], f"{self.net}.{i}:11434"

    def remove(self):
        for name in self.names:
            ip("netns", "del", name)
        ip("link", "del", BRIDGE)


class Node:
    def __init__(self, cli, prefix, address, i):
        self.address = address
        env = dict(cli.env, HYPERLAMA_SERVER_HOST=address, HYPERLAMA_SERVER_ALLOW_REMOTE="yes", HYPERLAMA_SERVER_LEAVE_S="2")
        self.process = subprocess.Popen([*prefix, cli.program, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert "listening" in self.process.stdout.readline()


@pytest.fixture
def cluster(cli):
    if not shutil.which("haproxy"):
        pytest.fail("haproxy is not installed: make deps installs it")
    cli.model(["tick "] * 60, name="tiny", n_ctx=4096)
    cli.ok("import", "tiny.gguf", "tiny")
    networks = Networks()
    nodes = [Node(cli, *networks.place(i), i) for i in (1, 2, 3)]
    front = free_port()
    env = dict(cli.env, HYPERLAMA_FRONT=f"127.0.0.1:{front}", **{f"HYPERLAMA_NODE_{i + 1}": n.address for i, n in enumerate(nodes)})
    proxy = subprocess.Popen(["haproxy", "-f", str(ROOT / "docs/scale-out/haproxy.cfg")], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end, seen = time.monotonic() + 60, set()
        while not {"n1", "n2", "n3"} <= seen:
            assert time.monotonic() < end, f"haproxy sends on to {seen} alone"
            seen.add(ask(front, f"ready? {time.monotonic()}", 1)[1])
        yield front, nodes
    finally:
        for p in [proxy] + [n.process for n in nodes]:
            p.kill()
            p.wait()
        networks.remove()


def ask(port, first, n=16, stream=False, turns=1):
    """(status or None where the connection broke, node, whether the answer is whole)"""
    messages = [{"role": "user", "content": first}] + [{"role": ("assistant", "user")[i % 2], "content": f"turn {i}"} for i in range(2 * (turns - 1))]
    body = json.dumps({"model": "tiny", "messages": messages, "max_tokens": n, "stream": stream, "temperature": 0})
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    node = None
    try:
        c.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        r = c.getresponse()
        node, said = r.getheader("X-Node"), r.read()
        whole = said.endswith(b"data: [DONE]\n\n") if stream else r.status == 200 and json.loads(said)["choices"][0]["finish_reason"] == "length"
        return r.status, node, whole
    except (OSError, http.client.HTTPException):
        return None, node, False
    finally:
        c.close()


def test_conversations_stay_on_their_node_and_all_nodes_are_used(cluster):
    front, _ = cluster
    of = {}
    for turns in (1, 2, 3):
        for i in range(24):
            status, node, whole = ask(front, f"conversation {i}", turns=turns)
            assert (status, whole) == (200, True)
            of.setdefault(i, []).append(node)
    assert all(len(set(nodes)) == 1 for nodes in of.values())
    assert {nodes[0] for nodes in of.values()} == {"n1", "n2", "n3"}


def test_a_killed_node_loses_only_what_it_was_answering(cluster):
    front, nodes = cluster
    results, stop, lock = [], threading.Event(), threading.Lock()

    def client(k):
        i = 0
        while not stop.is_set():
            began = time.monotonic()
            got = ask(front, f"client {k} request {i}", n=48, stream=i % 2 == 0)
            with lock:
                results.append((began, time.monotonic(), *got))
            i += 1
    clients = [threading.Thread(target=client, args=(k,), daemon=True) for k in range(6)]
    for c in clients:
        c.start()
    while len(results) < 30:
        time.sleep(0.01)
    killed = time.monotonic()
    nodes[1].process.send_signal(signal.SIGKILL)
    nodes[1].process.wait()
    gone = time.monotonic()
    while len([r for r in results if r[0] > killed + 2]) < 30:
        time.sleep(0.01)
    stop.set()
    for c in clients:
        c.join()
    lost = [r for r in results if not r[4]]
    # only requests that were on their way then, one of each client at most; each ended with an error, none hung
    assert len(lost) <= len(clients) and all(r[0] <= gone and killed <= r[1] for r in lost), lost
    assert all(r[2] in (None, 502, 503, 504, 200) for r in lost)
    assert all(r[3] != "n2" for r in results if r[0] > killed + 2)
    assert all(r[4] for r in results if r[0] > gone)


def test_a_node_that_is_told_to_stop_loses_nothing(cluster):
    front, nodes = cluster
    results, stop = [], threading.Event()

    def client(k):
        i = 0
        while not stop.is_set():
            results.append(ask(front, f"client {k} request {i}", n=48, stream=i % 2 == 0))
            i += 1
    clients = [threading.Thread(target=client, args=(k,), daemon=True) for k in range(4)]
    for c in clients:
        c.start()
    while len(results) < 12:
        time.sleep(0.01)
    nodes[0].process.send_signal(signal.SIGTERM)
    assert nodes[0].process.wait(60) == 128 + signal.SIGTERM
    n = len(results)
    while len(results) < n + 12:
        time.sleep(0.01)
    stop.set()
    for c in clients:
        c.join()
    assert all((status, whole) == (200, True) for status, _, whole in results), [r for r in results if not r[2]]
