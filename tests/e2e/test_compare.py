"""bench/compare: turns, going on after a stop, what cannot be had, the report. The peers are scripts with made-up speeds."""
import os
import pathlib
import subprocess
import sys
import xml.dom.minidom

import pytest

COMPARE = pathlib.Path(__file__).resolve().parent.parent.parent / "bench" / "compare"
sys.path.insert(0, str(COMPARE))
import bars  # noqa: E402
import compare  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402

# Answers as peer_worker.py does, at `rate` tokens/s.
FAKE = """#!{python}
import json, sys
w = json.loads(sys.argv[3])
print("engine\\t0\\tx\\tfake 1.0")
values = [("probe_prefill", w["probe"]), ("probe_decode", 0)] if "probe" in w else []
values += [("prefill", w["prefill"])] if "prefill" in w else []
values += [("rows", n) for n in w.get("rows", [])] + [("decode", n) for n in w.get("depths", [0] if "decode" in w else [])]
for metric, n in values:
    print(metric, n, {rate}, "tokens/s", sep="\\t")
"""


class Bench:
    def __init__(self, cli):
        self.cli, self.out = cli, cli.folder / "values.tsv"
        self.model = cli.model(name="tiny-1b-q4_k_m")

    def peer(self, name, rate=None):
        path = self.cli.folder / name / "python"
        path.parent.mkdir()
        path.write_text(FAKE.format(python=sys.executable, rate=rate) if rate else "#!/bin/sh\necho no such type >&2\nexit 1\n")
        path.chmod(0o755)
        return f"{name}={path}"

    def __call__(self, *args):
        cmd = [sys.executable, COMPARE / "compare.py", "--hyperlama", self.cli.program, "--run", "test", "--out", self.out, *args]
        return subprocess.run(list(map(str, cmd)), capture_output=True, text=True, env=dict(os.environ, **self.cli.env), timeout=120)

    def rows(self):
        return report.read(self.out)


@pytest.fixture
def bench(cli):
    return Bench(cli)


def test_programs_take_turns_and_the_report_has_ratios_bars_and_plots(bench):
    peers = ["--peer", bench.peer("llama.cpp", 10), "--peer", bench.peer("ik_llama.cpp", 20)]
    done = bench(*peers, "--pieces", "core", "--rounds", "2", bench.model)
    assert done.returncode == 0, done.stderr
    order = [(r["round"], r["engine"]) for r in bench.rows() if r["metric"] == "wall" and r["piece"] == "core"]
    assert order == [(n, e) for n in "12" for e in ("hyperlama", "llama.cpp", "ik_llama.cpp")]
    assert "| hyperlama | llama.cpp | ik_llama.cpp | / llama.cpp | / ik_llama.cpp | bar | met |" in done.stdout
    assert ">= 3 x llama.cpp, >= 1.5 x ik_llama.cpp | yes, yes |" in done.stdout
    xml.dom.minidom.parse(str(bench.cli.folder / "values-test-rows.svg"))
    assert (bench.cli.folder / "values-test.md").read_text() in done.stdout


def test_a_run_that_was_stopped_goes_on_where_it_was(bench):
    args = ["--peer", bench.peer("llama.cpp", 10), "--pieces", "decode", "--rounds", "2", bench.model]
    first = bench(*args, "--for", "0.001")  # one piece is always made, or nothing would ever be
    assert first.returncode == 75, first.stderr
    before = bench.rows()
    for _ in range(8):
        if bench(*args, "--for", "0.001").returncode == 0:
            break
    after = bench.rows()
    assert after[:len(before)] == before
    walls = [(r["piece"], r["round"], r["engine"]) for r in after if r["metric"] == "wall"]
    assert len(walls) == len(set(walls)) == 6


def test_a_peer_that_cannot_load_a_file_is_recorded_and_asked_no_more(bench):
    done = bench("--peer", bench.peer("ik_llama.cpp"), "--pieces", "decode", "--rounds", "3", bench.model)
    assert done.returncode == 0, done.stderr
    failed = [r for r in bench.rows() if r["metric"] == "failed"]
    assert [(r["piece"], r["unit"]) for r in failed] == [("probe", "no such type")]
    assert "ik_llama.cpp on tiny-1b-q4_k_m.gguf, probe: no such type" in done.stdout


