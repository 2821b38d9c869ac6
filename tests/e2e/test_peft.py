"""LoRA adapters as peft saves them, converted: what a model with one answers is what the merged model answers."""
import hashlib
import json
import math
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import pytest

import tiny_adapter
from test_convert import BYTES, CHARS, LLAMA3_ROPE, TEXT, Bert, score
from test_lora import model as speaking_model
from test_serve import Server
from tiny_checkpoint import LLAMA3_PATTERN, QWEN2_PATTERN, Decoder, byte_tokenizer, character_tokenizer
from tiny_peft import ATTENTION, FEED_FORWARD, FRONT, Peft

ALL = ATTENTION + FEED_FORWARD
# F32, so that the engine's rounding of activations to the weights' type does not hide a mistake
MODELS = {
    "llama": lambda: (Decoder("llama", "F32", byte_tokenizer(LLAMA3_PATTERN), rope_scaling=LLAMA3_ROPE), BYTES),
    "mistral": lambda: (Decoder("mistral", "F32", character_tokenizer(True), head_dim=16), CHARS),
    "qwen2": lambda: (Decoder("qwen2", "F32", byte_tokenizer(QWEN2_PATTERN), tied=True), BYTES),
    "qwen3": lambda: (Decoder("qwen3", "F32", byte_tokenizer(QWEN2_PATTERN), head_dim=16), BYTES),
    "gemma3": lambda: (Decoder("gemma3_text", "F32", character_tokenizer(False), tied=True, num_hidden_layers=6, sliding_window=4,
                               query_pre_attn_scalar=8, rope_theta=1e6), CHARS),
}


def base(cli, name="llama"):
    model, settings = MODELS[name]()
    cli.ok("create", "base", "--from", model.save(cli.folder / "published", 1, **settings))
    return model, settings


def near(got, want, tolerance=2e-4):
    """Logprobs of the same tokens: within a share of their size."""
    assert [t for t, _ in got] == [t for t, _ in want]
    spread = math.sqrt(sum(w * w for _, w in want) / len(want))
    worst = max(abs(g - w) for (_, g), (_, w) in zip(got, want))
    assert worst < tolerance * spread, (worst, spread)


def check(cli, model, settings, adapter, name, tolerance=2e-4):
    """The model with the adapter answers as the merged one, and otherwise than without."""
    cli.ok("create", name, "--from", "base", "--adapter", adapter.save(cli.folder / name))
    cli.ok("create", name + "-merged", "--from", adapter.merged(model).save(cli.folder / (name + "-merged"), 1, **settings))
    got, want, without = score(cli, name, TEXT), score(cli, name + "-merged", TEXT), score(cli, "base", TEXT)
    near(got, want, tolerance)
    with pytest.raises(AssertionError):
        near(got, without, 0.05)
    return got


@pytest.mark.parametrize("family", MODELS)
def test_an_adapter_answers_as_merged_weights(cli, family):
    model, settings = base(cli, family)
    modules = ALL + (("lm_head",) if not model.c["tie_word_embeddings"] else ())
    got = check(cli, model, settings, Peft(model, modules), "m")
    ids = [int(i) for i in cli.ok("tokenize", "m", "--ids", TEXT).split()]
    near(got, list(zip(ids[1:], Peft(model, modules).merged(model).logprobs(ids))))  # and as the formulas themselves say
    # each kind of module alone: a mistake in one would hide among seven
    for i, module in enumerate(modules):
        check(cli, model, settings, Peft(model, [module], seed=i), f"m{i}")


def test_scales_follow_the_config(cli):
    model, settings = base(cli)
    cases = [dict(use_rslora=True), dict(rank_pattern={"k_proj": 2, "layers.1.mlp.up_proj": 1}), dict(alpha_pattern={r"model\.layers\.(0|1)\..*_proj": 3}),
             dict(alpha_pattern={"layers.0.self_attn.q_proj": 0, "q_proj": 20, "[kv]_proj": 1.5}), dict(layers_to_transform=[1]),
             dict(use_rslora=True, rank_pattern={"^model.layers.0.self_attn.v_proj": 9}, alpha_pattern={"down_pro+j": 2}), dict(lora_alpha=-2),
             dict(r=1, lora_alpha=1), dict(target_modules=r".*\.(q|k|v|o|gate|up|down)_proj"), dict(target_modules=r"(?!x).*proj"), dict(target_modules="all-linear"),
             dict(exclude_modules=["lm_head"], init_lora_weights="gaussian", lora_dropout=0.5, layers_pattern="layers")]
    for i, config in enumerate(cases):
        check(cli, model, settings, Peft(model, **config), f"c{i}")
    check(cli, model, settings, Peft(model, kind="F16"), "half")
    check(cli, model, settings, Peft(model, kind="BF16", alpha_pattern={"q_proj": 3}), "brain")
    kinds = json.loads(cli.ok("show", "--json", "brain"))
    assert [l["media_type"].rsplit(".", 1)[1] for l in kinds["layers"]].count("adapter") == 1


