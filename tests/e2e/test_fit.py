"""fit of a model that is elsewhere: judged by its header alone, whoever serves it and however badly; and what pull and run say of one that does not fit."""
import contextlib
import hashlib
import json
import re
import shutil

import pytest

import tiny_model
from bad_server import Bad, Hollow
from test_pull import PIECES, bad, certificate, gguf, hub, left, model_of, names, online, pull, registry  # noqa: F401
from test_serve import serve  # noqa: F401

MIB = 1 << 20


def hollow(bad, repository="me/big", tag="latest", parts=1, size=None, **kw):
    """A model whose weights nobody has: header and length are real."""
    layers, total = [], 0
    for i in range(parts):
        head, n = tiny_model.header(part=(i, parts) if parts > 1 else None, **kw)
        digest = "sha256:" + hashlib.sha256(head).hexdigest()
        bad.files[f"/v2/{repository}/blobs/{digest}"] = Hollow(head, n)
        layers.append({"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": size or n})
        total += n
    bad.manifests[f"{repository}/{tag}"] = json.dumps({"schemaVersion": 2, "layers": layers}).encode()
    return total


def fit(cli, name, *args, **kw):
    done = cli("fit", "--insecure", "--json", name, *args, **kw)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_remote_model_is_judged_as_the_same_one_here(cli, bad, gguf):
    model_of(bad, gguf(), extra=[("system", b"Be brief.")])
    name = f"http://{bad.host}/me/m"
    got = fit(cli, name)
    assert names(cli) == [] and left(cli) == [] and got["name"] == f"{bad.host}/me/m:latest"
    assert pull(cli, bad).returncode == 0
    here = fit(cli, name)
    keys = ("context", "weights_bytes", "cache_bytes", "buffers_bytes", "fits", "tokens_per_s_first", "tokens_per_s_last")
    assert [[r[k] for k in keys] for r in got["contexts"]] == [[r[k] for k in keys] for r in here["contexts"]]
    assert "missing_bytes" in got and "missing_bytes" not in here


def test_of_a_large_model_only_the_header_comes(cli, bad):
    total = hollow(bad, n_layers=200, n_embd=16384, n_ff=65536, n_vocab=60000)
    assert total > 400e9
    got = fit(cli, f"http://{bad.host}/me/big")
    assert got["file_bytes"] == got["download_bytes"] == got["missing_bytes"] == total
    assert got["contexts"] and not any(r["fits"] for r in got["contexts"]) and got["contexts"][0]["tokens_per_s_first"] > 0
    ranges = [re.fullmatch(r"bytes=(\d+)-(\d+)", h["Range"]) for _, _, h in bad.requests("/blobs/")]
    assert 1 <= len(ranges) <= 3 and all(int(r[2]) < 4 * MIB for r in ranges) and got["header_bytes"] <= 4 * MIB
    text = cli.ok("fit", "--insecure", f"http://{bad.host}/me/big")
    assert re.search(r"not here: \d+ GB to fetch; the disk has room for .*: it (does not )?fit", text), text
    assert names(cli) == [] and left(cli) == []


def test_a_long_header_is_fetched_in_growing_parts(cli, bad):
    hollow(bad, filler=9 * MIB)
    assert fit(cli, f"http://{bad.host}/me/big")["header_bytes"] <= 20 * MIB
    starts = [int(h["Range"].split("=")[1].split("-")[0]) for _, _, h in bad.requests("/blobs/")]
    assert starts == sorted(set(starts)) and len(starts) <= 5  # nothing twice


def test_all_parts_of_a_split_model_are_looked_at(cli, bad):
    total = hollow(bad, parts=3, n_layers=6)
    got = fit(cli, f"http://{bad.host}/me/big")
    assert got["file_bytes"] == total and len({p for _, p, _ in bad.requests("/blobs/")}) == 3


def test_a_server_without_ranges_is_hung_up_on(cli, bad):
    total = hollow(bad, n_layers=100, n_embd=8192, n_ff=16384)
    bad.no_ranges = True
    got = fit(cli, f"http://{bad.host}/me/big")
    assert got["file_bytes"] == total and got["header_bytes"] <= 4 * MIB
    assert bad.sent < 64 * MIB  # what lay in sockets


