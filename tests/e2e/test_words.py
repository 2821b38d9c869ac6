"""Whatever a file says, no control character of it reaches a terminal: not through a message, a log, a listing, an answer.

Every place that can hold words is filled with all of them at once; then all commands run on a terminal and into pipes,
and the raw bytes are looked at. The terminal is "dumb", so that the program itself has no reason to write escapes.
"""
import hashlib
import json
import os
import pty
import subprocess

import pytest
from tiny_model import ARRAY, STRING, U32

HIDDEN = ([*range(0x20), 0x7F, *range(0x80, 0xA0), 0xAD, 0x34F, 0x61C, 0x115F, 0x180E, *range(0x200B, 0x2010),
           *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0x3164, 0xFEFF, 0xFFF9, 0xE0041])
STEERS = [c for c in HIDDEN if c not in (0xAD, 0x180E, 0x200B, 0x200C, 0x200D)]  # what paragraphs must not hold, either
CHARACTERS = "a\x1b]0;title\x07\x1b[31m\x1b]52;c;QUJD\x1b\\" + "".join(map(chr, HIDDEN[1:])) + "\nFAKE: z"
BYTES = b"a\x1b]0;t\x07\x9b31m\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x80\x00\x1b[2J\nFAKE: z"
PARAGRAPHS = "--template", "--system", "--license", "--modelfile"
TWO = pytest.mark.parametrize("words", [CHARACTERS, BYTES], ids=["characters", "bytes"])


def on_terminal(cli, *args):
    """Everything that reaches the terminal; standard input is empty."""
    main, end = pty.openpty()
    p = subprocess.Popen([cli.program, *map(str, args)], env=dict(cli.env, TERM="dumb", NO_COLOR="1"), cwd=cli.folder,
                         stdin=subprocess.DEVNULL, stdout=end, stderr=end)
    os.close(end)
    said = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # nobody is at the other end any more
            break
        if not part:
            break
        said += part
    os.close(main)
    assert p.wait(timeout=60) >= 0, f"{args}: ended by signal {-p.returncode}"
    return said.replace(b"\r\n", b"\n")


def check(said, where, allowed="\n\t"):
    """No byte that is no UTF-8, no character that steers, and no line of the file's making."""
    text = said.decode()  # strict
    seen = {hex(ord(c)) for c in text if ord(c) in STEERS and c not in allowed}
    assert not seen, f"{where}: {seen} in {text!r}"
    return text


def run_all(cli, *commands):
    """Each on a terminal and into pipes; standard error must be clean in both, standard output where it is no raw text."""
    for command in commands:
        is_paragraph = command[0] in ("run", "template") or any(a in PARAGRAPHS for a in command)
        text = check(on_terminal(cli, *command), command)
        if not is_paragraph or "--json" in command:
            assert not any(line.startswith("FAKE") for line in text.split("\n")), (command, text)
        done = cli(*command, text=False)
        assert done.returncode >= 0, command
        said = check(done.stderr, command)
        assert not any(line.startswith("FAKE") for line in said.split("\n")), (command, said)
        if not is_paragraph or "--json" in command:
            check(done.stdout, command)
        if "--json" in command and done.returncode == 0:
            for line in done.stdout.splitlines():
                json.loads(line)


def commands_on(model):
    return [["run", model, "hi"], ["run", model, "--verbose", "hi"], ["tokenize", model, "x y"], ["tokenize", "--json", model, "x"],
            ["template", model, "--messages", "messages.json"], ["template", "--json", model, "--messages", "messages.json"],
            ["show", model], ["show", "--verbose", model], ["show", "--json", "--verbose", model], ["show", "--template", model],
            ["score", model, "text.txt"], ["bench", model, "-p", "4", "-n", "2", "-r", "1"],
            ["import", model, "imported:1"], ["list"], ["show", "imported:1"], ["rm", "imported:1"]]