def test_other_spellings_of_names_are_known(cli):
    model, settings = base(cli)
    spelled = Peft(model, prefix="model.")  # a model without its head: layers.0.self_attn...
    assert FRONT + "layers.0.self_attn.q_proj.lora_A.weight" in spelled.t
    check(cli, model, settings, spelled, "a")
    check(cli, model, settings, Peft(model, front=""), "b")
    older = Peft(model)
    older.t = {n.replace(".weight", ".default.weight"): v for n, v in older.t.items()}
    check(cli, model, settings, older, "c")
    model, settings = MODELS["gemma3"]()
    cli.ok("create", "base", "--from", model.save(cli.folder / "g", 1, **settings))
    for i, front in enumerate((FRONT + "model.language_model.", FRONT + "language_model.model.")):
        adapter = Peft(model, prefix="model.", front=front)
        seen = {FRONT + f"vision_tower.x.lora_{c}.weight": ((4, 8), [0.0] * 32) for c in "AB"}
        adapter.t.update(seen)
        check(cli, model, settings, adapter, f"g{i}")


def test_an_encoder_takes_one_too(cli):
    bert = Bert()
    names = {n[len("bert."):]: v for n, v in bert.t.items()}
    cli.ok("create", "base", "--from", bert.save(cli.folder / "published"))
    plain = type("Plain", (), {"t": names})()
    adapter = Peft(plain, ["attention.self.query", "attention.self.value", "attention.output.dense", "intermediate.dense"],
                   target_modules=["query", "value", "dense"], task_type="FEATURE_EXTRACTION")
    cli.ok("create", "m", "--from", "base", "--adapter", adapter.save(cli.folder / "adapter"))
    bert.t = {"bert." + n: v for n, v in adapter.merged(plain).t.items()}
    ids = [int(i) for i in cli.ok("tokenize", "m", "--ids", "The cat is the hat").split()]
    vectors = [json.loads(cli.ok("embed", "--json", name, "The cat is the hat"))["embeddings"][0] for name in ("m", "base")]
    want = bert.vector(ids, False)
    assert max(abs(a - b) for a, b in zip(vectors[0], want)) < 2e-3 < max(abs(a - b) for a, b in zip(vectors[1], want))


def test_modelfiles_flags_and_several_at_once(cli):
    model, settings = base(cli)
    one, two = Peft(model, seed=1, r=2), Peft(model, ["q_proj", "down_proj"], seed=2)
    one.save(cli.folder / "one")
    two.save(cli.folder / "two")
    (cli.folder / "Modelfile").write_text("FROM base\nADAPTER ./one\nADAPTER two\nPARAMETER adapter_scale 0.5\nPARAMETER adapter_scale 2")
    cli.ok("create", "m", "-f", "Modelfile")
    merged = two.merged(one.merged(model, 0.5), 2.0)
    cli.ok("create", "merged", "--from", merged.save(cli.folder / "merged", 1, **settings))
    want = score(cli, "merged", TEXT)
    near(score(cli, "m", TEXT), want)
    cli.ok("create", "n", "--from", "base", "--adapter", "one", "--adapter", "two", "-p", "adapter_scale=0.5", "-p", "adapter_scale=2")
    assert score(cli, "n", TEXT) == score(cli, "m", TEXT)
    # a folder and a GGUF file beside each other; weights that are converted in the same breath; weights made smaller
    cli.ok("cp", "m", "--to", "copy")
    cli.ok("create", "o", "--from", cli.folder / "published", "--adapter", "one", "--adapter", "copy/adapter-2.gguf", "-p", "adapter_scale=0.5", "-p", "adapter_scale=2")
    assert score(cli, "o", TEXT) == score(cli, "m", TEXT)
    cli.ok("create", "p", "--from", "base", "--adapter", "one", "--quantize", "q8_0")
    got = [lp for _, lp in score(cli, "p", TEXT)]
    assert all(math.isfinite(lp) for lp in got)
    # what another folder of the same name holds is another adapter; a folder with a GGUF file is that file
    (cli.folder / "x").mkdir()
    two.save(cli.folder / "x/one")
    cli.ok("create", "q", "--from", "base", "--adapter", "one", "--adapter", "x/one", "-p", "adapter_scale=0.5", "-p", "adapter_scale=2")
    assert score(cli, "q", TEXT) == score(cli, "m", TEXT)
    (cli.folder / "held").mkdir()
    shutil.copy(cli.folder / "copy/adapter-1.gguf", cli.folder / "held")
    cli.ok("create", "r", "--from", "base", "--adapter", "held")
    cli.ok("create", "one-merged", "--from", one.merged(model).save(cli.folder / "one-merged", 1, **settings))
    near(score(cli, "r", TEXT), score(cli, "one-merged", TEXT))
    assert "a folder: `hyperlama create`" in cli("import", "copy/model.gguf", "x", "-f", "Modelfile").stderr