def test_what_is_broken_off_is_asked_for_again_from_there(cli, bad):
    hollow(bad, filler=3 * MIB)
    bad.cut, bad.cut_times = 700_000, 2
    assert fit(cli, f"http://{bad.host}/me/big")["file_bytes"] > 0
    bad.cut, bad.cut_times = 0, 0
    hollow(bad, repository="me/cut")
    bad.cut = 1000  # always
    done = cli("fit", "--insecure", f"http://{bad.host}/me/cut")
    assert done.returncode in (0, 13), done.stderr  # 64 answers at most


@pytest.mark.parametrize("how, code, word", [
    ("wrong_range", 5, "another range"), ("size", 5, "the server has"), ("html", 5, "not a GGUF file"), ("long", 12, "header has more than"),
    ("arch", 6, "architecture"), ("gone", 7, "does not have it|404"), ("count", 5, "tensor count")])
def test_a_hostile_header_or_server_is_refused(cli, bad, how, code, word):
    total = hollow(bad, **({"size": 999_999_999_999} if how == "size" else {"arch": "nobody"} if how == "arch" else {}))
    (path,) = bad.files
    head = bad.files[path].head
    if how == "wrong_range":
        bad.wrong_range = True
    elif how == "html":
        bad.files[path] = Hollow(b"<html><body>log in first</body></html>" * 100, total)
    elif how == "long":  # a key of 100 MB, and a server that would send it
        bad.files[path] = Hollow(head[:24] + tiny_model.text("k") + b"\x08\0\0\0" + (100 * MIB).to_bytes(8, "little"), total)
        bad.files[path].length = max(total, 200 * MIB)
        bad.manifests["me/big/latest"] = bad.manifests["me/big/latest"].replace(str(total).encode(), str(len(bad.files[path])).encode())
    elif how == "gone":
        del bad.files[path]
    elif how == "count":
        bad.files[path] = Hollow(head[:8] + b"\xff" * 8 + head[16:], total)
    done = cli("fit", "--insecure", f"http://{bad.host}/me/big")
    assert done.returncode == code and re.search(word, done.stderr) and "/proc/" not in done.stderr, (done.returncode, done.stderr)
    assert done.stdout == "" and bad.sent < 80 * MIB and left(cli) == []


def test_who_has_no_such_model_or_no_network_says_so(cli, bad):
    done = cli("fit", "--insecure", f"http://{bad.host}/me/none")
    assert done.returncode == 7 and "not found in the registry" in done.stderr, done.stderr
    done = cli("fit", f"http://{bad.host}/me/none")
    assert done.returncode == 2 and "--insecure" in done.stderr
    done = cli("fit", "nothing", env={"HYPERLAMA_REGISTRY_OFFLINE": "yes"})
    assert done.returncode == 7 and "pulled from" not in done.stderr
    done = cli("fit", "--insecure", f"{bad.url}/x.gguf", env={"HYPERLAMA_REGISTRY_OFFLINE": "yes"})
    assert done.returncode == 6 and "registry.offline" in done.stderr and not bad.requests("x.gguf")


def test_tokens_redirects_and_hubs_are_as_for_a_pull(cli, bad, gguf):
    with contextlib.closing(Bad()) as cdn:
        total = hollow(bad)
        cdn.files = bad.files
        bad.needs_token, bad.redirect = True, f"http://localhost:{cdn.server_address[1]}/cdn"
        assert fit(cli, f"http://{bad.host}/me/big")["file_bytes"] == total
        assert cdn.seen and all("Authorization" not in h for _, _, h in cdn.seen)
        bad.needs_token = False
        data = gguf()
        env = {**hub(bad, gguf, **{"m__Q4_0.gguf": data}), "HF_TOKEN": "hf_secret"}
        cdn.seen.clear()
        got = fit(cli, "hf.co/org/Repo-GGUF:Q4_0", env=env)
        assert got["name"] == "hf.co/org/Repo-GGUF:Q4_0" and got["missing_bytes"] == len(data)
        assert cdn.seen and all("Authorization" not in h for _, _, h in cdn.seen)


def test_the_url_of_a_file_says_how_long_it_is(cli, bad):
    head, n = tiny_model.header(n_layers=40, n_embd=4096, n_ff=8192)
    bad.files["/x/large.gguf"] = Hollow(head, n)
    got = fit(cli, f"{bad.url}/x/large.gguf?key=s3cr3t")
    assert got["name"] == "large:latest" and got["missing_bytes"] == got["file_bytes"] == n
    bad.no_ranges = True
    assert fit(cli, f"{bad.url}/x/large.gguf")["file_bytes"] == n
    bad.no_length = True
    done = cli("fit", "--insecure", f"{bad.url}/x/large.gguf?key=s3cr3t")
    assert done.returncode == 13 and "how long" in done.stderr and "s3cr3t" not in done.stderr, done.stderr


