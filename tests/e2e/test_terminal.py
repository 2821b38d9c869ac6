"""The chat, on a pseudo-terminal: keys go in, a screen's bytes come out."""
import fcntl
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import termios
import time

import pytest

CSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]|\x1b\][^\x07]*\x07|\x1b[()][0-9A-B]")


class Terminal:
    def __init__(self, cli, *args, env=None, columns=80):
        self.master, slave = pty.openpty()
        self.resize(columns, slave)
        self.seen = self.pending = ""
        self.process = subprocess.Popen([cli.program, *map(str, args)], stdin=slave, stdout=slave, stderr=slave,
                                        env=dict(cli.env, **(env or {})), close_fds=True, cwd=cli.folder,
                                        preexec_fn=lambda: self.lead(slave))
        os.close(slave)

    @staticmethod
    def lead(slave):
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    def resize(self, columns, fd=None):
        fcntl.ioctl(self.master if fd is None else fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self, timeout=0.2):
        """What came since the last call, escape sequences and all."""
        out, end = b"", time.monotonic() + 5 * timeout
        while time.monotonic() < end and select.select([self.master], [], [], timeout)[0]:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                break
            if not chunk:
                break
            out += chunk
        text = out.decode("utf-8", "replace")
        self.seen += text
        return text

    def until(self, text, timeout=120):
        """Read until `text` appears among what is plain; takes and returns all up to there, escape sequences and all."""
        end, i = time.monotonic() + timeout, 0
        while True:
            while (i := self.pending.find(text[-1], i)) >= 0:
                i += 1
                if plain(self.pending[max(0, i - 500):i]).endswith(text):
                    got, self.pending = self.pending[:i], self.pending[i:]
                    return got
            i = len(self.pending)
            if time.monotonic() > end:
                raise AssertionError(f"no {text!r} in {self.pending!r}")
            self.pending += self.read(0.05)

    def end(self, timeout=120):  # only to end what hangs: a sanitizer looks for leaks first
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read(0.05)
        self.read(0.05)
        status = self.process.poll()
        if status is None:
            self.process.kill()
        os.close(self.master)
        return status


def plain(text):
    return CSI.sub("", text).replace("\r", "")


@pytest.fixture
def chat(cli):
    """A chat with a tiny model, at its first prompt."""
    opened = []

    def start(*args, pieces=("Hello", " brave", " new", " world."), env=None, columns=80, **kw):
        t = Terminal(cli, "run", cli.model(pieces, **kw), *args, env=env, columns=columns)
        opened.append(t)
        t.until(">>> ")
        return t

    yield start
    for t in opened:
        if t.process.poll() is None:
            t.process.kill()
            t.process.wait()


def test_a_question_is_answered_and_bye_leaves(chat):
    t = chat()
    t.send("hi\r")
    assert "Hello brave new world." in plain(t.until("world.\n\n>>> "))
    t.send("/bye\r")
    assert t.end() == 0


def test_ctrl_d_leaves(chat):
    t = chat()
    t.send("\x04")
    assert t.end() == 0


def test_ctrl_c_at_the_prompt_says_how_to_leave(chat):
    t = chat()
    t.send("\x03")
    t.until("Ctrl-D or /bye")
    t.until(">>> ")
    t.send("abc\x03")
    t.until("Ctrl-D or /bye") # the terminal drops what was typed before the signal: wait until it is handled
    t.until(">>> ")
    t.send("hi\r")
    t.until("world.")
    t.send("\x04")
    assert t.end() == 0


def test_ctrl_c_stops_the_answer_and_not_the_program(chat):
    t = chat("--ctx", "1000000", loop=True, n_ctx=1 << 20, pieces=("All", " work", " no", " play.\n"))
    t.send("hi\r")
    t.until("no play.")
    t.send("\x03")
    t.until(">>> ")
    t.send("/set parameter num_predict 2\r")
    t.until("num_predict")
    t.send("again\r")
    t.until("All work")
    t.until(">>> ")
    t.send("/bye\r")
    assert t.end() == 0


def test_control_characters_of_the_model_never_reach_the_terminal(chat):
    t = chat(pieces=("one", "\x1b]0;owned\x07", "\x1b[31m", "\u009b31m", "two", "\x08\x08", "\x7f" * 2, "three"))
    t.send("hi\r")
    got = t.until("three")
    assert "\x1b]0;" not in got and "\x1b[31m" not in got and "\x07" not in got and "\u009b" not in got and "\x08" not in got
    assert "two" in got and "\ufffd" in got