def test_adapters_that_were_uploaded_convert_too(cli):
    model, _ = base(cli)
    folders = [Peft(model, seed=i).save(cli.folder / f"a{i}") for i in (1, 2)]
    (folders[0] / "tokenizer.json").write_text("{}")  # clients send what lies beside it
    cli.ok("create", "one", "--from", "base", "--adapter", folders[0])
    cli.ok("create", "both", "--from", "base", "--adapter", folders[0], "--adapter", folders[1])
    with Server(cli) as s:
        def upload(folder, prefix=""):
            digests = {}
            for f in sorted(folder.iterdir()):
                digests[prefix + f.name] = "sha256:" + hashlib.sha256(f.read_bytes()).hexdigest()
                assert s.ask("POST", "/api/blobs/" + digests[prefix + f.name], f.read_bytes())[0] in (200, 201)
            return {k: v for k, v in digests.items() if not k.endswith(".md")}
        assert s.lines("/api/create", {"model": "up", "from": "base", "adapters": upload(folders[0])})[-1] == {"status": "success"}
        two = dict(upload(folders[0], "first/"), **upload(folders[1], "second/"))
        assert s.lines("/api/create", {"model": "up2", "from": "base", "adapters": two})[-1] == {"status": "success"}
        code, data, _ = s.ask("POST", "/api/create", {"model": "x", "from": "base", "adapters": {"adapter_config.json": two["first/adapter_config.json"]}})
        assert code >= 400 and b"no adapter_model.safetensors" in data, (code, data)
        code, data, _ = s.ask("POST", "/api/create", {"model": "x", "from": "base", "adapters": {"adapter_model.safetensors": two["first/adapter_model.safetensors"]}})
        assert code >= 400 and b"no adapter_config.json" in data, (code, data)
    assert score(cli, "up", TEXT) == score(cli, "one", TEXT) and score(cli, "up2", TEXT) == score(cli, "both", TEXT)


# ---- what is refused ----

