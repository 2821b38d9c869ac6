"""README's first session, repeated to the letter with the model that it names."""
import hashlib
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import get_model  # noqa: E402
from test_clients import MODELS, client_module, server  # noqa: E402, F401 (a fixture)
from test_terminal import Terminal, plain  # noqa: E402

FILE = get_model.MEMBER.rsplit("/", 1)[1]
TIMES = re.compile(r"just now|\d+ (?:second|minute)s? ago")


def session(title="A session"):
    """What is typed at the shell, and what follows it up to the next command: [("hyperlama list", [lines]), ...]."""
    text = (ROOT / "README.md").read_text()
    part = text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    block = re.search(r"(?:^ {4}.*\n|^\n)+", part[part.index("\n    $ ") + 1:], re.M).group(0)
    commands = []
    for line in block.rstrip("\n").split("\n"):
        line = line[4:]
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line)
    return commands


def chat(cli, command, lines):
    """Type what stands behind >>> and give back what the terminal shows."""
    t = Terminal(cli, *command.split()[1:], columns=100)
    for typed in (line[4:] for line in lines if line.startswith(">>> ")):
        t.until(">>> ")
        t.send(typed + "\r")
    assert t.end() == 0
    return plain(t.seen).rstrip("\n").split("\n")


def test_the_first_session_is_true_to_the_letter(cli):
    model = pathlib.Path(os.environ.get("HL_TEST_MODELS", "/nonexistent")) / "smollm2-135m-q4_1.gguf"
    if not model.exists():
        pytest.skip("HL_TEST_MODELS has no smollm2-135m-q4_1.gguf")
    assert hashlib.sha256(model.read_bytes()).hexdigest() == get_model.MEMBER_SHA256
    (cli.folder / FILE).symlink_to(model)
    (cli.folder / "bin").mkdir()
    (cli.folder / "bin/hyperlama").symlink_to(cli.program)
    env = dict(cli.env, PATH=f"{cli.folder}/bin:{cli.env['PATH']}")
    commands = session()
    assert len(commands) >= 5 and any(c.startswith("hyperlama import ") for c, _ in commands)
    n_chats = 0
    for command, lines in commands:
        if any(line.startswith(">>> ") for line in lines):
            n_chats += 1
            shown = chat(cli, command, lines)
        else:
            done = subprocess.run(["sh", "-c", command], env=env, cwd=cli.folder, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=300)
            assert (done.returncode, done.stderr) == (0, ""), (command, done.stderr)
            shown = done.stdout.rstrip("\n").split("\n")
        assert [TIMES.sub("TIME", x) for x in shown] == [TIMES.sub("TIME", x) for x in lines], command
    assert n_chats == 1


def test_the_clients_answer_as_it_says(server):  # noqa: F811
    """On another port, and by another name of the model, that is all."""
    client_module("ollama")
    address, n = f"{server.host}:{server.port}", 0
    env = dict(os.environ, PYTHONPATH=str(MODELS / "clients"), OLLAMA_HOST=address, PATH=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
    for command, lines in session("Serve"):
        if not command.startswith("hyperlama serve"):
            done = subprocess.run(["sh", "-c", command.replace("127.0.0.1:11434", address)], env=env, capture_output=True, text=True, timeout=300)
            assert done.stdout.splitlines() == lines, (command, done.stderr)
            n += 1
    assert n == 3