def test_a_real_registry_s_model(cli, registry, tmp_path):
    host = registry()
    cli.ok("import", cli.model(PIECES), "tiny")
    assert cli("push", "--insecure", "tiny", f"{host}/me/tiny:v1").returncode == 0
    here = fit(cli, "tiny")
    cli.ok("rm", "tiny")
    got = fit(cli, f"{host}/me/tiny:v1")
    assert [r["cache_bytes"] for r in got["contexts"]] == [r["cache_bytes"] for r in here["contexts"]] and got["file_bytes"] == here["file_bytes"]
    assert names(cli) == [] and left(cli) == []


# ---- before a download ----

def test_pull_and_run_warn_of_what_does_not_fit_and_go_on(cli, bad):
    hollow(bad, n_layers=200, n_embd=65536, n_ff=262144)  # 8 TB: no disk has room, so nothing comes in the end
    name = f"http://{bad.host}/me/big"
    free_before = shutil.disk_usage(cli.folder).free
    for command in (["pull"], ["run"]):
        bad.seen.clear()
        done = cli(*command, "--insecure", name, *(["x"] if command == ["run"] else []))
        said = " ".join(done.stderr.split())
        assert re.search(r"warning: .*needs [\d.]+ TB of memory with its usual context \(weights [\d.]+ TB, cache .*, buffers .*\), .* are free", said), said
        assert shutil.disk_usage(cli.folder).free > free_before / 2  # a download that has no room takes none
        assert "its download has" in said and "registry.fit=refuse" in said and done.returncode in (4, 7), (done.returncode, said)
    done = cli("pull", "--insecure", "--dry-run", name)
    assert done.returncode == 0 and "would pull" in done.stdout and "of memory" in " ".join(done.stderr.split())


def test_pull_refuses_what_does_not_fit_where_it_is_told_to(cli, bad, gguf):
    hollow(bad, n_layers=200, n_embd=16384, n_ff=65536)
    name = f"http://{bad.host}/me/big"
    done = cli("pull", "--insecure", name, "--registry-fit=refuse")
    assert done.returncode == 12 and "does not fit" in done.stderr and not [1 for _, _, h in bad.requests("/blobs/") if int(h["Range"].split("-")[1]) > 4 * MIB]
    assert left(cli) == []
    bad.seen.clear()
    done = cli("pull", "--insecure", "--dry-run", name, "--registry-fit=off")
    assert done.returncode == 0 and "of memory" not in done.stderr and not bad.requests("/blobs/")
    model_of(bad, gguf())
    assert pull(cli, bad, "me/m", "--registry-fit=refuse").returncode == 0  # what fits is not touched by it
    assert len(bad.requests("/me/m/manifests/")) == 1 and not [1 for _, _, h in bad.requests("/me/m/blobs/") if "0-1048575" in h.get("Range", "")]


def test_who_only_asks_for_news_is_told_no_sizes(cli, bad, gguf):
    model_of(bad, gguf(), "me/big")
    assert pull(cli, bad, "me/big").returncode == 0
    hollow(bad, n_layers=200, n_embd=16384, n_ff=65536)
    bad.seen.clear()
    done = cli("list", "--outdated", "--insecure")
    assert done.returncode == 0 and "me/big" in done.stdout and not bad.requests("/blobs/") and "memory" not in done.stderr, done.stderr


def test_pull_warns_of_an_architecture_that_this_build_cannot_run(cli, bad):
    hollow(bad, n_layers=200, n_embd=16384, n_ff=65536, arch="nobody")
    done = cli("pull", "--insecure", "--dry-run", f"http://{bad.host}/me/big")
    said = " ".join(done.stderr.split())
    assert done.returncode == 0 and "this build cannot run it" in said and "nobody" in said and "/proc/" not in said


def test_a_server_notes_it_in_its_log_and_goes_on(serve, cli, bad):
    hollow(bad, n_layers=200, n_embd=65536, n_ff=262144)
    s = serve()
    lines = s.lines("/api/pull", {"model": f"http://{bad.host}/me/big", "insecure": True})
    assert lines[0] == {"status": "pulling manifest"} and "error" in lines[-1]
    assert any("model-too-large" in line and "of memory" in line for line in s.log), s.log