def test_options_are_honoured_or_refused_by_name(cli):
    model, _ = base(cli)
    cases = [(dict(peft_type="IA3"), "peft_type is 'IA3', expected LORA"), (dict(use_dora=True), "use_dora: DoRA scales"), (dict(bias="all"), "bias is 'all'"),
             (dict(bias="lora_only"), "bias is 'lora_only'"), (dict(modules_to_save=["lm_head"]), "modules_to_save: whole modules"),
             (dict(trainable_token_indices=[1]), "trainable_token_indices: rows"), (dict(lora_bias=True), "lora_bias: biases"),
             (dict(layer_replication=[[0, 2], [1, 2]]), "layer_replication: it makes layers"), (dict(target_parameters=["experts"]), "target_parameters: adapters of stacks"),
             (dict(alora_invocation_tokens=[1, 2]), "alora_invocation_tokens: "), (dict(use_qalora=True), "use_qalora: "), (dict(arrow_config={"top_k": 3}), "arrow_config: "),
             (dict(use_bdlora={"nblocks": 2}), "use_bdlora: "), (dict(kasa_config={"x": 1}), "kasa_config: this option is not known here"),
             (dict(some_new_thing="on"), "some_new_thing: this option is not known here"), (dict(init_lora_weights="pissa"), "init_lora_weights is 'pissa': the adapter may"),
             (dict(init_lora_weights="olora"), "init_lora_weights is 'olora'"), (dict(init_lora_weights="loftq"), "init_lora_weights is 'loftq'"),
             (dict(r=0), "r: expected a rank"), (dict(r="8"), "r: expected a rank"), (dict(r=1.5), "r: expected a rank"), (dict(lora_alpha=0), "lora_alpha is 0"),
             (dict(lora_alpha="16"), "lora_alpha: expected a number"), (dict(use_rslora="yes"), "use_rslora: expected true or false"), (dict(r=8), "has the rank 4, and adapter_config.json says 8 (r)"),
             (dict(rank_pattern={"layers.0.self_attn.k_proj": 3}), "'model.layers.0.self_attn.k_proj' has the rank 4, and adapter_config.json says 3 (rank_pattern)"),
             (dict(rank_pattern=[1]), "rank_pattern: expected an object"), (dict(rank_pattern={"k": 0}), "rank_pattern: 'k': expected a rank"),
             (dict(alpha_pattern={"k": "2"}), "alpha_pattern: 'k': expected a number"), (dict(alpha_pattern={r"(?<=x)k": 2}), r"alpha_pattern: the pattern '(?<=x)k' is beyond"),
             (dict(alpha_pattern={r"k{2}": 2}), "is beyond"), (dict(alpha_pattern={r"\bk": 2}), "is beyond"), (dict(alpha_pattern={"": 2}), "is beyond"), (dict(alpha_pattern={"a*?": 2}), "is beyond"),
             (dict(alpha_pattern={"(((((a+)+)+)+)+)+": 2}), "is beyond"), (dict(alpha_pattern={"[a": 2}), "is beyond"), (dict(target_modules=["q_proj"]), "target_modules of adapter_config.json does not name it"),
             (dict(target_modules={"q": 1}), "target_modules: expected a text or a list"), (dict(exclude_modules=["k_proj"]), "excludes it: exclude_modules"),
             (dict(layers_to_transform=0), "'model.layers.1.mlp.down_proj', and layers_to_transform"), (dict(layers_to_transform=["0"]), "layers_to_transform: expected a number")]
    for config, words in cases:
        adapter = Peft(model)
        adapter.config.update(config)
        done = cli("create", "x", "--from", "base", "--adapter", adapter.save(cli.folder / "bad"))
        assert done.returncode not in (0, -6, -11) and "adapter bad" in done.stderr and words in done.stderr, (config, done.stderr)
    for config, words in ((dict(fan_in_fan_out=True), "fan_in_fan_out is true"), (dict(target_modules=sorted({m.split(".")[-1] for m in ALL}) + ["lm_head"]), "target_modules names 'lm_head'")):
        adapter = Peft(model)
        adapter.config.update(config)
        assert words in cli("create", "noted", "--from", "base", "--adapter", adapter.save(cli.folder / "odd")).stderr
    config = json.dumps(Peft(model).config)
    for text, words in (("", "adapter_config.json"), ("[]", "expected an object"), ("[" * 100, "adapter_config.json"), (config[:-1], "adapter_config.json"),
                        ('{"lora_parameters": {"rank": 8}}', "an adapter of MLX"), (config.replace("6", "NaN", 1), "adapter_config.json")):
        (Peft(model).save(cli.folder / "bad") / "adapter_config.json").write_text(text)
        done = cli("create", "x", "--from", "base", "--adapter", "bad")
        assert done.returncode not in (0, -6, -11) and words in done.stderr, (text, done.stderr)
    assert sorted(cli.ok("list", "-q").split()) == ["base:latest", "noted:latest"]


