"""SIGINT and SIGTERM end whatever takes long, a limit of file sizes is a failed write.

Each command gets work of many seconds and the signal once it has used some processor time. Nothing is measured: a command
that did not look for signals would end later with another exit code (or be ended by the suite's limit).
"""
import fcntl
import os
import resource
import signal
import struct
import subprocess
import termios
import time

import pytest
from tiny_model import ARRAY, STRING, U32, key, text

GIB = 1 << 30
WORDS = ("The quick brown fox jumps over 12 lazy dogs, and nobody wonders why it does. " * 14 + "\n").encode()


def cpu_seconds(pid):
    """Of a process and its threads; None when it has ended."""
    try:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def signal_in_work(cli, number, *args, stdin=None):
    """Start a command, send the signal after 0.2 s of work, return how it ended."""
    p = subprocess.Popen([cli.program, *map(str, args)], env=cli.env, cwd=cli.folder, stdin=stdin or subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while (used := cpu_seconds(p.pid)) is not None and used < 0.2:
        time.sleep(0.01)
    p.send_signal(number)
    try:
        said = p.communicate(timeout=50)[1].decode()
    finally:
        p.kill()
    assert "error" not in said.lower(), said
    return p.returncode


def write_header(path, keys, infos, n_tensors, size):
    """A GGUF file whose rest is a hole."""
    with open(path, "wb") as f:
        f.write(struct.pack("<4sIQQ", b"GGUF", 3, n_tensors, len(keys)) + b"".join(keys) + infos)
        f.truncate(size)


@pytest.fixture(params=[200])
def many_words(tmp_path, request):
    """As many times 1.1 MB."""
    path = tmp_path / "many-words.txt"
    with open(path, "wb") as f:
        for _ in range(request.param):
            f.write(WORDS * 1000)
    yield path
    path.unlink()


@pytest.fixture
def many_keys(tmp_path):
    """A header of 2^31 empty strings, all of them zeros that take no room on disk."""
    path = tmp_path / "many-keys.gguf"
    head = [key("general.architecture", STRING, "llama"),
            text("tokenizer.ggml.tokens") + struct.pack("<IIQ", ARRAY, STRING, 1 << 31)]
    write_header(path, head, b"", 0, 16 * GIB + (1 << 20))
    yield path
    path.unlink()


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize("number, code", SIGNALS)
def test_reading_a_header_ends(cli, many_keys, number, code):
    assert signal_in_work(cli, number, "tokenize", many_keys, "x") == code


@pytest.mark.parametrize("number, code", SIGNALS)
def test_loading_for_an_answer_ends(cli, many_keys, number, code):
    assert signal_in_work(cli, number, "run", many_keys, "x") == code


@pytest.mark.parametrize("number, code", SIGNALS)
def test_tokenizing_ends(cli, many_words, number, code):
    model = cli.model()
    with open(many_words, "rb") as f:
        assert signal_in_work(cli, number, "tokenize", model, stdin=f) == code


@pytest.mark.parametrize("number, code", SIGNALS)
def test_printing_to_nobody_ends(cli, number, code):
    p = subprocess.Popen([cli.program, "tokenize", cli.model(), "x" * 100000], env=cli.env, cwd=cli.folder,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    held = bytearray(4)
    while p.poll() is None and int.from_bytes(held, "little") < 60000:  # until the pipe is full
        fcntl.ioctl(p.stdout, termios.FIONREAD, held)
        time.sleep(0.01)
    p.send_signal(number)
    try:
        assert p.wait(timeout=50) == code
    finally:
        p.kill()
        p.communicate()


@pytest.mark.parametrize("many_words", [50], indirect=True)
@pytest.mark.parametrize("number, code", SIGNALS)
def test_making_a_prompt_ends(cli, many_words, number, code):
    model = cli.model()
    with open(many_words, "rb") as f:
        assert signal_in_work(cli, number, "run", model, stdin=f) == code


@pytest.mark.parametrize("number, code", SIGNALS)
def test_scoring_ends(cli, many_words, number, code):
    assert signal_in_work(cli, number, "score", cli.model(), many_words) == code


@pytest.mark.parametrize("number, code", SIGNALS)
def test_an_answer_ends(cli, number, code):
    model = cli.model(["and on ", "it goes "], loop=True, n_ctx=1 << 20)
    assert signal_in_work(cli, number, "run", model, "--ctx", 200000, "go") == code


@pytest.mark.parametrize("number, code", SIGNALS)
def test_a_benchmark_ends(cli, number, code):
    model = cli.model(n_ctx=1 << 20)
    assert signal_in_work(cli, number, "bench", model, "-p", 64, "-n", 100000, "-r", 100) == code


@pytest.mark.parametrize("number, code", SIGNALS)
def test_an_import_ends_and_leaves_nothing(cli, number, code):
    path = cli.folder / "large.gguf"
    info = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4096, 2 << 20, 0, 0)
    write_header(path, [key("general.architecture", STRING, "llama"), key("llama.block_count", U32, 1)], info, 1, 33 * GIB)
    assert signal_in_work(cli, number, "import", path, "large") == code
    assert cli.ok("list", "--json").strip() == '{"models":[]}'
    blobs = cli.home / "models/blobs"
    assert not blobs.exists() or not list(blobs.iterdir())
    path.unlink()


def limited(cli, n_bytes, *args):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
    return subprocess.run([cli.program, *map(str, args)], env=cli.env, cwd=cli.folder, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, preexec_fn=limit)


def test_a_limit_of_file_sizes_is_a_failed_write(cli):
    model = cli.model()
    done = limited(cli, 64 << 10, "import", "--copy", model, "small")
    assert done.returncode == 4 and "File too large" in done.stderr, done.stderr
    assert cli.ok("list", "--json").strip() == '{"models":[]}'
    done = limited(cli, 0, "run", model, "-o", "temperature=0", "Hi. " * 200)
    assert (done.returncode, done.stdout) == (0, "Hello brave new world.\n"), done.stderr