PLACES = {"architecture": ("general.architecture", STRING), "name": ("general.name", STRING),
          "tokenizer": ("tokenizer.ggml.model", STRING), "pre-tokenizer": ("tokenizer.ggml.pre", STRING),
          "rope": ("llama.rope.scaling.type", STRING), "other value": ("general.description", STRING),
          "array": ("general.tags", ARRAY), "merges": ("tokenizer.ggml.merges", ARRAY),
          "template": ("tokenizer.chat_template", STRING)}


@TWO
@pytest.mark.parametrize("place", PLACES)
def test_values_of_a_file(cli, place, words):
    name, kind = PLACES[place]
    model = cli.model(other_keys={name: (kind, (STRING, [words, words]) if kind == ARRAY else words)})
    (cli.folder / "messages.json").write_text('[{"role":"user","content":"x"}]')
    (cli.folder / "text.txt").write_text("some text\n")
    run_all(cli, *commands_on(model))


@TWO
def test_keys_and_tensors_with_such_names_are_refused_in_clean_words(cli, words):
    messages = '[{"role":"user","content":"x"}]'
    (cli.folder / "messages.json").write_text(messages)
    (cli.folder / "text.txt").write_text("some text\n")
    raw = words.encode() if isinstance(words, str) else words
    key = cli.model(other_keys={words[:60] if isinstance(words, str) else words: (U32, 1)}, name="key")
    tensor = cli.model(name="tensor")
    data = tensor.read_bytes()
    tensor.write_bytes(data.replace(b"blk.0.ffn_norm.weight", (b"blk" + raw)[:20] + b"!"))
    for model in (key, tensor):
        done = cli("show", model, text=False)
        assert done.returncode == 5, done
        run_all(cli, *commands_on(model))


@pytest.mark.parametrize("how", ["raise_exception(messages[0].content)", "messages[0].content|nothing", "none + messages[0].content",
                                 "{}[messages[0].content].x", "messages[0].content|strftime"])
def test_errors_of_templates(cli, how):
    model = cli.model(template="{{ " + how + " }}")
    (cli.folder / "messages.json").write_text(json.dumps([{"role": "user", "content": CHARACTERS}]))
    (cli.folder / "text.txt").write_text("some text\n")
    (cli.folder / "t.jinja").write_text("{{ raise_exception('" + CHARACTERS.replace("\n", "") + "') }}")
    run_all(cli, *commands_on(model), ["template", "t.jinja", "--messages", "messages.json"],
            ["run", model, CHARACTERS.replace("\0", "")])


def store_layer(cli, kind, data):
    """Add a layer to the stored model one:1, as a registry might serve it."""
    models = cli.home / "models"
    manifest = models / "manifests/registry.ollama.ai/library/one/1"
    digest = hashlib.sha256(data).hexdigest()
    (models / f"blobs/sha256-{digest}").write_bytes(data)
    m = json.loads(manifest.read_text())
    m["layers"].append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)})
    manifest.write_text(json.dumps(m))


STORED = [["show", "one:1"], ["show", "--verbose", "one:1"], ["show", "--json", "one:1"], ["show", "--parameters", "one:1"],
          ["show", "--system", "one:1"], ["show", "--license", "one:1"], ["show", "--template", "one:1"],
          ["show", "--modelfile", "one:1"], ["list"], ["list", "--json"], ["doctor"], ["doctor", "--json"],
          ["run", "one:1", "hi"], ["template", "one:1", "--messages", "messages.json"], ["rm", "one:1"]]


@pytest.mark.parametrize("kind, make", [
    ("params", lambda w: json.dumps({w: 1, "temperature": 0.5}).encode()),
    ("params", lambda w: json.dumps({"stop": [w]}).encode()),
    ("params", lambda w: json.dumps({"temperature": w}).encode()),
    ("params", lambda w: b"{" + BYTES),
    ("system", lambda w: w.encode()), ("system", lambda w: BYTES), ("license", lambda w: w.encode()),
    ("template", lambda w: ("{{ .Prompt }}" + w).encode()), ("template", lambda w: ("{{ ." + w + " }}").encode()),
    ("messages", lambda w: json.dumps([{"role": w, "content": w}]).encode()),
    ("messages", lambda w: json.dumps([{"role": "user", "content": w}]).encode()),
    (CHARACTERS[:30], lambda w: w.encode())])