def test_weights_that_do_not_fit_are_refused_by_name(cli):
    model, _ = base(cli)
    a, b = (FRONT + f"model.layers.0.self_attn.q_proj.lora_{c}.weight" for c in "AB")
    good = {n: ("F32", *v) for n, v in Peft(model, ["q_proj"]).t.items()}
    inf, nan = float("inf"), float("nan")

    def changed(**new):
        return dict({k: v for k, v in good.items() if k not in new.get("without", ())}, **new.get("more", {}))

    def replaced(name, index, value):
        kind, shape, values = good[name]
        return changed(more={name: (kind, shape, values[:index] + [value] + values[index + 1:])})
    cases = [(changed(without=[a]), "lora_A.weight' is missing: there is"), (changed(without=[b]), "lora_B.weight' is missing: there is"),
             (replaced(a, 33, nan), "value 1 of row 1 is no finite number"), (replaced(b, 4, inf), "value 0 of row 1 is no finite number"), (replaced(b, 5, -inf), "no finite number"),
             (changed(more={a: ("F32", (4, 31), [0.5] * 124)}), "has 31 columns, and 'blk.0.attn_q.weight' of the model has 32"),
             (changed(more={b: ("F32", (31, 4), [0.5] * 124)}), "has 31 rows, and 'blk.0.attn_q.weight' of the model has 32"),
             (changed(more={b: ("F32", (32, 3), [0.5] * 96)}), "has the rank 3, and"), (changed(more={a: ("F32", (128,), [0.5] * 128)}), "F32 of 1 dimensions"),
             (changed(more={a: ("F32", (0, 32), [])}), "has the rank 0"), (changed(more={FRONT + "model.layers.9.self_attn.q_proj.lora_A.weight": good[a],
              FRONT + "model.layers.9.self_attn.q_proj.lora_B.weight": good[b]}), "'blk.9.attn_q.weight', which the model does not have"),
             (changed(more={FRONT + "transformer.h.0.attn.c_attn.lora_A.weight": good[a], FRONT + "transformer.h.0.attn.c_attn.lora_B.weight": good[b]}), "has no place in a model of type llama"),
             (changed(more={FRONT + "model.embed_tokens.lora_embedding_A": good[a]}), "adapters of the embedding are not supported"),
             (changed(more={FRONT + "model.norm.lora_A.weight": good[a], FRONT + "model.norm.lora_B.weight": good[b]}), "which is no matrix"),
             (changed(more={FRONT + "model.layers.0.self_attn.q_proj.lora_magnitude_vector": good[a]}), "DoRA"), (changed(more={b.replace("weight", "bias"): good[b]}), "biases of adapters"),
             (changed(more={FRONT + "lm_head.weight": good[a]}), "is neither a lora_A nor a lora_B"), (changed(more={FRONT + "lora_A.weight": good[a]}), "lora_A"),
             (changed(more={"model.layers.0.self_attn.q_proj.lora_A.weight": good[a], "model.layers.0.self_attn.q_proj.lora_B.weight": good[b]}), "are for one matrix, 'blk.0.attn_q.weight'"),
             ({"x" * 5000: good[a]}, "name"), ({n: v for n, v in good.items() if False}, "no pair of lora_A and lora_B")]
    for tensors, words in cases:
        adapter = Peft(model, ["q_proj"])
        folder = adapter.save(cli.folder / "bad", data=tensors)
        if not tensors:
            (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        done = cli("create", "x", "--from", "base", "--adapter", folder)
        assert done.returncode not in (0, -6, -11) and words in done.stderr, (words, done.stderr)
    path = Peft(model, ["q_proj"]).save(cli.folder / "bad") / "adapter_model.safetensors"
    whole = path.read_bytes()
    for content, words in ((whole[:-4], "expected within"), (struct.pack("<Q", 1 << 62) + whole[8:], "no safetensors file"), (b"", "safetensors"),
                           (whole.replace(b"F32", b"F64"), "its shape needs"), (whole.replace(b"F32", b"I32"), "is I32 of 2 dimensions"), (whole.replace(b"lora_A", b"lora_a").replace(b"lora_B", b"lora_b"), "seems to be of MLX")):
        path.write_bytes(content)
        done = cli("create", "x", "--from", "base", "--adapter", "bad")
        assert done.returncode not in (0, -6, -11) and words in done.stderr, (words, done.stderr)
    # other bases: another family, a head that is the embedding, no such folder, pickles
    path.write_bytes(whole)
    tied, settings = MODELS["qwen2"]()
    cli.ok("create", "tied", "--from", tied.save(cli.folder / "tied", 1, **settings))
    head = Peft(model, ["lm_head"], target_modules=["lm_head"])
    assert "which is its table of embeddings" in cli("create", "x", "--from", "tied", "--adapter", head.save(cli.folder / "head")).stderr
    cli.model(name="tiny")
    cli.ok("import", "tiny.gguf", "tiny")
    assert "the adapter was made for another one" in cli("create", "x", "--from", "tiny", "--adapter", "bad").stderr
    path.rename(cli.folder / "bad/adapter_model.bin")
    assert "adapter_model.bin is a Python pickle" in cli("create", "x", "--from", "base", "--adapter", "bad").stderr
    (cli.folder / "bad/adapter_model.bin").unlink()
    assert "no adapter_model.safetensors" in cli("create", "x", "--from", "base", "--adapter", "bad").stderr
    (cli.folder / "bad/adapter_config.json").unlink()
    done = cli("create", "x", "--from", "base", "--adapter", "bad")
    assert done.returncode == 7 and "'bad' holds no adapter" in done.stderr
    assert "an adapter, and no model: name its model in FROM" in cli("create", "x", "--from", Peft(model).save(cli.folder / "alone")).stderr
    assert sorted(cli.ok("list", "-q").split()) == ["base:latest", "tied:latest", "tiny:latest"]
    before = {f.name for f in (cli.home / "models/blobs").iterdir()}
    cli.ok("gc")
    assert before == {f.name for f in (cli.home / "models/blobs").iterdir()}  # nothing half made was left


# ---- faults from outside ----

def big(cli):
    """An adapter that takes a while, and some room."""
    model, settings = MODELS["llama"]()
    cli.ok("create", "base", "--from", model.save(cli.folder / "published", 1, **settings))
    return Peft(model, r=512, lora_alpha=512).save(cli.folder / "big")


def blobs(cli):
    return {f.name for f in (cli.home / "models/blobs").iterdir()}


def test_a_full_disk_leaves_nothing(cli):
    folder = big(cli)
    before = blobs(cli)
    for limit, source in ((100, ["--adapter", folder]), (100_000, ["--adapter", folder]), (500_000, ["--adapter", folder]), (20_000, ["--from", cli.folder / "published"])):
        if source[0] == "--adapter":
            source = ["--from", "base", *source]
        done = subprocess.run([cli.program, "create", "x", *map(str, source)], cwd=cli.folder, env=cli.env, capture_output=True, text=True,
                              preexec_fn=lambda n=limit: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))))
        assert done.returncode not in (0, -6, -11, -25) and done.stderr.strip(), (limit, done)
        assert blobs(cli) == before and cli.ok("list", "-q").split() == ["base:latest"]
    cli.ok("create", "x", "--from", "base", "--adapter", folder)


