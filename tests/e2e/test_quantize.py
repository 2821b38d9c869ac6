"""hyperlama quantize: from a real model to a smaller one that still answers."""
import json
import os
import pathlib

import pytest

MODELS = pathlib.Path(os.environ.get("HL_TEST_MODELS") or pathlib.Path(__file__).resolve().parents[2] / "out/models")
SMOL = MODELS / "smollm2-135m-q4_1.gguf"


def test_a_tiny_model_is_written_again(cli):
    path = cli.model()
    out = cli.ok("quantize", path, cli.folder / "small.gguf", "--type", "q8_0")
    assert out.startswith(f"wrote '{cli.folder / 'small.gguf'}': ")
    assert cli("run", cli.folder / "small.gguf", "Hi").returncode == 0
    again = cli("quantize", path, cli.folder / "small.gguf", "--type", "q8_0")
    assert again.returncode != 0 and "--force" in again.stderr
    assert cli.ok("quantize", path, cli.folder / "small.gguf", "--type", "q8_0", "--force", "-q") == ""


def test_a_dry_run_prints_the_plan_and_writes_nothing(cli):
    path = cli.model()
    lines = [json.loads(line) for line in cli.ok("quantize", path, "none.gguf", "-n", "--json", "--type", "Q8_0").splitlines()]
    assert lines[-1]["tensors"] == len(lines) - 1
    assert {line["to"] for line in lines[:-1]} <= {"Q8_0", "F32", "F16"}
    assert not (cli.folder / "none.gguf").exists()


def test_what_is_wrong_is_said(cli):
    path = cli.model()
    for args, word in ((["--type", "Q4_K_XL"], "Q4_K_M"), (["--tensor-type", "attn_q"], "PATTERN=TYPE"), (["--imatrix", path], "in_sum2"), (["--imatrix", __file__], "neither a GGUF file nor"),
                       (["--tensor-type", "attn_q=iq1_s"], "does not write")):
        done = cli("quantize", path, "x.gguf", *args)
        assert done.returncode != 0 and word in done.stderr, (args, done.stderr)
    assert cli("quantize", "nowhere.gguf", "x.gguf").returncode != 0
    assert not list(cli.folder.glob("x.gguf*"))


def test_score_writes_an_importance_matrix_that_quantize_reads(cli):
    path = cli.model()
    (cli.folder / "text.txt").write_text("Hello brave new world. " * 20)
    said = json.loads(cli.ok("score", path, "text.txt", "--imatrix", "m.gguf", "--json").splitlines()[-1])
    assert said["importance_matrices"] > 0
    plan = [json.loads(line) for line in cli.ok("quantize", path, "none.gguf", "-n", "--json", "--type", "Q8_0", "--imatrix", "m.gguf").splitlines()]
    assert plan[-1]["weighted"] == sum(line["weighted"] for line in plan[:-1]) == sum(line["tensor"].startswith("blk.") and line["to"] == "Q8_0" for line in plan[:-1])
    refused = cli("score", path, "text.txt", "--imatrix", "m.gguf")
    assert refused.returncode == 2 and "--force" in refused.stderr
    before = (cli.folder / "m.gguf").read_bytes()
    cli.ok("score", path, "text.txt", "--imatrix", "m.gguf", "--force")
    assert (cli.folder / "m.gguf").read_bytes() == before  # the same bits every time
    assert cli("score", path, "text.txt", "--force").returncode == 2


def test_an_importance_matrix_makes_a_real_model_no_worse(cli):
    if not SMOL.exists():
        pytest.skip(f"{SMOL} is not there")
    root = pathlib.Path(__file__).resolve().parents[2]
    (cli.folder / "train.txt").write_text((root / "ARCHITECTURE.md").read_text()[:8000])
    (cli.folder / "text.txt").write_text((root / "tests/golden/logits/text.txt").read_text()[:2500])
    cli.ok("quantize", SMOL, "f16.gguf", "--type", "F16", "--requantize", timeout=600)
    cli.ok("score", SMOL, "train.txt", "--imatrix", "m.gguf", timeout=600)  # of the file that is read fastest
    cli.ok("quantize", "f16.gguf", "plain.gguf", "--type", "Q4_0", timeout=600)
    cli.ok("quantize", "f16.gguf", "weighted.gguf", "--type", "Q4_0", "--imatrix", "m.gguf", timeout=600)
    plain, weighted = (json.loads(cli.ok("score", name, "text.txt", "--json", timeout=600).splitlines()[-1])["perplexity"]
                       for name in ("plain.gguf", "weighted.gguf"))
    assert weighted < plain


def test_a_real_model_keeps_its_sense(cli):
    if not SMOL.exists():
        pytest.skip(f"{SMOL} is not there")
    refused = cli("quantize", SMOL, "q.gguf", "--type", "Q4_K_M")
    assert refused.returncode != 0 and "--requantize" in refused.stderr
    cli.ok("quantize", SMOL, "f16.gguf", "--type", "F16", "--requantize", timeout=600)
    cli.ok("quantize", "f16.gguf", "q.gguf", "--type", "Q4_K_M", timeout=600)
    assert (cli.folder / "q.gguf").stat().st_size < 0.42 * (cli.folder / "f16.gguf").stat().st_size
    text = cli.folder / "text.txt"
    text.write_text((pathlib.Path(__file__).resolve().parents[1] / "golden/logits/text.txt").read_text()[:2500])
    scores = {name: json.loads(cli.ok("score", name, text, "--json", timeout=600).splitlines()[-1])["perplexity"]
              for name in ("f16.gguf", "q.gguf")}
    assert scores["q.gguf"] < 1.15 * scores["f16.gguf"], scores
    assert "Paris" in cli.ok("run", "q.gguf", "-o", "temperature=0", "Name the capital of France.", timeout=600)