def test_words_of_a_registry(cli, kind, make):
    cli.ok("import", cli.model(), "one:1")
    (cli.folder / "messages.json").write_text('[{"role":"user","content":"x"}]')
    store_layer(cli, kind, make(CHARACTERS))
    run_all(cli, *STORED)


@TWO
def test_words_of_a_config_layer(cli, words):
    cli.ok("import", cli.model(), "one:1")
    (cli.folder / "messages.json").write_text("[]")
    manifest = cli.home / "models/manifests/registry.ollama.ai/library/one/1"
    m = json.loads(manifest.read_text())
    raw = words if isinstance(words, str) else words.decode("latin-1")
    data = json.dumps(dict.fromkeys(["model_format", "model_family", "model_type", "file_type"], raw)).encode()
    digest = hashlib.sha256(data).hexdigest()
    (cli.home / f"models/blobs/sha256-{digest}").write_bytes(data)
    m["config"] = {"mediaType": raw, "digest": f"sha256:{digest}", "size": len(data)}
    manifest.write_text(json.dumps(m))
    run_all(cli, *STORED)


@TWO
@pytest.mark.parametrize("line", ["FROM %s", "FROM tiny.gguf\nPARAMETER %s 1", "FROM tiny.gguf\nPARAMETER stop %s", "%s",
                                  "FROM tiny.gguf\nMESSAGE %s x", "FROM tiny.gguf\nREQUIRES %s", "FROM tiny.gguf\nADAPTER %s"])
def test_words_of_a_modelfile(cli, line, words):
    cli.model()
    raw = words.encode() if isinstance(words, str) else words
    (cli.folder / "Modelfile").write_bytes(line.encode() % raw.replace(b"\n", b"").replace(b"\r", b"") + b"\n")
    (cli.folder / "messages.json").write_text("[]")
    run_all(cli, ["import", "-f", "Modelfile", "tiny.gguf", "one:1"], *STORED)


@TWO
def test_words_of_settings(cli, words):
    raw = (words.encode() if isinstance(words, str) else words).replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")
    for line in (b"[engine]\ncpu = " + raw, b"[" + raw + b"]\nx = 1", raw + b" = 1", b"[engine]\n" + raw + b" = 1"):
        (cli.folder / "settings.ini").write_bytes(line + b"\n")
        run_all(cli, ["config"], ["config", "--json"], ["doctor"], ["info"], ["list"], ["run", "x", "y"])


def test_words_of_the_command_line_and_the_environment(cli):
    w = CHARACTERS.replace("\0", "").replace("/", "")
    run_all(cli, ["show", w], ["run", w, "x"], ["rm", w], ["import", w, "x"], ["import", "x.gguf", w], [w], ["run", "--" + w, "x"],
            ["run", "-o", w + "=1", "x", "y"], ["run", "-o", "temperature=" + w, "x", "y"], ["completion", w], ["help", w],
            ["tokenize", w, "x"], ["score", "x", w], ["template", w], ["config", w], ["bench", w])
    model = cli.model()
    odd = cli.folder / (w[:40] + ".gguf")
    odd.write_bytes(model.read_bytes())
    (cli.folder / "messages.json").write_text("[]")
    (cli.folder / "text.txt").write_text("some text\n")
    run_all(cli, *commands_on(odd))
    cli.env["HYPERLAMA_HOME"] = str(cli.folder / w[:40])
    run_all(cli, ["info"], ["doctor"], ["list"], ["config"])


def test_answers_on_a_terminal(cli):
    model = cli.model([bytes([b]) for b in BYTES if b] + [c.encode() for c in "".join(map(chr, HIDDEN[1:]))] + ["end"])
    said = on_terminal(cli, "run", model, "-o", "temperature=0", "hi").decode()
    assert not [hex(ord(c)) for c in said if ord(c) in STEERS and c not in "\n\t"]
    assert "end" in said