def test_killed_while_it_converts_nothing_half_is_seen(cli):
    folder = big(cli)
    cli.ok("create", "m", "--from", "base")
    before, plain = blobs(cli), score(cli, "base", TEXT)
    start = time.monotonic()
    cli.ok("create", "warm", "--from", "base", "--adapter", folder)
    took = time.monotonic() - start
    after = score(cli, "warm", TEXT)
    cli.ok("rm", "warm")
    assert blobs(cli) == before
    for i in range(10):
        p = subprocess.Popen([cli.program, "create", "m", "--from", "base", "--adapter", folder], cwd=cli.folder, env=cli.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * i / 10)
        p.send_signal(signal.SIGKILL)
        p.wait()
        assert score(cli, "m", TEXT) in (plain, after)
    assert cli("doctor", "--verify").returncode == 0
    cli.ok("rm", "m")
    cli.ok("gc")
    assert blobs(cli) == before  # what killed ones began is gone


def test_a_folder_for_reading_only_is_said(cli):
    folder = big(cli)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        for what, name in ((cli.home, "home"), (folder, "big"), (cli.folder / "published", "published")):
            shutil.copytree(what, place / name)
        shutil.copy(cli.program, place / "hyperlama")
        for path in [place, *place.rglob("*")]:
            path.chmod(0o555 if path.is_dir() or path.name == "hyperlama" else 0o444)
        before = sorted(place.rglob("*"))
        env = dict(cli.env, HYPERLAMA_HOME=str(place / "home"), HOME=str(place), HYPERLAMA_CONFIG=str(place / "settings.ini"))
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for source in (["--from", "base", "--adapter", place / "big"], ["--from", place / "published"]):
            done = subprocess.run([place / "hyperlama", "create", "x", *map(str, source)], cwd=place, env=env, capture_output=True, text=True, **other)
            assert done.returncode == 4 and str(place) in done.stderr, done
            assert sorted(place.rglob("*")) == before
        for path in [place, *place.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)