def test_long_lines_break_between_words(chat):
    t = chat(columns=30, pieces=tuple(f" word{i:02d}" for i in range(20)))
    t.send("hi\r")
    got = t.until("word19")
    # Replay the erasing of moved words: n columns left, erase to the end of the line.
    lines = [""]
    for part in re.split(r"(\x1b\[\d+D\x1b\[K|\n)", got.replace("\r", "")):
        if part == "\n":
            lines.append("")
        elif m := re.match(r"\x1b\[(\d+)D", part):
            lines[-1] = lines[-1][:-int(m.group(1))]
        else:
            lines[-1] += CSI.sub("", part)
    body = [x for x in lines if "word" in x]
    assert len(body) >= 5 and all(len(x) < 30 for x in body)
    assert re.findall(r"\w+", " ".join(body)) == [f"word{i:02d}" for i in range(20)]


def test_wrapping_can_be_switched_off(chat):
    t = chat("--nowordwrap", columns=30, pieces=tuple(f" word{i:02d}" for i in range(20)))
    t.send("hi\r")
    got = t.until("word19")
    assert " ".join(f"word{i:02d}" for i in range(20)) in plain(got)


def test_a_dumb_terminal_gets_no_escape_sequences_from_an_answer(cli):
    t = Terminal(cli, "run", cli.model(("<think>", "hm", "</think>", " a", " b")), "hi", env={"TERM": "dumb"}, columns=20)
    assert t.end() == 0 and "\x1b" not in t.seen and " b" in t.seen


def test_no_color_means_no_colours(cli):
    t = Terminal(cli, "run", cli.model(("<think>", "hm", "</think>", " a", " b")), "hi", env={"NO_COLOR": "1"})
    assert t.end() == 0 and "\x1b[90m" not in t.seen


def test_pasted_lines_do_not_submit(chat):
    t = chat("--verbose")
    t.send("\x1b[200~one\ntwo\r\nthree\x1b[0m\x1b[201~")
    time.sleep(0.3)
    assert "Hello" not in t.read()
    t.send("\r")
    t.until("Hello")
    # "one\ntwo\nthree[0m", the escape byte gone, in the chat template
    n = len("user\n") + len("one\ntwo\nthree[0m") + len("\n") + len("assistant\n") + 3
    assert f"prompt eval count:    {n} token" in plain(t.until("eval rate") + t.until(">>> "))


def test_three_quotes_begin_and_end_a_text_of_several_lines(chat):
    t = chat("--verbose")
    t.send('"""one\r')
    t.until("... ")
    t.send('two"""\r')
    got = plain(t.until("eval count") + t.until(">>> "))
    n = len("user\n") + len("one\ntwo") + len("\n") + len("assistant\n") + 3
    assert f"prompt eval count:    {n} token" in got


def test_history_is_private_and_comes_back(cli, chat):
    t = chat()
    t.send("first question\r")
    t.until("world.")
    t.until(">>> ")
    t.send("/bye\r")
    assert t.end() == 0
    path = cli.home / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines() == ["first question", "/bye"]
    t = chat()
    t.send("\x1b[A\x1b[A")
    t.until("first question")
    t.send("\r")
    t.until("Hello")
    t.until(">>> ")
    t.send("\x04")
    assert t.end() == 0


def test_history_can_be_switched_off(cli, chat):
    t = chat(env={"OLLAMA_NOHISTORY": "1"})
    t.send("secret\r")
    t.until("world.")
    t.until(">>> ")
    t.send("/bye\r")
    assert t.end() == 0 and not (cli.home / "history").exists()
    t = chat()
    t.send("/set nohistory\r")
    t.until("\n>>> ")
    t.send("secret\r")
    t.until("world.")
    t.until(">>> ")
    t.send("/bye\r")
    assert t.end() == 0 and "secret" not in (cli.home / "history").read_text()


def test_slash_commands(cli, chat):
    cli.ok("import", cli.model(("Other",), name="other"), "other")
    t = chat()
    for send, expect in (("/help", "/load MODEL"), ("/? set", "/set parameter"), ("/? shortcuts", "Ctrl-R"),
                         ("/show", "architecture"), ("/show template", "<|im_start|>"), ("/show modelfile", "FROM"),
                         ("/set parameter temperature 0.5", "temperature"), ("/set parameter top_p 7", "0..1"),
                         ("/set parameter nonsense 7", "unknown option"),
                         ("/hlep", "did you mean '/help'"), ("/set verbos", "did you mean"), ("/list", "other:latest"),
                         ("/clear", "forgotten"), ("/load absent", "not found"), ("/load other", "other:latest, context"),
                         ("/set system be brief", "set system text"), ("hi", "Other"), ("/save copy", "saved as copy:latest")):
        t.send(send + "\r")
        t.until(expect)
        t.until(">>> ")
    t.send("/bye\r")
    assert t.end() == 0
    import json
    shown = json.loads(cli.ok("show", "copy", "--json"))
    assert shown["system"] == "be brief" and shown["parameters"] == {"temperature": 0.5}
    assert [m["role"] for m in shown["messages"]] == ["user", "assistant"]


