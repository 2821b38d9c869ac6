"""bench/compare/baselines.py: one command, every program a column, whoever is missing a row that says so."""
import pathlib
import subprocess
import sys
import xml.dom.minidom

import pytest

COMPARE = pathlib.Path(__file__).resolve().parent.parent.parent / "bench" / "compare"


@pytest.fixture
def run(cli):
    model = cli.model(pieces=tuple(f" word{i}" for i in range(12)), name="smollm2-135m-tiny")
    out = cli.folder / "values.tsv"

    def go(*args):
        nobody = [x for p in ("ollama", "llama-server", "ik-llama-server", "max") for x in (f"--{p}", str(cli.folder / "not-there"))]
        return subprocess.run([sys.executable, COMPARE / "baselines.py", "--hyperlama", cli.program, *nobody, "--out", out, "--run", "x", "--rounds", "1", "--tokens", "8",
                               "--prompt", "40", "--turns", "2", *map(str, args)], capture_output=True, text=True, env=dict(cli.env, PYTHONDONTWRITEBYTECODE="1"), timeout=300)
    go.model, go.out, go.folder = model, out, cli.folder
    return go


def test_one_command_makes_the_whole_table(run):
    done = run(run.folder)  # the folder's models of the set
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in run.out.read_text().splitlines()]
    head, rows = rows[0], [dict(zip(rows[0], r)) for r in rows[1:]]
    assert "machine" in head and all(r["machine"] and "GiB" in r["machine"] for r in rows)
    own = {(r["metric"], int(r["n"])): float(r["value"]) for r in rows if r["engine"] == "hyperlama" and r["metric"] != "missing"}
    assert {("load", 0), ("first", 16), ("prefill", 40), ("single", 1), ("agent", 2), ("peak", 1), ("peak", 16)} | {("clients", n) for n in (1, 4, 8, 16)} <= set(own)
    assert all(v > 0 for v in own.values()) and own["peak", 1] > 1
    assert {r["engine"] for r in rows if r["metric"] == "missing"} >= {"Ollama", "llama.cpp", "ik_llama.cpp", "MAX"}
    text = (run.folder / "values-x.md").read_text()
    assert text in done.stdout and "CPUs" in text and "| single, tokens/s |" in text and "| clients 16, tokens/s |" in text
    assert "* MAX: load, first, prefill, single, clients, agent, peak, energy missing: '" in text and "HL_MAX or the PATH names it" in text
    xml.dom.minidom.parse(str(run.folder / "values-x.svg"))


def test_what_fails_is_named_and_the_rest_goes_on(run):
    wrong = run.folder / "gemma3-270m-broken.gguf"
    wrong.write_bytes(b"GGUF but no more")
    done = run("--rows", "load,single", wrong, run.model)
    assert done.returncode == 0, done.stderr
    text = (run.folder / "values-x.md").read_text()
    assert "hyperlama: " in text.split("### smollm2")[0] and "missing: " in text and "| single, tokens/s |" in text.split("### smollm2")[1]


@pytest.mark.parametrize("args, words", [(("--rows", "speed"), "speed is none of load, first"), ((), "a model, or a folder of them"), (("/nowhere.gguf",), "/nowhere.gguf: not there")])
def test_wrong_orders(run, args, words):
    done = run(*args)
    assert done.returncode != 0 and words in done.stderr and not run.out.exists()
