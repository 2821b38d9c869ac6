"""LoRA adapters from the outside: stored with a model, several with scales, shown, exported, refused by name."""
import json

import tiny_adapter
import tiny_model

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
