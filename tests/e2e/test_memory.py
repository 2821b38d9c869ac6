"""Every n-th place where memory can end, in 13 commands; all of them: make test-memory."""
import os
import shutil

import memory_sweep
import pytest
from conftest import PROGRAM

STEP = 97  # prime, so that loops of a library are not met at the same place each time
COMMANDS = ["run", "list", "show", "import", "template", "tokenize", "score", "config", "doctor", "info", "rm", "bench",
            "completion"]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    cc = (os.environ.get("CC") or "cc").split()[-1]
    if not shutil.which(cc):
        pytest.skip(f"no C compiler {cc} for the shim")
    if not os.path.exists(PROGRAM):
        pytest.skip(f"{PROGRAM} is not built")
    if b"__asan_init" in open(PROGRAM, "rb").read() or b"__tsan_init" in open(PROGRAM, "rb").read():
        pytest.skip("sanitizers have an allocator of their own")
    return memory_sweep.Sweep(PROGRAM, tmp_path_factory.mktemp("sweep"))


@pytest.mark.parametrize("name", COMMANDS)
def test_one_allocation_fails(sweep, name):
    wrong, tried = sweep.sweep(name, STEP)
    assert not wrong and tried > 0


@pytest.mark.parametrize("name", COMMANDS)
def test_memory_ends_for_good(sweep, name):
    sweep.more = 1 << 40
    wrong, tried = sweep.sweep(name, STEP)
    sweep.more = 0
    assert not wrong and tried > 0
