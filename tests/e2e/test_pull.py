"""pull: from registries of two kinds, from a hub and from a URL; what is broken off, refused, shared, undone."""
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

import tiny_model
from bad_server import Bad
from test_serve import serve  # noqa: F401

PIECES = ("Hello", " brave", " new", " world.")


@pytest.fixture(autouse=True)
def online(cli):
    cli.env.pop("HYPERLAMA_REGISTRY_OFFLINE")


@pytest.fixture
def bad():
    with contextlib.closing(Bad()) as b:
        yield b


@pytest.fixture
def gguf(tmp_path):
    """A model's bytes; with `pad`, so many bytes more behind the tensors' end would be no model: other keys make it longer."""
    def make(name="m", pieces=PIECES, filler=0):
        path = tmp_path / f"{name}.gguf"
        tiny_model.make(path, pieces, name=name + "x" * filler)
        return path.read_bytes()
    return make


def big(n, seed=1):
    return (hashlib.sha256(bytes([seed])).digest() * (n // 32 + 1))[:n]


def model_of(bad, data, repository="me/m", tag="latest", extra=()):
    return bad.add_model(repository, [("model", data), *extra], tag)


def names(cli):
    return [m["name"] for m in json.loads(cli.ok("list", "--json"))["models"]]


def left(cli):
    blobs = cli.home / "models" / "blobs"
    return sorted(p for p in os.listdir(blobs) if p.startswith("hyperlama-")) if blobs.exists() else []


def pull(cli, bad, name="me/m", *args, **kw):
    return cli("pull", "--insecure", f"http://{bad.host}/{name}", *args, **kw)


def test_a_model_comes_with_all_its_layers(cli, bad, gguf):
    data = gguf()
    manifest = model_of(bad, data, extra=[("system", b"Be brief."), ("params", b'{"temperature":0}')])
    done = pull(cli, bad)
    assert done.returncode == 0 and "pulled" in done.stdout and f"{bad.host}/me/m:latest" in done.stdout, done.stderr
    assert names(cli) == [f"{bad.host}/me/m:latest"] and not left(cli)
    name = f"{bad.host}/me/m"
    assert cli.ok("show", name, "--system").strip() == "Be brief."
    assert cli.ok("run", name, "--raw", "-o", "num_predict=2", "x")
    listed = json.loads(cli.ok("list", "--json"))["models"][0]
    assert listed["digest"] == hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    before = len(bad.requests("/blobs/"))
    again = pull(cli, bad)
    assert again.returncode == 0 and "up to date" in again.stdout and len(bad.requests("/blobs/")) == before


def test_progress_is_told_as_json_lines(cli, bad, gguf):
    data = gguf()
    model_of(bad, data)
    lines = [json.loads(line) for line in pull(cli, bad, "me/m", "--json").stdout.splitlines()]
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert lines[0] == {"status": "pulling manifest"} and lines[-2] == {"status": "success"}
    assert {"status": "pulling " + digest[7:19], "digest": digest, "total": len(data), "completed": len(data)} in lines
    assert lines[-1]["status"] == "done" and lines[-1]["changed"] is True and lines[-1]["fetched_bytes"] >= len(data)
    assert [s["status"] for s in lines if "digest" not in s][1:4] == ["verifying sha256 digest", "writing manifest", "success"]


def test_a_dry_run_fetches_nothing(cli, bad, gguf):
    model_of(bad, gguf())
    done = pull(cli, bad, "me/m", "--dry-run")
    assert done.returncode == 0 and "would pull" in done.stdout and not bad.requests("/blobs/") and names(cli) == []


def test_what_is_broken_off_goes_on(cli, bad, gguf):
    data = big(3_000_000)
    model_of(bad, data)
    bad.cut, bad.cut_times = 700_000, 3
    done = pull(cli, bad)
    assert done.returncode == 0, done.stderr
    got = bad.requests("/blobs/sha256:" + hashlib.sha256(data).hexdigest())
    starts = [int(h.get("Range", "bytes=0-").split("=")[1].split("-")[0]) for _, _, h in got]
    assert starts[:4] == [0, 700_000, 1_400_000, 2_100_000]


def test_a_killed_pull_goes_on_where_it_was(cli, bad):
    data = big(60_000_000)
    model_of(bad, data)
    bad.gate, bad.gate_at = threading.Event(), 25_000_000
    p = subprocess.Popen([cli.program, "pull", "--insecure", f"http://{bad.host}/me/m"], env=cli.env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    at = cli.home / "models" / "blobs" / ("hyperlama-download-" + hashlib.sha256(data).hexdigest() + ".map")
    for _ in range(600):
        if at.exists() and len(at.read_text().splitlines()) > 1:
            break
        time.sleep(0.05)
    assert len(at.read_text().splitlines()) > 1
    p.send_signal(signal.SIGKILL)
    p.wait()
    bad.gate.set()
    bad.gate = None
    before = len(bad.seen)
    done = pull(cli, bad)
    assert done.returncode == 0, done.stderr
    starts = [int(h["Range"].split("=")[1].split("-")[0]) for _, path, h in bad.seen[before:] if hashlib.sha256(data).hexdigest() in path]
    assert min(starts) == 16 << 20 and not left(cli)


def test_a_damaged_partial_file_is_noticed(cli, bad):
    data = big(50_000_000)
    digest = hashlib.sha256(data).hexdigest()
    model_of(bad, data)
    blobs = cli.home / "models" / "blobs"
    blobs.mkdir(parents=True)
    good = blobs / ("hyperlama-download-" + digest)
    good.write_bytes(b"\1" * 10 + data[10:40_000_000])
    (blobs / (good.name + ".map")).write_text(
        f"hyperlama-download 1 size {len(data):020} at {32 << 20:020} mark \"\"\n"
        + "".join(f"{n << 20} {hashlib.sha256(data[:n << 20]).hexdigest()}\n" for n in (16, 32)))
    done = pull(cli, bad)
    assert done.returncode == 0, done.stderr
    assert (blobs / ("sha256-" + digest)).read_bytes() == data


def test_ctrl_c_keeps_what_came(cli, bad):
    data = big(40_000_000)
    model_of(bad, data)
    bad.gate, bad.gate_at = threading.Event(), 20_000_000
    p = subprocess.Popen([cli.program, "pull", "--insecure", f"http://{bad.host}/me/m"], env=cli.env, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if left(cli) and any(os.path.getsize(cli.home / "models" / "blobs" / f) > 18_000_000 for f in left(cli)):
            break
        time.sleep(0.05)
    p.send_signal(signal.SIGINT)
    p.wait(30)
    bad.gate.set()
    assert p.returncode == 130 and any(hashlib.sha256(data).hexdigest() in f for f in left(cli))
    assert names(cli) == []


def test_two_processes_share_one_download(cli, bad, gguf):
    data = gguf()
    model_of(bad, data)
    bad.gate, bad.gate_at = threading.Event(), 0
    started = [subprocess.Popen([cli.program, "pull", "--insecure", f"http://{bad.host}/me/m"], env=cli.env, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    digest = hashlib.sha256(data).hexdigest()
    for _ in range(600):
        if bad.requests(digest):
            break
        time.sleep(0.05)
    time.sleep(0.3)
    bad.gate.set()
    for p in started:
        assert p.wait(60) == 0, p.stderr.read()
    assert len(bad.requests("/blobs/sha256:" + digest)) == 1 and not left(cli)


def test_a_server_without_ranges_will_do(cli, bad):
    data = big(70_000_000)
    model_of(bad, data)
    bad.no_ranges = True
    assert pull(cli, bad).returncode == 0
    bad.cut, bad.cut_times = 30_000_000, 1
    cli.ok("rm", f"{bad.host}/me/m")
    assert pull(cli, bad).returncode == 0
    assert (cli.home / "models" / "blobs" / ("sha256-" + hashlib.sha256(data).hexdigest())).read_bytes() == data


@pytest.mark.parametrize("how, word", [("wrong_range", "another range"), ("corrupt", "digest mismatch")])
def test_what_is_not_the_file_is_refused(cli, bad, how, word):
    model_of(bad, big(200_000))
    setattr(bad, how, True)
    done = pull(cli, bad)
    assert done.returncode == 5 and word in done.stderr and names(cli) == [], done.stderr
    setattr(bad, how, False)
    assert pull(cli, bad).returncode == 0


def test_sizes_that_do_not_fit_are_refused(cli, bad):
    data = big(200_000)
    manifest = model_of(bad, data)
    for size in (199_999, 200_001, 1 << 62):
        manifest["layers"][0]["size"] = size
        bad.manifests["me/m/latest"] = json.dumps(manifest).encode()
        done = pull(cli, bad)
        assert done.returncode in (4, 5, 12) and names(cli) == [], (size, done.stderr)
        assert "200000" in done.stderr or "room" in done.stderr or "File too large" in done.stderr, done.stderr


@pytest.mark.parametrize("manifest, word", [
    (b"{", "manifest"), (b"[]", "not a JSON object"), (b'{"schemaVersion":1}', "schemaVersion"),
    (b'{"schemaVersion":2,"layers":[]}', "no layers"),
    (b'{"schemaVersion":2,"manifests":[]}', "list of manifests"),
    (b'{"schemaVersion":2,"layers":[{"mediaType":"application/x.tar","digest":"sha256:' + b"0" * 64 + b'","size":1}]}', "application/x.tar"),
    (b'{"schemaVersion":2,"mediaType":"application/x","layers":[]}', "media type"),
    (b'{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.hyperlama.remote+json","digest":"sha256:' + b"0" * 64 + b'","size":1}]}', "made here alone"),
    (b'{"schemaVersion":2,"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:../../../../x","size":1}]}', "digest is"),
    (b'{"schemaVersion":2,"layers":' + b"[" * 100_000, "manifest")])
def test_hostile_manifests_are_refused(cli, bad, manifest, word):
    bad.manifests["me/m/latest"] = manifest
    done = pull(cli, bad)
    assert done.returncode in (5, 6, 12) and word in done.stderr and names(cli) == [], done.stderr


def test_a_busy_server_is_asked_again(cli, bad, gguf):
    model_of(bad, gguf())
    bad.busy, bad.retry_after = 3, "1"
    assert pull(cli, bad).returncode == 0
    bad.manifests.clear()
    bad.answers["/v2/me/n/manifests/latest"] = (500, {}, b'{"errors":[{"message":"I am ill"}]}')
    done = pull(cli, bad, "me/n")
    assert done.returncode == 13 and "I am ill" in done.stderr and len(bad.requests("/me/n/")) == 5


def test_a_registry_that_limits_rates_is_obeyed_and_named(serve, cli, bad, gguf):
    model_of(bad, gguf())
    bad.busy, bad.busy_code, bad.retry_after = 1, 429, "1"
    done = pull(cli, bad)
    assert done.returncode == 0 and "answered 429 and asks to come back in 1 s" in done.stderr, done.stderr
    limited = {"/v2/me/n/manifests/latest": (429, {"Retry-After": "1"}, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}')}
    bad.answers.update(limited)
    began = time.monotonic()
    done = pull(cli, bad, "me/n")
    assert done.returncode == 13 and "answered 429: slow down; it asks to come back in 1 s" in done.stderr.splitlines()[-1], done.stderr
    assert time.monotonic() - began > 4 and len(bad.requests("/me/n/")) == 5  # it waited each time
    s = serve()
    status, data, _ = s.ask("POST", "/api/pull", {"model": f"http://{bad.host}/me/n", "insecure": True, "stream": False})
    assert status == 502 and b"429" in data


def test_what_a_registry_sends_wrongly_is_a_bad_gateway(serve, cli, bad):
    model_of(bad, big(200_000))
    bad.corrupt = True
    s = serve()
    status, data, _ = s.ask("POST", "/api/pull", {"model": f"http://{bad.host}/me/m", "insecure": True, "stream": False})
    assert status == 502 and b"digest mismatch" in data
    bad.manifests["me/m/latest"] = b"{"
    assert s.ask("POST", "/api/pull", {"model": f"http://{bad.host}/me/m", "insecure": True, "stream": False})[0] == 502


def test_tokens_go_to_the_registry_alone(cli, bad, gguf):
    with contextlib.closing(Bad()) as cdn:
        data = gguf()
        model_of(bad, data)
        cdn.files = bad.files
        bad.needs_token, bad.redirect = True, f"http://localhost:{cdn.server_address[1]}/cdn"
        done = pull(cli, bad)
        assert done.returncode == 0, done.stderr
        assert cdn.seen and all("Authorization" not in h for _, _, h in cdn.seen)
        assert bad.token not in done.stdout + done.stderr


def test_redirects_that_go_round_end(cli, bad):
    model_of(bad, big(1000))
    for path in list(bad.files):
        bad.answers[path] = (302, {"Location": path}, b"")
    done = pull(cli, bad)
    assert done.returncode == 13 and "redirected more than" in done.stderr


def test_a_registry_that_knows_keys_is_shown_one(cli, bad, gguf, tmp_path):
    keys = []

    def verify(public, signature, words):
        assert public[:15] == b"\0\0\0\x0bssh-ed25519"
        keys.append(public)
        for name, content in (("pub.der", bytes.fromhex("302a300506032b6570032100") + public[-32:]), ("sig", signature), ("words", words)):
            (tmp_path / name).write_bytes(content)
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "pub.der", "-rawin", "-in", "words", "-sigfile", "sig"],
                              cwd=tmp_path, capture_output=True).returncode == 0

    bad.verify, bad.needs_key = verify, True
    model_of(bad, gguf())
    done = pull(cli, bad)
    assert done.returncode == 0, done.stderr
    private, public = cli.home / "id_ed25519", cli.home / "id_ed25519.pub"
    assert private.stat().st_mode & 0o777 == 0o600 and public.read_text().startswith("ssh-ed25519 ")
    if shutil.which("ssh-keygen"):
        shown = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True)
        assert shown.stdout.split()[:2] == public.read_text().split()[:2]
    assert pull(cli, bad).returncode == 0 and len(set(keys)) == 1


def test_http_only_when_told(cli, bad, gguf):
    model_of(bad, gguf())
    done = cli("pull", f"http://{bad.host}/me/m")
    assert done.returncode == 2 and "--insecure" in done.stderr and not bad.seen


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


def test_certificates_are_checked(cli, gguf, tmp_path, bad):
    context, pem = certificate(tmp_path)
    with contextlib.closing(Bad(context)) as tls:
        model_of(tls, gguf())
        name = f"{tls.host}/me/m"
        done = cli("pull", name)
        assert done.returncode == 13 and "certificate" in done.stderr and "SSL_CERT_FILE" in done.stderr and "--insecure" in done.stderr
        done = cli("pull", f"https://{bad.host}/me/m")  # plain http
        assert done.returncode == 13 and "http:// in front of the name, and --insecure" in done.stderr, done.stderr
        assert cli("pull", name, env={"SSL_CERT_FILE": str(pem)}).returncode == 0
        cli.ok("rm", name)
        assert cli("pull", name, env={"CURL_CA_BUNDLE": str(pem)}).returncode == 0
        cli.ok("rm", name)
        assert cli("pull", "--insecure", f"https://{name}").returncode == 0
        cli.ok("rm", name)
        bad.files = tls.files
        tls.redirect = f"http://{bad.host}/cdn"
        done = cli("pull", name, env={"SSL_CERT_FILE": str(pem)})
        assert done.returncode == 13 and "from https to http" in done.stderr and not bad.seen


def test_a_proxy_is_used_as_curl_does(cli, bad, gguf):
    model_of(bad, gguf(), "me/m")
    bad.manifests["me/m/latest"], proxied = bad.manifests["me/m/latest"], []
    done = cli("pull", "--insecure", "http://registry.invalid/me/m", env={"http_proxy": bad.url})
    assert done.returncode != 0 and any("http://registry.invalid/v2/" in path for _, path, _ in bad.seen)
    assert not proxied


def test_the_url_of_a_file(cli, bad, gguf):
    data = gguf()
    bad.files["/x/Tiny%20Model.Q4_0.gguf"] = data
    done = cli("pull", "--insecure", f"{bad.url}/x/Tiny%20Model.Q4_0.gguf?secret=s3cr3t")
    assert done.returncode == 0, done.stderr
    assert names(cli) == ["tiny-model.q4_0:latest"] and "s3cr3t" not in done.stdout + done.stderr
    done = cli("pull", "--insecure", "--as", "mine:1", f"{bad.url}/x/Tiny%20Model.Q4_0.gguf")
    assert done.returncode == 0 and "mine:1" in names(cli)
    assert cli.ok("run", "mine:1", "--raw", "-o", "num_predict=2", "x")
    bad.files["/no.gguf"] = b"<html>not here</html>" * 100
    done = cli("pull", "--insecure", f"{bad.url}/no.gguf")
    assert done.returncode == 5 and not left(cli), done.stderr
    done = cli("pull", "--insecure", f"{bad.url}/none.gguf")
    assert done.returncode == 7


def test_a_file_that_changes_meanwhile_is_fetched_again(cli, bad, gguf):
    data = gguf()
    bad.files["/x.gguf"] = data
    bad.etag = lambda n: '"one"' if n == 1 else '"two"'
    bad.cut, bad.cut_times = len(data) // 2, 1
    cli.env["HYPERLAMA_REGISTRY_FIT"] = "off"  # so that all requests are the download's
    done = cli("pull", "--insecure", f"{bad.url}/x.gguf")
    assert done.returncode == 0, done.stderr
    starts = [h.get("Range", "").split("=")[-1].split("-")[0] for _, _, h in bad.requests("/x.gguf")]
    assert starts == ["0", str(len(data) // 2), "0"]
    bad.etag = lambda n: f'"{n}"'
    bad.count.clear()
    bad.cut, bad.cut_times = len(data) // 2, 9
    done = cli("pull", "--insecure", "--as", "y", f"{bad.url}/x.gguf?again")
    assert done.returncode == 15 and "changed on the server" in done.stderr, done.stderr


def hub(bad, gguf, **files):
    siblings = [{"rfilename": "README.md", "size": 5}]
    for path, data in files.items():
        path = path.replace("__", "-").replace("$", "/")
        siblings.append({"rfilename": path, "size": len(data), "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}})
        bad.files[f"/org/Repo-GGUF/resolve/0123abcd/{path}"] = data
    bad.answers["/api/models/org/Repo-GGUF/revision/main?blobs=true"] = (200, {}, json.dumps({"sha": "0123abcd", "siblings": siblings}).encode())
    return {"HF_ENDPOINT": bad.url}


def test_a_hub_gives_the_quantization_that_is_asked_for(cli, bad, gguf):
    q4, q8 = gguf("q4"), gguf("q8", filler=3)
    env = hub(bad, gguf, **{"m__Q8_0.gguf": q8, "m__Q4_K_M.gguf": q4})
    done = cli("pull", "--insecure", "hf.co/org/Repo-GGUF", env=env)
    assert done.returncode == 0, done.stderr
    assert names(cli) == ["hf.co/org/Repo-GGUF:latest"]
    blobs = set(os.listdir(cli.home / "models" / "blobs"))
    assert "sha256-" + hashlib.sha256(q4).hexdigest() in blobs and "sha256-" + hashlib.sha256(q8).hexdigest() not in blobs
    done = cli("pull", "--insecure", "hf.co/org/Repo-GGUF:q8_0", env=env)
    assert done.returncode == 0 and "hf.co/org/Repo-GGUF:q8_0" in names(cli)
    assert cli.ok("run", "hf.co/org/Repo-GGUF:Q8_0", "--raw", "-o", "num_predict=2", "x")
    done = cli("pull", "--insecure", "hf.co/org/Repo-GGUF:Q3_K_S", env=env)
    assert done.returncode == 7 and "Q8_0" in done.stderr and "Q4_K_M" in done.stderr
    assert cli("pull", "--insecure", "hf.co/org/none", env=env).returncode == 7


def test_a_hub_s_token_is_shown_to_the_hub_alone(cli, bad, gguf):
    with contextlib.closing(Bad()) as cdn:
        env = hub(bad, gguf, **{"m__Q4_0.gguf": gguf()})
        cdn.files = bad.files
        bad.redirect = f"http://localhost:{cdn.server_address[1]}/cdn"
        done = cli("pull", "--insecure", "hf.co/org/Repo-GGUF", env={**env, "HF_TOKEN": "hf_secret"})
        assert done.returncode == 0, done.stderr
        assert all(h.get("Authorization") == "Bearer hf_secret" for _, _, h in bad.seen)
        assert cdn.seen and all("Authorization" not in h for _, _, h in cdn.seen)
        bad.answers["/api/models/org/gated/revision/main?blobs=true"] = (401, {}, b'{"error":"Repository is gated"}')
        done = cli("pull", "--insecure", "hf.co/org/gated", env=env)
        assert done.returncode == 14 and "HF_TOKEN" in done.stderr


def test_a_full_disk_is_found_before(cli, bad, gguf):
    model_of(bad, big(5_000_000))
    import resource
    done = subprocess.run([cli.program, "pull", "--insecure", f"http://{bad.host}/me/m"], env=cli.env, capture_output=True, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)))
    assert done.returncode == 4 and "room" in done.stderr and names(cli) == [] and not bad.requests("/blobs/"), done.stderr


# ---- a real registry ----

@pytest.fixture
def registry(tmp_path):
    program = shutil.which("docker-registry")
    if not program:
        pytest.skip("no docker-registry")
    running = []

    def start(extra="", tls=None):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        folder = tmp_path / f"registry{port}"
        folder.mkdir()
        lines = ["version: 0.1", "storage:", "  filesystem:", f"    rootdirectory: {folder}", "  delete:", "    enabled: true", "http:", f"  addr: 127.0.0.1:{port}"]
        if tls:
            lines += ["  tls:", f"    certificate: {tls}/cert.pem", f"    key: {tls}/key.pem"]
        (folder / "config.yml").write_text("\n".join(lines) + "\n" + extra)
        running.append(subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return f"127.0.0.1:{port}"
            time.sleep(0.05)
        pytest.fail("docker-registry does not start")

    yield start
    for p in running:
        p.terminate()
        p.wait()


def test_there_and_back_by_a_registry(cli, registry):
    host = registry()
    cli.ok("import", cli.model(PIECES), "tiny")
    done = cli("push", "--insecure", "tiny", f"{host}/me/tiny:v1")
    assert done.returncode == 0, done.stderr
    digest = json.loads(cli.ok("list", "--json"))["models"][0]["digest"]
    again = cli("push", "--insecure", "--json", "tiny", f"{host}/me/tiny:v1")
    assert again.returncode == 0 and json.loads(again.stdout.splitlines()[-1]) == {"status": "success"}
    cli.ok("rm", "tiny")
    assert cli("pull", "--insecure", f"{host}/me/tiny:v1").returncode == 0
    assert json.loads(cli.ok("list", "--json"))["models"][0]["digest"] == digest
    assert cli.ok("run", f"{host}/me/tiny:v1", "--raw", "-o", "num_predict=2", "x")
    assert cli("pull", "--insecure", f"{host}/me/tiny:v1@sha256:{digest}").returncode == 0
    done = cli("pull", "--insecure", f"{host}/me/tiny:v1@sha256:{'0' * 64}")
    assert done.returncode == 7
    done = cli("pull", "--insecure", f"{host}/me/none")
    assert done.returncode == 7 and "not found" in done.stderr
    cli.ok("cp", f"{host}/me/tiny:v1", f"{host}/me/other:v1")
    assert cli("push", "--insecure", f"{host}/me/other:v1").returncode == 0


class Forwarder(http.server.ThreadingHTTPServer):
    """A proxy that notes what passes: (method, path)."""
    daemon_threads = True

    def __init__(self):
        self.requests = []
        super().__init__(("127.0.0.1", 0), ForwardedRequest)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class ForwardedRequest(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        path = url.path + ("?" + url.query if url.query else "")
        self.server.requests.append((self.command, path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        to = http.client.HTTPConnection(url.netloc, timeout=30)
        to.request(self.command, path, body, {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")})
        answer = to.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for k, v in answer.getheaders():
            if k.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(k, v)
        self.send_header("Content-Length", answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET


def test_a_blob_of_another_repository_is_mounted(cli, registry):
    host = registry()
    cli.ok("import", cli.model(PIECES), "tiny")
    cli.ok("cp", "tiny", f"{host}/me/one")
    assert cli("push", "--insecure", f"{host}/me/one").returncode == 0
    cli.ok("cp", "tiny", f"{host}/me/two")
    with contextlib.closing(Forwarder()) as seen:
        done = cli("push", "--insecure", f"http://{host}/me/two", env={"http_proxy": seen.url})
    assert done.returncode == 0, done.stderr
    posts = [path for method, path in seen.requests if method == "POST"]
    assert posts and all("mount=sha256" in path and "from=me/one" in path for path in posts), seen.requests
    assert not [1 for method, path in seen.requests if method in ("PATCH", "PUT") and "/uploads/" in path], seen.requests
    cli.ok("rm", "tiny")
    cli.ok("rm", f"{host}/me/one")
    cli.ok("rm", f"{host}/me/two")
    assert cli("pull", "--insecure", f"{host}/me/two").returncode == 0


def test_a_hub_is_not_pushed_to(cli):
    cli.ok("import", cli.model(PIECES), "hf.co/me/tiny")
    done = cli("push", "hf.co/me/tiny")
    assert done.returncode == 6 and "Hugging Face takes no models by a registry's protocol" in done.stderr, done.stderr


def test_all_are_pulled_from_where_they_came_insecure_or_not(cli, bad, gguf):
    model_of(bad, gguf())
    assert pull(cli, bad).returncode == 0
    model_of(bad, gguf(pieces=("Good", "bye")))
    refused = cli("pull", "--all")
    assert refused.returncode != 0 and "--insecure" in refused.stderr, refused.stderr
    done = cli("pull", "--all", "--insecure")
    assert done.returncode == 0, done.stderr
    assert cli.ok("run", f"{bad.host}/me/m", "x") == "Goodbye\n"
    again = cli("pull", "--all", "--insecure")
    assert again.returncode == 0 and "up to date: " in again.stdout and "0 B fetched" in again.stdout, again


def test_a_registry_with_passwords_and_tls(cli, registry, tmp_path):
    if not shutil.which("htpasswd"):
        pytest.skip("no htpasswd")
    _, pem = certificate(tmp_path)
    (tmp_path / "htpasswd").write_text(subprocess.run(["htpasswd", "-nbB", "me", "secret"], capture_output=True, text=True, check=True).stdout)
    host = registry(f"auth:\n  htpasswd:\n    realm: test\n    path: {tmp_path}/htpasswd\n", tls=tmp_path)
    env = {"SSL_CERT_FILE": str(pem)}
    cli.ok("import", cli.model(PIECES), "tiny")
    done = cli("push", "tiny", f"{host}/me/tiny", env=env)
    assert done.returncode == 14 and "auth_file" in done.stderr
    import base64
    auth = base64.b64encode(b"me:secret").decode()
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    env["REGISTRY_AUTH_FILE"] = str(tmp_path / "auth.json")
    done = cli("push", "tiny", f"{host}/me/tiny", env=env)
    assert done.returncode == 0, done.stderr
    cli.ok("rm", "tiny")
    done = cli("pull", f"{host}/me/tiny", "--log-level", "trace", env=env)
    assert done.returncode == 0 and auth not in done.stderr and "secret" not in done.stderr.replace(str(tmp_path), ""), done.stderr
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {host: {"auth": base64.b64encode(b"me:wrong").decode()}}}))
    done = cli("pull", f"{host}/me/tiny:x", env=env)
    assert done.returncode == 14 and "wrong" in done.stderr


# ---- by a server ----

def test_a_server_pulls_in_ollama_s_words(serve, cli, bad, gguf):
    data = gguf()
    model_of(bad, data)
    s = serve()
    lines = s.lines("/api/pull", {"model": f"http://{bad.host}/me/m", "insecure": True})
    assert lines[0] == {"status": "pulling manifest"} and lines[-1] == {"status": "success"}
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert {"status": "pulling " + digest[7:19], "digest": digest, "total": len(data), "completed": len(data)} in lines
    assert s.json("POST", "/api/pull", {"name": f"http://{bad.host}/me/m", "insecure": True, "stream": False}) == {"status": "success"}
    lines = s.lines("/api/pull", {"model": f"http://{bad.host}/me/none", "insecure": True})
    assert "not found" in lines[-1]["error"]
    assert s.ask("POST", "/api/pull", {"model": f"http://{bad.host}/me/none", "insecure": True, "stream": False})[0] == 404
    assert f"{bad.host}/me/m:latest" in [m["name"] for m in s.json("GET", "/api/tags")["models"]]


def test_clients_of_a_server_share_a_download_and_one_may_leave(serve, cli, bad, gguf):
    data = gguf()
    model_of(bad, data)
    s = serve()
    bad.gate, bad.gate_at = threading.Event(), 0
    body = json.dumps({"model": f"http://{bad.host}/me/m", "insecure": True})
    first = s.connect()
    first.request("POST", "/api/pull", body)
    digest = hashlib.sha256(data).hexdigest()
    for _ in range(600):
        if bad.requests(digest):
            break
        time.sleep(0.05)
    got = []
    others = [threading.Thread(target=lambda: got.append(s.lines("/api/pull", json.loads(body)))) for _ in range(2)]
    for t in others:
        t.start()
    time.sleep(0.3)
    first.sock.close()
    time.sleep(0.3)
    bad.gate.set()
    for t in others:
        t.join(60)
    assert len(got) == 2 and all(lines[-1] == {"status": "success"} for lines in got)


@pytest.mark.parametrize("stream", (True, False))
def test_a_pull_that_is_cancelled_is_listed_by_its_model_and_says_so(serve, cli, bad, gguf, stream):
    data = gguf()
    model_of(bad, data)
    s, got = serve(), []
    bad.gate, bad.gate_at = threading.Event(), 0
    name = f"http://{bad.host}/me/m"
    asking = threading.Thread(target=lambda: got.append(s.ask("POST", "/api/pull", {"name": name, "insecure": True, "stream": stream})))
    asking.start()
    for _ in range(600):
        if bad.requests(hashlib.sha256(data).hexdigest()):
            break
        time.sleep(0.05)
    (one,) = s.json("GET", "/api/requests")["requests"]
    assert one["path"] == "/api/pull" and one["model"] == name
    s.json("DELETE", f"/api/requests/{one['id']}")
    asking.join(60)
    bad.gate.set()
    status, said, _ = got[0]
    assert status == (200 if stream else 499) and json.loads(said.splitlines()[-1])["error"] == "the request was cancelled"


def test_a_server_pushes(serve, cli, registry):
    host, s = registry(), serve()
    s.json("POST", "/api/copy", {"source": "tiny", "destination": f"{host}/me/tiny"})
    lines = s.lines("/api/push", {"model": f"{host}/me/tiny", "insecure": True})
    assert lines[0] == {"status": "retrieving manifest"} and lines[-1] == {"status": "success"} and lines[-2] == {"status": "pushing manifest"}
    assert any(x["status"].startswith("pushing ") and x.get("completed") == x.get("total") for x in lines if "digest" in x)


def test_a_server_without_a_network_says_so(serve, cli, bad):
    s = serve(env={"HYPERLAMA_REGISTRY_OFFLINE": "yes"})
    for path in ("/api/pull", "/api/push"):
        status, data, _ = s.ask("POST", path, {"model": f"http://{bad.host}/me/m", "insecure": True})
        assert status == 400 and b"registry.offline" in data
    assert not bad.seen


# ---- run, list, versions ----

def test_run_pulls_what_is_missing(cli, bad, gguf):
    model_of(bad, gguf())
    name = f"http://{bad.host}/me/m"
    done = cli("run", "--insecure", name, "--raw", "-o", "num_predict=2", "x")
    assert done.returncode == 0 and done.stdout and "pulling manifest" in done.stderr, done.stderr
    before = len(bad.seen)
    assert cli("run", name, "--raw", "-o", "num_predict=2", "x").returncode == 0 and len(bad.seen) == before
    done = cli("run", "--insecure", f"http://{bad.host}/me/n", "x")
    assert done.returncode == 7 and "could not be pulled" in done.stderr and "did you mean" in done.stderr
    for how in (["--local"], []):
        done = cli("run", "--insecure", *how, f"http://{bad.host}/me/n", "x", env={} if how else {"HYPERLAMA_REGISTRY_OFFLINE": "yes"})
        assert done.returncode == 7 and "did you mean" in done.stderr and "pulled" not in done.stderr


def test_run_takes_the_url_of_a_file(cli, bad, gguf):
    bad.files["/x/t.gguf"] = gguf()
    for url in (f"{bad.url}/x/t.gguf", f"{bad.url}/x/t.gguf?key=s3cr3t"):
        done = cli("run", "--insecure", url, "--raw", "-o", "num_predict=2", "x")
        assert done.returncode == 0 and done.stdout and "pulling manifest" in done.stderr and "s3cr3t" not in done.stderr, done.stderr
        before = len(bad.seen)
        done = cli("run", url, "--raw", "-o", "num_predict=2", "x", env={"HYPERLAMA_REGISTRY_OFFLINE": "yes"})
        assert done.returncode == 0 and len(bad.seen) == before, done.stderr  # it is here
        assert "t:latest" in cli.ok("show", "--json", url) and names(cli) == ["t:latest"]


def test_create_pulls_what_it_starts_from(serve, cli, bad, gguf):
    data = gguf()
    model_of(bad, data)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    (cli.folder / "Modelfile").write_text(f"FROM http://{bad.host}/me/m\nSYSTEM Sys\n")
    done = cli("create", "mine", "--insecure")
    assert done.returncode == 0, done.stderr
    assert json.loads(cli.ok("show", "--json", "mine"))["system"] == "Sys" and f"{bad.host}/me/m:latest" in names(cli)
    done = cli("create", "more", "--from", f"http://{bad.host}/me/none", "--insecure")
    assert done.returncode == 7 and "is not here, and it could not be pulled" in done.stderr, done.stderr
    cli.ok("rm", f"{bad.host}/me/m")
    cli.ok("rm", "mine")
    s = serve()
    assert s.json("POST", "/api/create", {"model": "x", "from": f"http://{bad.host}/me/m", "stream": False}, status=404)["error"]
    lines = s.lines("/api/create", {"model": "x", "from": f"http://{bad.host}/me/m", "insecure": True, "system": "S"})
    assert lines[0] == {"status": "pulling manifest"} and lines[-1] == {"status": "success"}, lines
    assert {"status": "pulling " + digest[7:19], "digest": digest, "total": len(data), "completed": len(data)} in lines
    assert [x["status"] for x in lines].count("success") == 1


def test_versions_change_go_back_and_stay(cli, bad, gguf):
    name = f"{bad.host}/me/m:latest"
    model_of(bad, gguf("one"), extra=[("system", b"one")])
    assert pull(cli, bad).returncode == 0
    outdated = ("list", "--outdated", "--insecure", "-q")
    assert cli.ok(*outdated) == ""
    model_of(bad, gguf("two"), extra=[("system", b"two")])
    assert cli.ok(*outdated) == name + "\n"
    assert pull(cli, bad, "me/m", "--dry-run").stdout.startswith("would pull")
    done = cli("pull", "--insecure", "--all")
    assert done.returncode == 0 and cli.ok("show", name, "--system").strip() == "two", done.stderr
    cli.ok("gc")
    cli.ok("pull", "--back", name)
    assert cli.ok("show", name, "--system").strip() == "one" and cli.ok("run", name, "--raw", "-o", "num_predict=2", "x")
    cli.ok("pull", "--pin", name)
    done = pull(cli, bad)
    assert done.returncode == 8 and "pinned" in done.stderr and cli.ok("show", name, "--system").strip() == "one"
    assert "is pinned" in cli("pull", "--insecure", "--all").stderr
    cli.ok("pull", "--unpin", name)
    assert pull(cli, bad).returncode == 0 and cli.ok("show", name, "--system").strip() == "two"
    cli.ok("rm", name)
    assert [b for b in os.listdir(cli.home / "models" / "blobs") if b.startswith("sha256-")] == []
    assert cli("pull", "--back", name).returncode == 7


def test_gc_says_what_a_broken_pull_left(cli, bad):
    model_of(bad, big(40_000_000))
    bad.gate, bad.gate_at = threading.Event(), 20_000_000
    done = pull(cli, bad, "me/m", "--registry-time-limit-s", "2")
    bad.gate.set()
    assert done.returncode == 13 and "time limit" in done.stderr and left(cli), done.stderr
    n = len(left(cli))
    dry = cli.ok("gc", "--dry-run")
    assert "stays" in dry and "broken off" in dry
    cli.ok("gc")
    assert len(left(cli)) == n
    assert "broken off" in cli.ok("gc", "--all") and not left(cli)


def test_a_server_that_is_cut_off_says_so(serve, cli, bad):
    try:
        s = serve("--airgap")
    except AssertionError as e:
        if "cannot" in str(e) or "lacks" in str(e) or "not supported" in str(e):
            pytest.skip("no lockdown on this machine")
        raise
    status, data, _ = s.ask("POST", "/api/pull", {"model": f"http://{bad.host}/me/m", "insecure": True})
    assert status == 400 and b"--airgap" in data and not bad.seen