# ---- adapters of the command line ----

def test_run_and_score_take_adapters(cli):
    speaking_model(cli)
    (cli.folder / "Modelfile").write_text("FROM base.gguf\nPARAMETER temperature 0")
    cli.ok("create", "base", "-f", "Modelfile")
    assert cli.ok("run", "base", "--adapter", "skip.gguf", "hi").strip() == "two three"
    assert cli.ok("run", "base", "--adapter", "skip.gguf", "--adapter", "./end.gguf:1", "hi").strip() == "two"
    assert cli.ok("run", "base", "--adapter", "skip.gguf:0.1", "--adapter=end.gguf", "hi").strip() == "one"
    assert cli.ok("run", "base", "--adapter", "skip.gguf:0", "hi").strip() == "one two three"
    assert cli.ok("run", "./base.gguf", "-o", "temperature=0", "--adapter", "skip.gguf", "hi").strip() == "two three"
    os.rename(cli.folder / "skip.gguf", cli.folder / "odd:2")  # a name that looks like a scale
    assert cli.ok("run", "base", "--adapter", "odd:2", "hi").strip() == "two three"
    os.rename(cli.folder / "odd:2", cli.folder / "skip.gguf")
    cli.ok("create", "has", "--from", "base", "--adapter", "end.gguf")
    assert cli.ok("run", "has", "--adapter", "skip.gguf", "hi").strip() == "two"  # beside its own
    with Server(cli):  # a server was started without: this process answers
        assert cli.ok("run", "base", "hi").strip() == "one two three"
        assert cli.ok("run", "base", "--adapter", "skip.gguf", "hi").strip() == "two three"
    (cli.folder / "text.txt").write_text("hi\nhi\n\nhi")
    rows = [json.loads(cli.ok("score", "--json", "base", "text.txt", *more).splitlines()[-1])["perplexity"]
            for more in ([], ["--adapter", "skip.gguf:0"], ["--adapter", "skip.gguf"], ["--adapter", "skip.gguf:0.5"])]
    assert rows[0] == rows[1] and len(set(rows)) == 3
    cases = [(["--adapter", "gone.gguf"], 7, "--adapter: 'gone.gguf': No such file"), (["--adapter", "skip.gguf:much"], 2, "'much' is no scale"),
             (["--adapter", "skip.gguf:nan"], 2, "'nan' is no scale"), (["--adapter", "skip.gguf:"], 2, "'' is no scale"), (["--adapter", "base.gguf"], 5, "general.type"),
             (["--adapter", "."], 2, "is a folder, expected a GGUF file"), (["--adapter", ""], 7, "--adapter")]
    for more, code, words_said in cases:
        for command in (["run", "base", "hi"], ["score", "base", "text.txt"], ["bench", "base", "--no-save", "-m", "decode"]):
            done = cli(*command, *more)
            assert done.returncode == code and words_said in done.stderr, (command, more, done)
    done = cli("run", "base", "hi", "--adapter", "skip.gguf", "--adapter", "skip.gguf")
    assert done.returncode == 2 and "an adapter named 'skip.gguf' already" in done.stderr
    (cli.folder / "x").mkdir()
    shutil.copy(cli.folder / "end.gguf", cli.folder / "x/skip.gguf")  # another one of the same name
    assert cli.ok("run", "base", "--adapter", "skip.gguf", "--adapter", "x/skip.gguf", "hi").strip() == "two"
    done = cli("bench", "base", "--adapter", "skip.gguf", "-m", "ttft")
    assert done.returncode == 2 and "measured without adapters" in done.stderr


def test_bench_measures_with_adapters(cli):
    cli.ok("import", cli.model(loop=True), "m")
    tiny_adapter.make(cli.folder / "a.gguf", 4, {b"x": 1})
    done = cli("bench", "m", "--adapter", "a.gguf", "-m", "decode,prefill", "-p", "16", "-d", "0", "-n", "2", "-r", "1", "--json")
    assert done.returncode == 0 and "not kept" in done.stderr, done.stderr
    assert json.loads(done.stdout)["results"] and "decode" not in cli("bench", "m", "--history").stdout
