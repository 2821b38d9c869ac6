"""create: a model from a Modelfile, from flags, from another model, over HTTP and with the official client."""
import hashlib
import json
import os
import signal
import subprocess
import time

import pytest

import tiny_model
from test_clients import client_module
from test_serve import Server

GO = '{{ if .System }}S:{{ .System }};{{ end }}{{ range .Messages }}{{ .Role }}:{{ .Content }};{{ end }}'
FULL = f'''# all of it
FROM ./tiny.gguf
from mmproj.gguf
PARAMETER temperature 0.25
parameter stop "<a b>"
PARAMETER stop end
PARAMETER num_ctx 512
TEMPLATE """{GO}"""
SYSTEM """You are
"terse"."""
LICENSE MIT
LICENSE """second
text"""
MESSAGE user Hi there
MESSAGE assistant "Yes?"
REQUIRES 0.14.0
RENDERER a-renderer
PARSER a-parser
'''


def typed(path, kind):
    tiny_model.make(path, ("x",), other_keys={"general.type": (tiny_model.STRING, kind)})
    return path


def show(cli, name):
    return json.loads(cli.ok("show", "--json", name))


def layers(cli, name, kind):
    return [l["digest"] for l in show(cli, name)["layers"] if l["media_type"].endswith("image." + kind)]


def write(cli, text, name="Modelfile"):
    (cli.folder / name).write_text(text)


