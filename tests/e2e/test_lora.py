"""LoRA adapters from the outside: stored with a model, several with scales, shown, exported, refused by name."""
import json

import tiny_adapter
import tiny_model
from test_serve import Server

PIECES = ["one ", "two ", "three"]


def model(cli):
    tiny_model.make(cli.folder / "base.gguf", PIECES)
    tiny_adapter.make(cli.folder / "skip.gguf", 3, {b"\n": 1}, name="skip")
    tiny_adapter.make(cli.folder / "end.gguf", 3, {0: None, 1: None}, name="end")
    return cli.folder / "base.gguf"


def create(cli, name, text):
    (cli.folder / "Modelfile").write_text(text)
    cli.ok("create", name, "-f", "Modelfile")


def test_stored_adapters_answer_with_their_scales(cli):
    model(cli)
    create(cli, "base", "FROM base.gguf\nPARAMETER temperature 0")
    assert cli.ok("run", "base", "hi").strip() == "one two three"
    create(cli, "skip", "FROM base\nADAPTER skip.gguf")
    assert cli.ok("run", "skip", "hi").strip() == "two three"
    create(cli, "both", "FROM base\nADAPTER ./skip.gguf\nADAPTER ./end.gguf")
    assert cli.ok("run", "both", "hi").strip() == "two"
    create(cli, "some", "FROM base\nADAPTER skip.gguf\nADAPTER end.gguf\nPARAMETER adapter_scale 0.1\nPARAMETER adapter_scale 1")
    assert cli.ok("run", "some", "hi").strip() == "one"  # 0.1 x 3 does not outweigh the base's 1
    create(cli, "off", "FROM both\nPARAMETER adapter_scale 0\nPARAMETER adapter_scale 0")
    assert cli.ok("run", "off", "hi").strip() == "one two three"
    assert cli.ok("run", "base", "hi").strip() == "one two three"
    text = cli.ok("show", "some")
    assert "0: sha256-" in text and "scale 0.1" in text and "1: sha256-" in text and "without effect" not in text
    assert json.loads(cli.ok("show", "--json", "some"))["parameters"]["adapter_scale"] == [0.1, 1]
    # a folder of it, taken in again, answers the same
    cli.ok("cp", "some", "--to", cli.folder / "copy")
    assert sorted(p.name for p in (cli.folder / "copy").glob("adapter*")) == ["adapter-1.gguf", "adapter-2.gguf"]
    cli.ok("create", "again", "-f", cli.folder / "copy/Modelfile")
    assert cli.ok("run", "again", "hi").strip() == "one"


def test_an_adapter_of_another_model_is_refused_with_names(cli):
    model(cli)
    tiny_adapter.make(cli.folder / "other.gguf", 3, {b"\n": 1}, arch="qwen2")
    tiny_adapter.make(cli.folder / "wide.gguf", 100, {b"\n": 1})
    tiny_adapter.make(cli.folder / "tokens.gguf", 3, {b"\n": 1}, tensor="token_embd.weight")
    for file, words in (("other.gguf", "'qwen2', expected 'llama'"), ("wide.gguf", "'output.weight' of the model has"),
                        ("tokens.gguf", "adapters of the embedding are not supported")):
        create(cli, "m", f"FROM base.gguf\nADAPTER {file}")
        done = cli("run", "m", "hi")
        assert done.returncode != 0 and words in done.stderr and "m:latest" in done.stderr, done.stderr


def test_each_request_chooses_its_adapters(cli):
    model(cli)
    create(cli, "m", "FROM base.gguf\nADAPTER skip.gguf\nADAPTER end.gguf\nPARAMETER adapter_scale 0\nPARAMETER adapter_scale 1\nPARAMETER temperature 0")
    cases = [(None, "one"), ([], "one two three"), ([{"id": 0}], "two three"), ([{"name": "skip", "scale": 1}, {"id": 1, "scale": 1.0}], "two"),
             ([{"name": "end"}], "one"), ([{"id": 0, "scale": 0.1}], "one two three"), ([{"id": 0, "scale": -5}], "one two three")]
    with Server(cli) as s:
        for lora, want in cases * 2:  # the second time from the cache
            more = {} if lora is None else {"lora": lora}
            body = {"model": "m", "messages": [{"role": "user", "content": "hi " * 100}], "stream": False, **more}
            assert s.json("POST", "/api/chat", body)["message"]["content"].strip() == want, lora
            got = s.json("POST", "/v1/chat/completions", body)["choices"][0]["message"]["content"]
            assert got.strip() == want, lora
        for lora, words in ((3, "lora"), ([{"id": 2}], "no adapter number 2; it has 'skip', 'end'"), ([{"name": "x"}], "no adapter 'x'"),
                            ([{"id": 0, "name": "skip"}], "lora[0]: expected"), ([{}], "lora[0]"), ([{"id": 0, "scale": "much"}], "lora[0]"),
                            ([{"id": 0}, {"name": "skip"}], "twice"), ([{"id": -1}], "no adapter")):
            code, data, _ = s.ask("POST", "/api/generate", {"model": "m", "prompt": "hi", "lora": lora})
            assert code in (400, 404) and words in data.decode(), (lora, code, data)
        code, data, _ = s.ask("POST", "/api/embed", {"model": "m", "input": "hi", "lora": [{"id": 0}]})
        assert code == 400 and b"lora: this endpoint works with the adapters as they are stored" in data
