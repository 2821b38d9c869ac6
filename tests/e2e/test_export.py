"""cp --to, compare and doctor: a model as a folder, two models on one text, and what a folder denies."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import tiny_model
from test_create import show, typed, write
from test_convert import MODELS


def test_a_model_goes_elsewhere_as_a_folder(cli, tmp_path):
    cli.model()
    typed(cli.folder / "mmproj.gguf", "mmproj")
    write(cli, "FROM tiny.gguf\nFROM mmproj.gguf\nPARAMETER stop x\nSYSTEM S\nMESSAGE user hi\nLICENSE MIT")
    cli.ok("create", "one:1", "-f", "Modelfile")
    cli.ok("cp", "one:1", "--to", "out")
    assert {p.name for p in (cli.folder / "out").iterdir()} == {"one-1.gguf", "mmproj.gguf", "Modelfile", "manifest.json"}
    assert (cli.folder / "out/one-1.gguf").stat().st_nlink == 1
    before = show(cli, "one:1")
    elsewhere = {"HYPERLAMA_HOME": str(tmp_path / "elsewhere")}
    cli.ok("create", "two", "-f", "out/Modelfile", env=elsewhere)
    after = json.loads(cli.ok("show", "--json", "two", env=elsewhere))
    assert after["layers"] and [l["digest"] for l in after["layers"]] == [l["digest"] for l in before["layers"]]
    done = cli("cp", "one:1", "--to", "out")
    assert done.returncode == 8 and "not an empty folder" in done.stderr
    (cli.folder / "empty").mkdir()
    cli.ok("cp", "one:1", "--to", "empty/")
    assert cli("cp", "one:1").returncode == 2 and cli("cp", "one:1", "two", "--to", "x").returncode == 2
    blob = next(p for p in (cli.home / "models/blobs").iterdir() if p.name.endswith(before["layers"][0]["digest"]))
    data = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert cli("cp", "one:1", "--to", "bad").returncode == 15
    assert not (cli.folder / "bad").exists() and not list(cli.folder.glob("bad*"))


def test_compare_of_a_file_with_itself_and_with_a_rounded_one(cli):
    model, settings, _, _ = MODELS["llama"]()
    folder = model.save(cli.folder / "published", 1, **settings)
    cli.ok("create", "a", "--from", folder)
    short = {n: (s, [float(f"{v:.2g}") for v in values]) for n, (s, values) in model.t.items()}
    model.t = short
    cli.ok("create", "b", "--from", model.save(cli.folder / "rounded", 1, **settings))
    (cli.folder / "text").write_text("the cat is the hat " * 4)
    got = json.loads(cli.ok("compare", "a", "a", "text", "--json", "--max-kl", "0"))
    assert got["mean_kl"] == 0 and got["first_divergence"] is None and got["same_top"] == 1 and got["within"] is True
    done = cli("compare", "a", "b", "text", "--json", "--kv-type", "f32", "--max-kl", "1e-9")
    got = json.loads(done.stdout)
    assert done.returncode == 1 and got["within"] is False and 1e-7 < got["mean_kl"] <= got["max_kl"] < 1
    scores = [json.loads(cli.ok("score", m, "text", "--json", "--kv-type", "f32").splitlines()[-1])["perplexity"] for m in "ab"]
    assert abs(got["perplexity_a"] / scores[0] - 1) < 1e-5 and abs(got["perplexity_b"] / scores[1] - 1) < 1e-5
    said = cli.ok("compare", "a", "b", "text", "--max-kl", "1")
    assert "mean KL" in said and "the engine adds no noise" in said
    cli.model()
    assert "different vocabularies" in cli("compare", "a", "tiny.gguf", "text").stderr
    assert "--max-kl" in cli("compare", "a", "b", "text", "--max-kl", "much").stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_doctor_names_the_folder_that_denies(cli):
    with tempfile.TemporaryDirectory(dir="/tmp") as top:  # pytest's own folders are for one user alone
        os.chmod(top, 0o755)
        program = shutil.copy(cli.program, top)
        locked = pathlib.Path(top, "locked")
        (locked / "home/models").mkdir(parents=True)
        locked.chmod(0o700)
        done = subprocess.run([program, "doctor"], env=dict(cli.env, HYPERLAMA_HOME=str(locked / "home")), user=65534, group=65534,
                              extra_groups=[], capture_output=True, text=True, cwd="/")
        assert f"'{locked}' denies" in done.stdout