def test_peers_that_are_not_there_are_skipped_with_a_word(bench):
    done = bench("--pieces", "decode", "--rounds", "1", bench.model)
    assert done.returncode == 0 and "skipped: ollama: " in done.stderr


def test_sizes_shrink_until_the_slowest_program_keeps_the_limit():
    class Args:
        threads, repeats, limit = 2, 1, 60
    assert compare.work("core", Args, (1000, 100))["prefill"] == 512
    assert compare.work("core", Args, (10, 2))["prefill"] == 128 and compare.work("core", Args, (10, 2))["decode"] == 16
    assert compare.work("depth", Args, (1000, 100))["depths"] == [256, 512, 1024, 2048, 4096]
    assert compare.work("depth", Args, (12, 2))["depths"] == [256, 512]
    assert compare.work("depth-q8", Args, (12, 2))["depths"] == [512]


def test_bars_are_told_by_metric_size_and_type():
    assert bars.find("prefill", 512, "llama3-8b-q4_k_m.gguf") == [("llama.cpp", 3.0), ("ik_llama.cpp", 1.5)]
    assert bars.find("prefill", 512, "moe-small-q4_k_m.gguf") == [("llama.cpp", 3.0), ("ik_llama.cpp", 1.15)]
    assert bars.find("decode", 0, "x-f16.gguf") == [("limit", 0.9)] and bars.find("rows", 4, "x-1b-q4_k_m.gguf") == []
    assert bars.check([("best", 1.5)], 30.0, {"best": 20.0}) == [(">= 1.5 x the better peer", True)]
    assert bars.check([("best", 1.5)], 29.0, {"best": 20.0})[0][1] is False
    assert bars.check([("best", 1.5)], 29.0, {})[0][1] is None
    assert bars.check([("plan", 1.0), ("llama.cpp", 1.0)], 9.0, {"plan": 10, "llama.cpp": 8, "is_less_better": True}) == [
        ("<= 1 x file + cache + 64 MiB", True), ("<= 1 x llama.cpp", False)]


def test_plots_are_well_formed_and_name_what_they_show():
    values = {("decode", n): (v, "tokens/s", 0) for n, v in ((0, 50.0), (1024, 40.0), (4096, 30.0))}
    svg = plots.draw({"a<b.gguf": {"hyperlama": values, "llama.cpp": {("decode", 0): (9.0, "tokens/s", 0)}}})
    assert list(svg) == ["depth"]
    words = [t.firstChild.data for t in xml.dom.minidom.parseString(svg["depth"]).getElementsByTagName("text")]
    assert {"a<b", "hyperlama", "4096", "tokens/s", "tokens of context"} <= set(words) and "llama.cpp" not in words


SERVER = """#!{python}
import http.server, json, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(json.dumps({{"data": [{{"meta": {{"n_vocab": 300}}}}]}}) + "\\n")
    def do_POST(self):
        ask = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert all(0 <= t < 300 for t in ask["prompt"])
        self.answer("".join('data: {{"tokens": [1]}}\\n\\n' for _ in range(ask["n_predict"])))
    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *a):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def test_requests_that_arrive_at_random_go_to_a_server_too(bench):
    server = bench.cli.folder / "server"
    server.write_text(SERVER.format(python=sys.executable))
    server.chmod(0o755)
    for what in (["--requests", "3", "--arrivals", "50"], ["--clients", "2", "--steps", "4", "--prompt", "8"]):
        cmd = [sys.executable, COMPARE / "arrivals.py", "--hyperlama", bench.cli.program, "--server", server, *what, bench.model]
        done = subprocess.run(list(map(str, cmd)), capture_output=True, text=True, env=dict(os.environ, **bench.cli.env), timeout=120)
        assert done.returncode == 0, done.stderr
        assert "| tokens/s | " in done.stdout and "inter-token" in done.stdout