def test_every_instruction_is_kept_and_said_again(cli):
    cli.model()
    typed(cli.folder / "mmproj.gguf", "mmproj")
    write(cli, FULL)
    assert cli.ok("create", "Full:1").startswith("created 'Full:1' (llama, ")
    one = show(cli, "full:1")
    assert one["parameters"] == {"temperature": 0.25, "stop": ["<a b>", "end"], "num_ctx": 512}
    assert one["template"] == GO and one["system"] == 'You are\n"terse".' and one["licenses"] == ["MIT", "second\ntext"]
    assert one["messages"] == [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Yes?"}]
    assert len(layers(cli, "full:1", "projector")) == 1
    for line in ("RENDERER a-renderer", "PARSER a-parser", "REQUIRES 0.14.0"):
        assert line in cli.ok("show", "--modelfile", "full:1")
    write(cli, cli.ok("show", "--modelfile", "full:1"), "again")
    cli.ok("create", "again", "-f", "again")
    two = show(cli, "again")
    assert two["layers"] == one["layers"] and two["digest"] == one["digest"]  # the same manifest, byte for byte
    assert cli.ok("create", "stdin", "-f", "-", stdin="FROM tiny.gguf\nSYSTEM short").startswith("created 'stdin:latest'")


def test_what_lies_here_is_taken_without_a_modelfile(cli):
    done = cli("create", "x")
    assert done.returncode == 7 and "no Modelfile and no model here" in done.stderr
    cli.model()
    assert "created 'x:latest'" in cli.ok("create", "x")
    cli.model(name="other")
    done = cli("create", "y")
    assert done.returncode == 2 and "several models, 'other.gguf' and 'tiny.gguf'" in done.stderr
    folder = cli.folder / "with"
    folder.mkdir()
    os.rename(cli.folder / "other.gguf", folder / "other.gguf")
    typed(folder / "mmproj.gguf", "mmproj")
    cli.ok("create", "y", "--from", folder)
    assert len(layers(cli, "y", "projector")) == 1 and "created 'x:latest'" in cli.ok("create", "x", "--from", cli.folder / "tiny.gguf")


def test_a_model_from_another_shares_its_files_and_replaces_its_texts(cli):
    cli.model()
    typed(cli.folder / "mmproj.gguf", "mmproj")
    write(cli, FULL)
    cli.ok("create", "base")
    before = sum(f.stat().st_blocks for f in (cli.home / "models/blobs").iterdir() if f.stat().st_nlink == 1)
    write(cli, "FROM base\nPARAMETER temperature 1\nPARAMETER top_k 7\nSYSTEM other\nLICENSE MIT\nLICENSE third\nPARSER p2\n", "more")
    cli.ok("create", "next", "-f", "more")
    a, b = show(cli, "base"), show(cli, "next")
    assert b["parameters"] == {"stop": ["<a b>", "end"], "num_ctx": 512, "temperature": 1, "top_k": 7}
    assert b["system"] == "other" and b["template"] == a["template"] and b["messages"] == a["messages"]
    assert b["licenses"] == ["MIT", "second\ntext", "third"]
    for kind in ("model", "projector"):
        assert layers(cli, "next", kind) == layers(cli, "base", kind)
    assert "PARSER p2" in cli.ok("show", "--modelfile", "next") and "RENDERER a-renderer" in cli.ok("show", "--modelfile", "next")
    after = sum(f.stat().st_blocks for f in (cli.home / "models/blobs").iterdir() if f.stat().st_nlink == 1)
    assert after - before < 64  # blocks of 512 bytes: small texts
    cli.ok("create", "next", "--from", "next", "--system", "")  # itself, and a text that goes
    assert show(cli, "next")["system"] is None
    cli.ok("rm", "base")
    assert cli.ok("run", "next", "hi", "-o", "num_predict=1") != ""


def test_a_model_that_is_not_here_says_how_to_get_it(cli):
    for command in (["show", "none"], ["run", "none", "hi"], ["run", "--local", "none", "hi"]):
        said = cli(*command).stderr
        assert "`hyperlama pull none` gets it from a registry" in said and "`hyperlama import FILE.gguf none`" in said, (command, said)
    assert "top_p = '7'" in cli("create", "m", "--from", cli.model(), "-p", "top_p=7").stderr


def test_flags_go_before_the_modelfile(cli):
    cli.model()
    (cli.folder / "long.txt").write_text("from a file")
    write(cli, "FROM gone.gguf\nPARAMETER stop a\nPARAMETER top_k 3\nSYSTEM one\nLICENSE L1")
    cli.ok("create", "m", "-f", "Modelfile", "--from", "tiny.gguf", "-p", "stop=b=c", "--parameter", "stop=d", "--system", "@long.txt",
           "--license", "L2", "--template", "{{ .Prompt }}")
    got = show(cli, "m")
    assert got["parameters"] == {"top_k": 3, "stop": ["b=c", "d"]} and got["system"] == "from a file"
    assert got["licenses"] == ["L1", "L2"] and got["template"] == "{{ .Prompt }}"


BAD_FILES = [
    ("FROM tiny.gguf\nBOGUS x", 5, "line 2: 'BOGUS' is no instruction"),
    ("SYSTEM x", 5, "no FROM"),
    ("FROM ./nothing.gguf", 7, "FROM './nothing.gguf': No such file"),
    ("FROM nothing", 7, "model 'nothing"),
    ("FROM tiny.gguf\nFROM tiny.gguf2", 7, "tiny.gguf2"),
    ("FROM tiny.gguf\nADAPTER tiny.gguf", 5, "of type 'model', expected 'adapter'"),
    ("FROM tiny.gguf\nADAPTER lora.gguf\nPARAMETER adapter_scale much", 2, "parameter 'adapter_scale' is 'much', expected a number"),
    ("FROM tiny.gguf" + 17 * "\nADAPTER lora.gguf", 2, "17 adapters, expected at most 16"),
    ("FROM tiny.gguf\nADAPTER gone.gguf", 7, "ADAPTER: './gone.gguf'"),
    ("FROM tiny.gguf\nADAPTER ./gone.gguf", 7, "ADAPTER: './gone.gguf'"),
    ("FROM tiny.gguf\nADAPTER .//./gone.gguf", 7, "ADAPTER: './gone.gguf'"),
    ("FROM tiny.gguf\nTEMPLATE {{ .Nope", 5, "TEMPLATE"),
    ("FROM tiny.gguf\nREQUIRES soon", 2, "REQUIRES: 'soon' is no version"),
    ("FROM tiny.gguf\nPARAMETER tempratur 1", 2, "line 2: unknown parameter 'tempratur'; did you mean 'temperature'"),
    ("FROM tiny.gguf\nPARAMETER top_k 3\n\nPARAMETER top_p 1.5", 2, "line 4: option top_p = '1.5': expected 0..1"),
    ("FROM tiny.gguf\nPARAMETER mirostat 7", 2, "line 2: option mirostat = '7': expected 0..2"),
    ("FROM tiny.gguf\nPARAMETER top_k many", 2, "line 2: parameter 'top_k' is 'many', expected a whole number"),
    ("FROM odd.gguf", 6, "a file of type 'control_vector'"),
    ("FROM rubbish.gguf", 5, "rubbish.gguf"),
]


def test_what_is_wrong_is_said_and_nothing_is_stored(cli):
    cli.model()
    typed(cli.folder / "lora.gguf", "adapter")
    typed(cli.folder / "odd.gguf", "control_vector")
    (cli.folder / "rubbish.gguf").write_bytes(b"rubbish" * 10)
    (cli.folder / "tiny.gguf2").mkdir()
    for text, code, words in BAD_FILES:
        write(cli, text)
        done = cli("create", "m")
        assert done.returncode == code and words in done.stderr, (text, done.stderr)
    assert cli.ok("list", "-q") == ""
    blobs = cli.home / "models/blobs"
    assert not blobs.exists() or list(blobs.iterdir()) == []


def file_type(cli, name):
    return next(m for m in json.loads(cli.ok("list", "--json"))["models"] if m["name"] == name + ":latest")["quantization"]


def test_create_makes_smaller_weights(cli):
    path = cli.model()
    alone = cli.folder / "alone.gguf"
    cli.ok("quantize", path, alone, "--type", "q8_0")
    cli.ok("create", "m", "--from", "tiny.gguf", "-q", "q8_0", "--system", "Sys")
    assert layers(cli, "m", "model") == [hashlib.sha256(alone.read_bytes()).hexdigest()]
    assert file_type(cli, "m") == "Q8_0"
    blobs = cli.home / "models/blobs"
    assert all(f.stat().st_nlink == 1 and not f.name.startswith(".") for f in blobs.iterdir())
    # a stored model: all of it but the weights is shared
    cli.ok("create", "big", "--from", "tiny.gguf", "--system", "Sys", "-p", "top_k=7", "--license", "L")
    write(cli, "FROM big\nPARAMETER top_p 0.5")
    cli.ok("create", "small", "-q", "Q8_0")
    assert layers(cli, "small", "model") == layers(cli, "m", "model") != layers(cli, "big", "model")
    got = show(cli, "small")
    assert got["parameters"] == {"top_k": 7, "top_p": 0.5} and got["licenses"] == ["L"] and got["system"] == "Sys"
    assert file_type(cli, "small") == "Q8_0" and file_type(cli, "big") == "F32"
    assert cli.ok("run", "small", "hi").strip() == cli.ok("run", "big", "hi").strip()


def test_create_weighs_the_rounding_by_an_importance_matrix(cli):
    path = cli.model()
    (cli.folder / "text.txt").write_text("Hello brave new world. " * 20)
    cli.ok("score", path, "text.txt", "--imatrix", "m.gguf")
    cli.ok("quantize", path, "alone.gguf", "--type", "q4_0", "--imatrix", "m.gguf")
    done = cli("create", "m", "--from", "tiny.gguf", "-q", "q4_0", "--imatrix", "m.gguf")
    assert done.returncode == 0, done.stderr
    assert layers(cli, "m", "model") == [hashlib.sha256((cli.folder / "alone.gguf").read_bytes()).hexdigest()]
    with Server(cli) as server:
        matrix = put_blob(server, (cli.folder / "m.gguf").read_bytes())
        tiny = put_blob(server, path.read_bytes())
        body = {"model": "n", "files": {"t.gguf": tiny}, "quantize": "q4_0", "imatrix": matrix}
        assert server.lines("/api/create", body)[-1] == {"status": "success"}
        assert "no quantize" in server.json("POST", "/api/create", {"model": "o", "from": "n", "imatrix": matrix, "stream": False}, status=400)["error"]
        assert "imatrix" in server.json("POST", "/api/create", {**body, "imatrix": "sha256:" + "0" * 64, "stream": False}, status=404)["error"]
    assert layers(cli, "n", "model") == layers(cli, "m", "model")


def test_what_cannot_be_quantized_is_said_before_anything_is_stored(cli):
    cli.model()
    cli.ok("quantize", "tiny.gguf", "q8.gguf", "--type", "q8_0")
    for args, code, words in ((["tiny.gguf", "-q", "q4_k_xl"], 2, "there is no mix 'q4_k_xl'"), (["q8.gguf", "-q", "f16"], 6, "quantized already"),
                              (["tiny.gguf", "--draft-quantize", "q8_0"], 2, "there is no draft"),
                              (["tiny.gguf", "--imatrix", "q8.gguf"], 2, "there is no quantize"), (["tiny.gguf", "-q", "q4_0", "--imatrix", "no.gguf"], 7, "no.gguf"),
                              (["tiny.gguf", "-q", "q4_0", "--imatrix", "q8.gguf"], 5, "in_sum2")):
        done = cli("create", "m", "--from", *args)
        assert done.returncode == code and words in done.stderr, (args, done.stderr)
    assert cli.ok("list", "-q") == ""
    blobs = cli.home / "models/blobs"
    assert not blobs.exists() or list(blobs.iterdir()) == []


# ---- over HTTP ----

@pytest.fixture
def server(cli):
    cli.ok("import", cli.model(name="tiny"), "tiny")
    with Server(cli) as s:
        yield s


def put_blob(server, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert server.ask("POST", "/api/blobs/" + digest, data)[0] == 201
    return digest


def test_create_from_a_model_streams_its_steps(server, cli):
    body = {"model": "next", "from": "tiny", "system": "Sys", "template": GO, "license": ["A", "B"],
            "parameters": {"temperature": 0.5, "stop": ["x", "y"], "num_ctx": 256, "use_mmap": True},
            "messages": [{"role": "user", "content": "q\0r"}, {"role": "assistant", "content": "a"}],
            "renderer": "r", "parser": "p", "requires": "0.14.0"}
    lines = [l["status"] for l in server.lines("/api/create", body)]
    assert lines[-2:] == ["writing manifest", "success"]
    weights = layers(cli, "tiny", "model")[0]
    assert f"using existing layer sha256:{weights}" in lines and sum(l.startswith("creating new layer") for l in lines) == 6
    shown = server.json("POST", "/api/show", {"model": "next"})
    assert "no Modelfile can say" in shown["modelfile"]  # a NUL byte
    got = show(cli, "next")
    assert got["parameters"] == {"temperature": 0.5, "stop": ["x", "y"], "num_ctx": 256, "use_mmap": True}
    assert got["messages"][0] == {"role": "user", "content": "q\0r"} and got["licenses"] == ["A", "B"]
    assert (shown["renderer"], shown["parser"], shown["requires"]) == ("r", "p", "0.14.0")
    assert server.json("POST", "/api/create", {"name": "third", "from": "next", "stream": False}) == {"status": "success"}
    assert show(cli, "third")["layers"] == got["layers"]
    assert server.json("POST", "/api/generate", {"model": "third", "prompt": "hi", "stream": False})["done"] is True


def test_create_from_blobs(server, cli):
    data = cli.model(name="up").read_bytes()
    digest = put_blob(server, data)
    projector = put_blob(server, typed(cli.folder / "mmproj.gguf", "mmproj").read_bytes())
    assert server.lines("/api/create", {"model": "up", "files": {"up.gguf": digest, "x/mmproj.gguf": projector}})[-1] == {"status": "success"}
    assert layers(cli, "up", "model") == [digest[7:]] and layers(cli, "up", "projector") == [projector[7:]]
    assert cli.ok("run", "up", "hi").strip() == "Hello brave new world."


def test_create_quantizes_and_tells_of_it_as_ollama_does(server, cli):
    lines = server.lines("/api/create", {"model": "small", "from": "tiny", "quantize": "q8_0"})
    steps = [l for l in lines if l["status"] == "quantizing F32 model to Q8_0"]
    assert steps and all(l["digest"] == "0" * 19 and 0 <= l["completed"] <= l["total"] for l in steps), lines
    assert [l["completed"] for l in steps] == sorted(l["completed"] for l in steps) and lines[-1] == {"status": "success"}
    assert file_type(cli, "small") == "Q8_0" and layers(cli, "small", "model") != layers(cli, "tiny", "model")
    again = server.ask("POST", "/api/create", {"model": "smaller", "from": "small", "quantize": "q4_0"})[1]
    assert b"quantized already" in again, again  # a status of its own, or the last line
    digest = put_blob(server, cli.model(name="up").read_bytes())
    draft = put_blob(server, cli.model(name="draft").read_bytes())
    body = {"model": "up", "files": {"up.gguf": digest}, "quantization": "q8_0", "draft_files": {"d.gguf": draft}, "draft_quantize": "f16"}
    assert server.lines("/api/create", body)[-1] == {"status": "success"}
    assert layers(cli, "up", "model") != [digest[7:]] and layers(cli, "up", "draft") != [draft[7:]]
    ollama = client_module("ollama")
    c = ollama.Client(f"http://{server.host}:{server.port}")
    steps = [p.status for p in c.create("official", from_="tiny", quantize="q8_0", stream=True)]
    assert "quantizing F32 model to Q8_0" in steps and steps[-1] == "success"


BAD_ORDERS = [
    ({"from": "tiny"}, 400, "model is required"),
    ({"model": "m"}, 400, "neither from nor files"),
    ({"model": "m", "from": "nothing"}, 404, "nothing"),
    ({"model": "m", "from": "/etc/passwd"}, 400, "name"),
    ({"model": "../m", "from": "tiny"}, 400, "name"),
    ({"model": "m", "files": {"a.gguf": "sha256:" + "0" * 64}}, 404, "blob sha256:000"),
    ({"model": "m", "files": {"a.gguf": "../../etc/passwd"}}, 400, "is no digest"),
    ({"model": "m", "files": {"../a.gguf": "sha256:" + "0" * 64}}, 400, "is no name of a file"),
    ({"model": "m", "files": {"a.gguf": 1}}, 400, "expected the digest of a blob"),
    ({"model": "m", "files": {}}, 400, "neither from nor files"),
    ({"model": "m", "from": "tiny", "parameters": {"nope": 1}}, 400, "unknown parameter 'nope'"),
    ({"model": "m", "from": "tiny", "parameters": {"top_k": "many"}}, 400, "expected a whole number"),
    ({"model": "m", "from": "tiny", "parameters": {"top_k": {}}}, 400, "parameters: top_k"),
    ({"model": "m", "from": "tiny", "parameters": {"min_p": 2}}, 400, "parameters: option min_p = '2': expected 0..1"),
    ({"model": "m", "from": "tiny", "parameters": {"num_ctx": -1}}, 400, "parameters: option num_ctx = '-1': expected 0.."),
    ({"model": "m", "from": "tiny", "messages": [{"role": "robot", "content": "x"}]}, 400, "messages[0].role"),
    ({"model": "m", "from": "tiny", "messages": [{"role": "user"}]}, 400, "messages[0].content"),
    ({"model": "m", "from": "tiny", "license": [1]}, 400, "license[0]"),
    ({"model": "m", "from": "tiny", "license": 1}, 400, "license"),
    ({"model": "m", "from": "tiny", "template": "{{ .X"}, 400, "TEMPLATE"),
    ({"model": "m", "from": "tiny", "requires": "x"}, 400, "REQUIRES"),
    ({"model": "m", "from": "tiny", "quantize": "q4_K_XL", "stream": False}, 400, "there is no mix 'q4_K_XL' to quantize to"),
    ({"model": "m", "from": "tiny", "draft_quantize": "q8_0", "stream": False}, 400, "draft_quantize"),
    ({"model": "m", "modelfile": "FROM tiny"}, 400, "modelfile"),
    ({"model": "m", "from": "x", "remote_host": "https://ollama.com"}, 400, "remote_host"),
    ({"model": "m", "from": "tiny", "draft": "nope"}, 400, "draft: is no field here: draft_files"),
    ({"model": "m", "from": "tiny", "adapter": "nope"}, 400, "adapter: is no field here: adapters"),
]


def test_bad_orders_are_told_what_is_wrong(server, cli):
    for body, status, words in BAD_ORDERS:
        error = server.json("POST", "/api/create", body, status=status)["error"]
        assert words in error, (body, error)
    assert cli.ok("list", "-q") == "tiny:latest\n"


def test_the_official_client_creates_shows_and_copies(server, cli):
    ollama = client_module("ollama")
    c = ollama.Client(f"http://{server.host}:{server.port}")
    assert c.create("mario", from_="tiny", system="You are Mario.", parameters={"temperature": 0.1, "stop": ["!"]}).status == "success"
    assert [p.status for p in c.create("luigi", from_="mario", license="MIT", stream=True)][-1] == "success"
    shown = c.show("luigi")
    assert 'SYSTEM """You are Mario."""' in shown.modelfile and shown.license == "MIT" and "temperature" in shown.parameters
    assert c.copy("luigi", "peach").status == "success"
    assert {m.model for m in c.list().models} == {"tiny:latest", "mario:latest", "luigi:latest", "peach:latest"}


# ---- what is in force, and where it comes from ----

def in_force(cli, *args, env=None):
    return {o["name"]: (o["value"], o["from"]) for o in json.loads(cli.ok("show", "--json", *args, env=env))["parameters_in_force"]}


def test_show_says_what_is_in_force_and_where_it_comes_from(cli):
    cli.model()
    cli.ok("create", "m", "--from", "tiny.gguf", "-p", "top_k=7", "-p", "num_gpu=1", "-p", "stop=x")
    cli.settings("[engine]\nn_ctx = 256\nn_threads = 2\n")
    got = in_force(cli, "m", "-o", "top_k=3", "-o", "temperature=0")
    assert got["top_k"] == ("3", "request") and got["temperature"] == ("0", "request") and got["stop"] == ("x", "stored with the model")
    assert got["num_ctx"] == ("256", "settings") and got["num_thread"] == ("2", "settings") and got["top_p"] == ("0.9", "default")
    assert in_force(cli, "m")["top_k"] == ("7", "stored with the model")
    cli.settings("")
    assert in_force(cli, "m")["num_ctx"] == ("4096", "default")
    shown = cli.ok("show", "m", "-o", "seed=1")
    assert "top_k                7              stored with the model\n" in shown and "seed                 1              request\n" in shown
    assert "num_gpu              1              stored with the model, without effect here\n" in shown and "top_p" not in shown
    assert "top_p                0.9            default\n" in cli.ok("show", "-v", "m")
    assert "  Capabilities\n    completion\n" in shown
    assert "unknown option 'nope'" in cli("show", "m", "-o", "nope=1").stderr
    assert cli.ok("show", "m", "--parameters") == "".join(f"{n:<20} {v}\n" for n, v in (("top_k", "7"), ("stop", "x"), ("num_gpu", "1")))


def test_show_over_http_has_all_of_its_fields(server, cli):
    cli.ok("create", "full", "--from", "tiny.gguf", "--system", "S", "--license", "L1", "--license", "L2", "-p", "top_k=7")
    got = server.json("POST", "/api/show", {"model": "full"})
    assert got["license"] == "L1\nL2" and got["system"] == "S" and "top_k" in got["parameters"] and "tensors" not in got
    info = got["model_info"]
    assert info["tokenizer.ggml.tokens"] == [] and info["tokenizer.ggml.merges"] == ["\u0120 t"]  # long lists are empty, short ones not
    assert info["llama.attention.layer_norm_rms_epsilon"] == 1e-5 and info["tokenizer.ggml.bos_token_id"] == 256
    got = server.json("POST", "/api/show", {"model": "full", "verbose": True, "system": "other", "options": {"top_k": 1, "nope": 1, "stop": ["a", "b"]}})
    assert len(got["model_info"]["tokenizer.ggml.tokens"]) > 256 and got["system"] == "other" and "SYSTEM \"\"\"other" in got["modelfile"]
    tensors = {t["name"]: t for t in got["tensors"]}
    assert tensors["blk.0.ffn_gate.weight"]["type"] == "F32" and tensors["blk.0.ffn_gate.weight"]["shape"][1] == 64
    forced = [(o["name"], o["value"], o["from"]) for o in got["parameters_in_force"]]
    assert ("top_k", "1", "request") in forced and ("stop", "a", "request") in forced and ("stop", "b", "request") in forced
    assert "expected" in server.json("POST", "/api/show", {"model": "full", "options": {"top_k": "many"}}, status=400)["error"]


def test_fit_says_what_a_model_takes_before_it_is_loaded(cli):
    cli.ok("import", cli.model(n_ctx=5000), "tiny")
    got = json.loads(cli.ok("fit", "--json", "tiny"))
    rows = got["contexts"]
    assert [r["context"] for r in rows] == [2048, 4096, 5000] and all(r["fits"] for r in rows)
    assert rows[0]["weights_bytes"] == got["file_bytes"] and rows[0]["cache_bytes"] < rows[1]["cache_bytes"] < rows[2]["cache_bytes"]
    assert all(r["tokens_per_s_first"] > r["tokens_per_s_last"] > 0 for r in rows)
    again = json.loads(cli.ok("fit", "--json", "tiny", "-c", "64"))
    assert again["read_bytes_per_s"] == got["read_bytes_per_s"]  # measured once
    assert again["contexts"][0]["tokens_per_s_first"] == rows[0]["tokens_per_s_first"]
    assert "TOKENS/S" in cli.ok("fit", "tiny") and cli("fit", "nothing").returncode == 7


# ---- watched folders ----

def test_models_of_watched_folders_are_used_where_they_lie(cli):
    folder = cli.folder / "llms/pub/repo"
    folder.mkdir(parents=True)
    os.rename(cli.model(), folder / "tiny-F32.gguf")
    typed(cli.folder / "llms/pub/repo/lora.gguf", "adapter")
    (folder / "broken.gguf").write_bytes(b"GGUF")
    cli.settings("[store]\ndirs = ~/llms:/nowhere\n")
    assert set(cli.ok("list", "-q").split()) == {"pub/repo:latest", "pub/repo:F32"}
    assert cli.ok("run", "pub/repo:f32", "hi").strip() == "Hello brave new world."
    assert not (cli.home / "models").exists()
    assert "of a watched folder" in cli("rm", "pub/repo:F32").stderr and (folder / "tiny-F32.gguf").exists()
    assert "hyperlama create mine --from pub/repo:f32" in cli("cp", "pub/repo:f32", "mine").stderr
    assert "created 'mine:latest'" in cli.ok("create", "mine", "--from", "pub/repo:F32", "--system", "S")
    with Server(cli) as s:
        names = {m["name"] for m in s.json("GET", "/api/tags")["models"]}
        assert {"pub/repo:F32", "mine:latest"} <= names
        assert s.json("POST", "/api/show", {"model": "pub/repo:F32"})["details"]["quantization_level"] == "F32"
        assert s.json("POST", "/api/generate", {"model": "pub/repo:F32", "prompt": "hi", "stream": False})["response"] == "Hello brave new world."


# ---- what goes wrong from outside ----

def test_killed_at_any_time_the_name_is_what_it_was_or_what_it_becomes(cli):
    cli.model(loop=True)
    cli.ok("create", "m", "--from", "tiny.gguf", "--system", "0")
    cli.ok("create", "warm", "--from", "m")
    start = time.monotonic()
    cli.ok("create", "warm", "--from", "m", "--system", "w")
    took = time.monotonic() - start
    last = "0"
    for i in range(1, 13):
        p = subprocess.Popen([cli.program, "create", "m", "--from", "tiny.gguf", "--system", str(i)], cwd=cli.folder, env=cli.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * i / 12)
        p.send_signal(signal.SIGKILL)
        p.wait()
        got = show(cli, "m")["system"]
        assert got in (last, str(i))
        last = got
    assert "all is well" in cli.ok("doctor", "--verify") or "usable" in cli.ok("doctor", "--verify")
    cli.ok("rm", "m", "warm")
    assert list((cli.home / "models/blobs").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(cli):
    cli.model()
    (cli.home).mkdir()
    (cli.home / "models").write_text("no folder")
    done = cli("create", "m", "--from", "tiny.gguf")
    assert done.returncode == 4 and "models" in done.stderr