def test_a_chat_that_outgrows_its_context_loses_its_oldest_turns(chat):
    t = chat("--ctx", "160", "--system", "stay")
    for i in range(4):
        t.send(f"question {i} " + "x" * 40 + "\r")
        t.until("world.")
        t.until(">>> ")
    assert "outgrew the context of 160 tokens" in plain(t.seen)
    t.send("y" * 300 + "\r")
    t.until("error:")
    t.until(">>> ")
    t.send("ok\r")
    t.until("world.")
    t.send("\x04")
    assert t.end() == 0


def test_ctrl_z_stops_and_continues(chat):
    t = chat()
    t.send("\x1a")
    deadline = time.monotonic() + 10
    state = ""
    while time.monotonic() < deadline and state != "T":
        state = open(f"/proc/{t.process.pid}/stat").read().rsplit(")", 1)[1].split()[0]
        t.read(0.05)
    assert state == "T"
    os.kill(t.process.pid, signal.SIGCONT)
    time.sleep(0.2)
    t.send("hi\r")
    t.until("Hello brave new world.")
    t.send("\x04")
    assert t.end() == 0


def test_a_resized_window_changes_the_wrapping(chat):
    t = chat(columns=200, pieces=tuple(f" word{i:02d}" for i in range(20)))
    t.resize(30)
    time.sleep(0.2)
    t.send("hi\r")
    assert "\x1b[K\r\n" in t.until("word19")
    t.send("\x04")
    assert t.end() == 0


def test_a_resize_while_typing_clears_what_was_drawn(chat):
    t = chat(columns=80)
    t.send("x" * 60)
    t.until("x" * 60)
    t.resize(30)
    # prompt and text fill two rows of 30 columns and a part of a third: two rows up, clear, draw anew
    assert "\r\x1b[2A\x1b[J" in t.until(">>> " + "x" * 26)
    t.resize(100)
    got = t.until(">>> " + "x" * 60)
    assert "\r\x1b[J" in got and "\x1b[1A" not in got
    t.send("\r")
    t.until("world.")


def test_ctrl_g_opens_an_editor_and_takes_what_it_leaves(cli, chat):
    editor = cli.folder / "my editor"
    editor.write_text("#!/bin/sh\ncat \"$2\" > seen\nls -l \"$2\" > mode\nprintf 'two\\nlines\\033[31m\\n\\n' > \"$2\"\n")
    editor.chmod(0o755)
    t = chat(env={"EDITOR": "false", "VISUAL": f"'{editor}' -x"})
    t.send("draft äö")
    t.until("draft äö")
    t.send("\x07")
    t.until("lines[31m")
    t.send("\r")
    t.until("world.")
    t.send("\x04")
    assert t.end() == 0
    assert (cli.folder / "seen").read_text() == "draft äö" and (cli.folder / "mode").read_text().startswith("-rw-------")
    assert (cli.home / "history").read_text() == "two\\nlines[31m\n"
    assert not list(cli.folder.glob("hyperlama-*"))


def test_an_editor_that_fails_leaves_the_line_as_it_was(cli, chat):
    t = chat(env={"EDITOR": "false"})
    t.send("hi\x07")
    t.until("editor 'false' ended with 1")
    t.until(">>> hi")
    t.send("\r")
    t.until("Hello brave new world.")


def test_a_request_to_end_is_heard_at_the_prompt_and_during_an_answer(chat):
    t = chat()
    t.process.send_signal(signal.SIGTERM)
    assert t.end() == 143
    t = chat("--ctx", "1000000", loop=True, n_ctx=1 << 20, pieces=("All", " work", " no", " play.\n"))
    t.send("hi\r")
    t.until("no play.")
    t.process.send_signal(signal.SIGTERM)
    assert t.end() == 143


def test_a_terminal_that_goes_away_ends_the_chat(chat):
    t = chat()
    os.close(t.master)
    t.process.wait(20)
    t.master = os.open("/dev/null", os.O_RDONLY)


def test_ctrl_j_begins_a_new_line(cli, chat):
    t = chat()
    t.send("one\ntwo\r")
    t.until("world.")
    t.send("\x04")
    assert t.end() == 0 and (cli.home / "history").read_text() == "one\\ntwo\n"


def test_typed_umlauts_and_emoji_arrive(cli, chat):
    t = chat("--verbose")
    t.send("äö🙂\r")
    n = len("user\n") + len("äö🙂".encode()) + len("\n") + len("assistant\n") + 3
    assert f"prompt eval count:    {n} token" in plain(t.until("eval count") + t.until(">>> "))
