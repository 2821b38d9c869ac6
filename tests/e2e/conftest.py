"""What every end-to-end test gets: the built program with a home of its own, and tiny models that say what they are told."""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import tiny_model  # noqa: E402

PROGRAM = os.path.abspath(os.environ.get("HL_PROGRAM") or ROOT / "out/release/hyperlama")


class Cli:
    """Runs the program; `env` holds all it sees of the world."""

    def __init__(self, folder):
        self.program, self.folder = PROGRAM, folder
        self.home = folder / "home"
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LD_LIBRARY_PATH") or k.endswith("SAN_OPTIONS")}
        self.env = dict(keep, HOME=str(folder), HYPERLAMA_HOME=str(self.home), HYPERLAMA_CONFIG=str(folder / "settings.ini"),
                        TERM="xterm", HYPERLAMA_REGISTRY_OFFLINE="yes",  # who pulls takes it out
                        # libedit 3.1-20221030 never frees the names of functions added to it
                        LSAN_OPTIONS=f"suppressions={HERE}/lsan.supp:print_suppressions=0")
        if os.environ.get("HL_TEST_CPU"):  # the processor that a run is about, as in tests/need.h; --cpu of a test wins
            self.env["HYPERLAMA_ENGINE_CPU"] = os.environ["HL_TEST_CPU"]

    def __call__(self, *args, stdin="", env=None, timeout=60, text=True):
        return subprocess.run([self.program, *map(str, args)], input=stdin if text else (stdin or b""), capture_output=True,
                              text=text, env=dict(self.env, **(env or {})), timeout=timeout, cwd=self.folder)

    def ok(self, *args, **kw):
        done = self(*args, **kw)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def settings(self, content):
        (self.folder / "settings.ini").write_text(content)

    def model(self, pieces=("Hello", " brave", " new", " world."), name="tiny", **kw):
        path = self.folder / f"{name}.gguf"
        tiny_model.make(path, pieces, name=name, **kw)
        return path


@pytest.fixture
def cli(tmp_path):
    if not os.path.exists(PROGRAM):
        pytest.fail(f"{PROGRAM} is not built")
    return Cli(tmp_path)
