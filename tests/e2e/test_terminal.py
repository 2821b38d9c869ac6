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

from tiny_model import CHATML_THINK

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
    for send, expect in (("/help", "/load MODEL"), ("/? set", "/set parameter"), ("/set", "/set format"), ("/? shortcuts", "Ctrl-R"),
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


def typed(t, line):
    """Type a line at the prompt and give back what is shown until the next one."""
    t.send(line + "\r")
    t.until("\n")
    got = plain(t.until("\n>>> "))
    return got[:got.rindex("\n>>> ")].strip("\n")


def test_show_tells_what_is_in_force_and_where_it_comes_from(cli, chat):
    (cli.folder / "Modelfile").write_text("FROM x\nPARAMETER top_p 0.5\nPARAMETER temperature 0.7\nPARAMETER num_gpu 3\n"
                                          "PARAMETER stop A\nPARAMETER stop B\nSYSTEM be brief\n")
    cli.ok("import", cli.model(), "m", "-f", "Modelfile")
    t = Terminal(cli, "run", "m", "-o", "seed=11", "-c", "512", env={"HYPERLAMA_ENGINE_N_BATCH": "64"})
    t.until(">>> ")
    assert typed(t, "/set parameter temperature 0.25") == 'set temperature to "0.25"'
    rows = [re.split(r"  +", line.strip()) for line in typed(t, "/show parameters").split("\n")]
    rows = {name: [r for r in rows if r[0] == name] for name in {r[0] for r in rows}}
    assert rows["temperature"] == [["temperature", "0.25", "set here"]]
    assert rows["seed"] == [["seed", "11", "set here"]]
    assert rows["top_p"] == [["top_p", "0.5", "stored with the model"]]
    assert rows["top_k"] == [["top_k", "40", "default"]]
    assert rows["num_ctx"] == [["num_ctx", "512", "flag"]]
    assert rows["num_batch"] == [["num_batch", "64", "settings"]]
    assert rows["stop"] == [["stop", '"A"', "stored with the model"], ["stop", '"B"', "stored with the model"]]
    assert rows["num_gpu"] == [["num_gpu", "3", "stored with the model, without effect here"]]
    assert typed(t, "/show system") == "be brief"
    typed(t, "/set system You are a lighthouse keeper.")
    assert typed(t, "/show system") == "You are a lighthouse keeper."
    typed(t, "hi")
    modelfile = typed(t, "/show modelfile")
    for line in ("PARAMETER temperature 0.25", "PARAMETER top_p 0.5", "PARAMETER num_gpu 3", "PARAMETER seed 11",
                 'SYSTEM """You are a lighthouse keeper."""', "MESSAGE user hi", "MESSAGE assistant Hello brave new world."):
        assert line in modelfile, line
    assert "num_ctx" not in modelfile and "num_batch" not in modelfile  # a flag and a setting are no part of the model
    typed(t, "/set system")
    assert typed(t, "/show system") == "no system text"
    assert "lighthouse" not in typed(t, "/show") and "lighthouse" not in typed(t, "/show modelfile")
    t.send("/bye\r")
    assert t.end() == 0


def test_set_parameter_takes_words_and_says_what_it_did(chat):
    t = chat()
    assert typed(t, "/set parameter stop one two") == 'set stop to "one", "two"'
    assert typed(t, '/set parameter stop "a b" "c\\nd" e').startswith('set stop to "a b", "c\\nd", "e"')
    shown = typed(t, "/show parameters")
    assert re.findall(r"^stop +(.+?)  ", shown, re.M) == ['"a b"', '"c\\nd"', '"e"']  # instead of the first two
    assert typed(t, "hi") == "H"
    assert typed(t, '/set parameter stop "brave new"') == 'set stop to "brave new"'
    assert typed(t, "hi") == "Hello "
    for line, word in (("/set parameter foo 1", "unknown option 'foo'"), ("/set parameter temprature 1", "'temperature'"),
                       ("/set parameter num_gpu 1", "has no effect"), ("/set parameter top_k 1 2", "2 values"),
                       ("/set parameter top_p 7", "0..1"), ('/set parameter stop "open', "quotes"),
                       ("/set parameter temperature", "usage"), ("/set parameter", "usage")):
        got = typed(t, line).replace("\n", " ")
        assert got.startswith("error: ") and word in got and "error: set " not in got and " set " not in got.split("usage")[0], got
    for i in range(140):
        assert typed(t, f"/set parameter seed {i}") == f'set seed to "{i}"'
    assert typed(t, "/set parameter num_ctx 256") == "set num_ctx: the context holds 256 tokens from now on"


def test_every_set_says_what_it_did(chat):
    t = chat()
    assert "does not support thinking" in typed(t, "/set think").replace("\n", " ") and typed(t, "/set nothink").startswith("set nothink")
    t = chat(template=CHATML_THINK)
    for word in ("verbose", "quiet", "think", "nothink", "history", "nohistory", "wordwrap", "nowordwrap", "noformat"):
        assert typed(t, f"/set {word}").startswith(f"set {word}"), word
    assert "high" in typed(t, "/set think high") and typed(t, "/set think a-lot").startswith("error: ")
    assert typed(t, "/set format json") == "set format: answers keep to it" and typed(t, "/set format").startswith("error: ")
    assert typed(t, "/set format /none.json").startswith("error: ")


def test_a_question_that_does_not_fit_costs_nothing_but_itself(chat):
    t = chat("--ctx", "150", "--verbose")
    count = lambda text: int(re.search(r"prompt eval count: +(\d+)", text).group(1))  # noqa: E731
    first, second = count(typed(t, "hi")), count(typed(t, "hi"))
    got = typed(t, "word " * 60)
    assert got.startswith("error: ") and "150" in got
    assert count(typed(t, "hi")) == 2 * second - first
    assert "error: system text" in typed(t, "/set system " + "word " * 60)
    assert typed(t, "/show system") == "no system text"


def test_an_empty_answer_keeps_its_question(chat):
    t = chat("--verbose", pieces=())
    count = lambda text: int(re.search(r"prompt eval count: +(\d+)", text).group(1))  # noqa: E731
    first = count(typed(t, "hi"))
    assert count(typed(t, "hi")) > first + 10


def test_save_keeps_what_is_stored_and_what_was_said(cli, chat):
    import json
    (cli.folder / "Modelfile").write_text("FROM x\nPARAMETER temperature 0.7\nPARAMETER num_gpu 3\nPARAMETER stop A\nSYSTEM be brief\n"
                                          'TEMPLATE """{{ .Prompt }}\n"""\n'
                                          "LICENSE free\nPARSER p\nRENDERER r\n")
    cli.ok("import", cli.model(("say", "\0\0", "bye")), "m", "-f", "Modelfile")
    t = Terminal(cli, "run", "m", "-c", "512")
    t.until(">>> ")
    typed(t, "hi")
    typed(t, "/set parameter temperature 0")
    assert "saved as copy:latest" in typed(t, "/save copy")
    typed(t, "/clear")
    assert "saved as plain:latest" in typed(t, "/save plain")  # without the NUL, which no Modelfile can say
    t.send("/bye\r")
    assert t.end() == 0
    old, new = (json.loads(cli.ok("show", name, "--json")) for name in ("m", "copy"))
    assert new["parameters"] == dict(old["parameters"], temperature=0) and new["parameters"]["num_gpu"] == 3
    assert new["messages"] == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "say\0\0bye"}]
    for key in ("system", "template", "licenses"):
        assert new[key] == old[key] and new[key]
    for line in ("PARSER p", "RENDERER r"):
        assert line in cli.ok("show", "plain", "--modelfile")
    t = Terminal(cli, "run", "copy")
    t.until(">>> ")
    assert "say\\x00\\x00bye" in plain(t.seen)
    t.send("\x04")
    assert t.end() == 0


def test_help_and_errors_of_the_chat_break_between_words_and_stay_in_80_columns(chat):
    t = chat()
    for line in ("/?", "/? set", "/? show", "/? shortcuts", "/set parameter repeat_penalty 0", "/load ./no/such/model.gguf",
                 "/set parameter num_gpu 1", "/load a-model-with-a-name-that-is-long-but-not-there:at-all", "word " * 3000):
        t.send(line + "\r")
        if not line.startswith("word"):
            t.until("\n")
        for row in plain(t.until("\n>>> ")).split("\n"):
            assert len(row) <= 80 or row.startswith("word"), row


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
    # prompt and text fill two rows of 30 columns and a part of a third: two rows up, clear, draw again
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
