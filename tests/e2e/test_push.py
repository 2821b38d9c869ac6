"""push to a registry that speaks Ollama's own way of uploading: chunks that go straight to its storage, and what may go wrong there."""
import contextlib
import hashlib
import json

import pytest

from ollama_registry import Registry, Storage
from test_pull import PIECES, online  # noqa: F401

MIB = 1 << 20


@pytest.fixture
def storage():
    with contextlib.closing(Storage()) as s:
        yield s


@pytest.fixture
def registry(storage):
    with contextlib.closing(Registry(storage)) as r:
        yield r


def push(cli, registry, name="tiny", **kw):
    return cli("push", "--insecure", name, f"http://{registry.host}/me/tiny:v1", timeout=120, **kw)


def is_whole(cli, registry):
    manifest = json.loads(registry.manifests["me/tiny/manifests/v1"])
    assert manifest["layers"]
    for layer in [manifest["config"], *manifest["layers"]]:
        assert len(registry.blobs[layer["digest"]]) == layer["size"]
    return manifest


def large(cli, n):
    """A model with a blob of n bytes: zeros behind the tensors are no harm."""
    path = cli.model(PIECES, name="large")
    with open(path, "r+b") as f:
        f.seek(n - 7)
        f.write(b"the end")
    cli.ok("import", path, "tiny")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_chunks_go_to_the_storage_and_the_end_names_their_sums(cli, registry, storage):
    digest = large(cli, 150 * MIB)
    registry.token = "t0ken"
    done = push(cli, registry)
    assert done.returncode == 0, done.stderr
    is_whole(cli, registry)
    puts = [s for s in storage.seen if s[3] > MIB]
    assert [s[3] for s in puts] == [64 * MIB, 64 * MIB, 150 * MIB - 128 * MIB]
    assert all("Authorization" not in s[2] for s in storage.seen)  # what authorizes us is not the storage's business
    assert "sha256:" + digest in registry.blobs
    ends = [path for method, path, _, _ in registry.seen if method == "PUT" and "digest=" in path]
    assert ends and all("etag=" in path for path in ends) and any(path.endswith("-3") for path in ends)
    before = len(storage.seen)
    assert push(cli, registry).returncode == 0 and len(storage.seen) == before  # it has them


def test_chunks_that_the_registry_takes_itself_may_stand_among_them(cli, registry, storage):
    large(cli, 150 * MIB)
    registry.plain_at = {1}
    done = push(cli, registry)
    assert done.returncode == 0, done.stderr
    is_whole(cli, registry)
    registry.redirects = False
    registry.blobs.clear()
    assert push(cli, registry).returncode == 0
    assert not [path for method, path, _, _ in registry.seen[-20:] if method == "PUT" and "etag=" in path and "uploads" in path and registry.redirects]
    is_whole(cli, registry)


def test_a_storage_that_fails_now_and_then_is_asked_again(cli, registry, storage):
    cli.ok("import", cli.model(PIECES), "tiny")
    storage.busy, storage.cut = 1, 1
    done = push(cli, registry)
    assert done.returncode == 0, done.stderr
    is_whole(cli, registry)


def test_a_storage_that_fails_for_good_fails_the_push_in_words(cli, registry, storage):
    cli.ok("import", cli.model(PIECES), "tiny")
    storage.busy = 10_000
    done = push(cli, registry)
    assert done.returncode == 13 and "storage" in done.stderr and "503" in done.stderr and "s3cr3t" not in done.stderr, done.stderr
    assert registry.manifests == {}
    storage.busy = 0
    registry.forgets_next = True
    done = push(cli, registry)
    assert done.returncode == 13 and "where the upload goes on" in done.stderr, done.stderr
    registry.forgets_next = False
    assert push(cli, registry).returncode == 0
    is_whole(cli, registry)
