"""/api/blobs: files that clients send before they make a model of them."""
import hashlib
import os
import socket
import time

import pytest

from test_serve import serve  # noqa: F401


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob_path(cli, digest):
    return cli.home / "models" / "blobs" / digest.replace(":", "-")


def partials(cli):
    return [p for p in os.listdir(cli.home / "models" / "blobs") if p.startswith("hyperlama-")]


def test_a_blob_is_stored_under_its_digest(serve, cli):
    s, data = serve(), os.urandom(3_000_001)
    digest = digest_of(data)
    assert s.ask("HEAD", f"/api/blobs/{digest}")[0] == 404
    assert s.ask("POST", f"/api/blobs/{digest}", data)[0] == 201
    assert blob_path(cli, digest).read_bytes() == data and not partials(cli)
    assert s.ask("HEAD", f"/api/blobs/{digest}")[0] == 200
    assert s.ask("HEAD", f"/api/blobs/{digest.replace(':', '-')}")[0] == 200
    assert s.ask("POST", f"/api/blobs/{digest}", data)[0] == 200  # it was there
    assert s.ask("POST", f"/api/blobs/{digest_of(b'')}", b"")[0] == 201 and blob_path(cli, digest_of(b"")).read_bytes() == b""
    assert s.json("GET", "/health") == {"status": "ok"}


def test_a_body_of_unknown_length_is_taken(serve, cli):
    s, data = serve(), os.urandom(1_500_000)
    c = s.connect()
    pieces = (data[i:i + 70_000] for i in range(0, len(data), 70_000))
    c.request("POST", f"/api/blobs/{digest_of(data)}", pieces, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    r = c.getresponse()
    assert r.status == 201, (r.status, r.read())
    assert blob_path(cli, digest_of(data)).read_bytes() == data


@pytest.mark.parametrize("size", (100, 700, 9_000))
def test_small_chunks_do_not_overtake_what_is_written(serve, cli, size):
    s, data = serve(), os.urandom(4_000_000)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + size]), data[i:i + size]) for i in range(0, len(data), size)) + b"0\r\n\r\n"
    with socket.create_connection((s.host, s.port)) as c:
        c.sendall(f"POST /api/blobs/{digest_of(data)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks)
        got = b"".join(iter(lambda: c.recv(4096), b""))
    assert got.startswith(b"HTTP/1.1 201"), got
    assert blob_path(cli, digest_of(data)).read_bytes() == data


def test_what_has_another_digest_leaves_nothing(serve, cli):
    s, data = serve(), os.urandom(2_000_000)
    status, answer, _ = s.ask("POST", f"/api/blobs/{digest_of(b'other')}", data)
    assert status == 400 and b"digest mismatch" in answer and digest_of(data).encode() in answer
    assert not blob_path(cli, digest_of(b"other")).exists() and not partials(cli)
    for bad in ("sha256:12", "md5:" + "0" * 64, "sha256:" + "g" * 64, "sha256:..%2f..%2fx" + "0" * 50):
        status, answer, _ = s.ask("POST", f"/api/blobs/{bad}", b"x")
        assert status in (400, 404) and b"error" in answer, bad
        assert s.ask("HEAD", f"/api/blobs/{bad}")[0] in (400, 404)
    status, answer, _ = s.ask("POST", f"/api/blobs/{digest_of(data)}", data, {"Content-Encoding": "gzip"})
    assert status == 400 and b"as it is" in answer
    assert s.ask("GET", f"/api/blobs/{digest_of(data)}")[0] == 405


def test_a_sender_that_leaves_leaves_nothing(serve, cli):
    s, data = serve(), os.urandom(3_000_000)
    with socket.create_connection((s.host, s.port)) as c:
        c.sendall(f"POST /api/blobs/{digest_of(data)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode())
        c.sendall(data[:2_000_000])
        for _ in range(500):  # until its file is there
            if partials(cli):
                break
            time.sleep(0.02)
        assert partials(cli)
    for _ in range(500):
        if not partials(cli):
            break
        time.sleep(0.02)
    assert not partials(cli) and not blob_path(cli, digest_of(data)).exists()
    assert s.ask("POST", f"/api/blobs/{digest_of(data)}", data)[0] == 201


def test_memory_does_not_grow_with_a_blob(serve, cli):
    s = serve()

    def peak():
        return next(int(line.split()[1]) for line in open(f"/proc/{s.process.pid}/status") if line.startswith("VmHWM"))

    s.json("POST", "/api/show", {"model": "tiny"})
    before, block, n = peak(), bytes(1 << 20), 96
    c = s.connect()
    digest = "sha256:" + hashlib.sha256(block * n).hexdigest()
    c.request("POST", f"/api/blobs/{digest}", (block for _ in range(n)), {"Content-Length": str(n << 20)})
    r = c.getresponse()
    assert r.status == 201, (r.status, r.read())
    assert peak() - before < 24 << 10, "KiB"


def test_a_blob_that_was_sent_stays_for_an_hour(serve, cli):
    s, data = serve(), b"for a model"
    assert s.ask("POST", f"/api/blobs/{digest_of(data)}", data)[0] == 201
    dry = cli.ok("gc", "--dry-run")
    assert "stays" in dry and "sent within the hour" in dry
    cli.ok("gc")
    cli.ok("cp", "tiny", "other")
    cli.ok("rm", "other")
    assert blob_path(cli, digest_of(data)).exists()
