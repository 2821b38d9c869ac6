#!/usr/bin/env python3
"""How fast a pull is, compared with curl fetching the same blob: a registry (docker-registry) on the loopback interface.

usage: pull_speed.py PROGRAM [MIB [RUNS]]     a folder for twice the file's size in TMPDIR; curl, docker-registry"""
import contextlib
import hashlib
import http.client
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM, MIB, RUNS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2048, int(sys.argv[3]) if len(sys.argv) > 3 else 5


def put_blob(host, path_or_bytes):
    """Into the registry, and its digest and size."""
    data = path_or_bytes if isinstance(path_or_bytes, bytes) else None
    digest, size = hashlib.sha256(), 0
    with (open(path_or_bytes, "rb") if data is None else contextlib.nullcontext()) as f:
        for block in iter(lambda: f.read(1 << 20), b"") if f else [data]:
            digest.update(block)
            size += len(block)
    c = http.client.HTTPConnection(host)
    c.request("POST", "/v2/b/m/blobs/uploads/", b"")
    r = c.getresponse()
    r.read()
    location = r.headers["Location"].split("/v2/", 1)[1]
    with (open(path_or_bytes, "rb") if data is None else contextlib.nullcontext(data)) as body:
        c.request("PUT", f"/v2/{location}&digest=sha256:{digest.hexdigest()}", body, {"Content-Length": str(size), "Content-Type": "application/octet-stream"})
        r = c.getresponse()
        assert r.status == 201, (r.status, r.read())
        r.read()
    return {"digest": "sha256:" + digest.hexdigest(), "size": size}


def main():
    with tempfile.TemporaryDirectory() as folder, socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        host = "127.0.0.1:%d" % s.getsockname()[1]
        s.close()
        with open(f"{folder}/config.yml", "w") as f:
            f.write(f"version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {folder}/registry\nhttp:\n  addr: {host}\n")
        server = subprocess.Popen(["docker-registry", "serve", f"{folder}/config.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(host.split(":"), 1):
                    break
                time.sleep(0.05)
            with open(f"{folder}/file", "wb") as f:
                for _ in range(MIB):
                    f.write(os.urandom(1 << 20))
            layer = {"mediaType": "application/vnd.ollama.image.model", **put_blob(host, f"{folder}/file")}
            os.unlink(f"{folder}/file")
            config = {"mediaType": "application/vnd.docker.container.image.v1+json", **put_blob(host, b"{}")}
            manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "config": config, "layers": [layer]}
            c = http.client.HTTPConnection(host)
            c.request("PUT", "/v2/b/m/manifests/latest", json.dumps(manifest), {"Content-Type": manifest["mediaType"]})
            assert c.getresponse().status == 201
            measure(host, layer["digest"], folder)
        finally:
            server.terminate()
            server.wait()


def timed(command, env=None, cpu=None):
    """Seconds; `cpu` gets the processor's, of the command alone."""
    os.sync()
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    after, passed = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    if cpu is not None:
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return passed


def measure(host, digest, folder):
    env = dict(os.environ, HYPERLAMA_HOME=f"{folder}/home")
    curl, ours, whole, curl_cpu, our_cpu = [], [], [], [], []
    for _ in range(RUNS):
        curl.append(timed(["curl", "-s", "-o", f"{folder}/got", f"http://{host}/v2/b/m/blobs/{digest}"], cpu=curl_cpu))
        whole.append(curl[-1] + timed(["sha256sum", f"{folder}/got"]) + timed(["sync", f"{folder}/got"]))
        os.unlink(f"{folder}/got")
        ours.append(timed([PROGRAM, "pull", "-q", "--insecure", f"{host}/b/m"], env, our_cpu))
        shutil.rmtree(f"{folder}/home")
    a, b, c = (statistics.median(x) for x in (curl, ours, whole))
    print(f"{MIB} MiB, median of {RUNS}: curl {a:.2f} s ({MIB / a:.0f} MiB/s), pull {b:.2f} s ({MIB / b:.0f} MiB/s): {a / b:.2f} x; "
          f"curl, then sha256sum and sync {c:.2f} s: {c / b:.2f} x")
    print(f"processor time: curl {statistics.median(curl_cpu):.2f} s, pull {statistics.median(our_cpu):.2f} s")
    print("curl", " ".join(f"{x:.2f}" for x in curl), " pull", " ".join(f"{x:.2f}" for x in ours))


main()
