#!/usr/bin/env python3
"""The k-th allocation of the whole process fails, for all k, over all commands: libraries included.

    memory_sweep.py PROGRAM [--step N] [--more N] [--jobs N] [COMMAND ...]

Expected of every run: no signal; exit code 3 and a message that says so ("memory"), or, where the program could do
without, exit code 0 and the output of a run that lacked nothing. `make test-memory` does all of it, `make test` each
N-th place (test_memory.py). The shim that makes allocations fail is tests/fault/alloc_shim.c.
"""
import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import tiny_model  # noqa: E402

# What is printed depends on the moment in these: only the exit code counts.
VARYING = {"doctor", "info", "bench", "list", "score"}
NO_MEMORY = 3


def commands(folder):
    model = str(folder / "tiny.gguf")
    messages = ["--messages", str(folder / "messages.json")]
    return {
        "run": ["run", "one:1", "-o", "temperature=0", "-o", "num_ctx=256", "Hi"],
        "list": ["list"],
        "show": ["show", "--verbose", "one:1"],
        "import": ["import", model, "two:2"],
        "template": ["template", "one:1", *messages, "--tools", str(folder / "tools.json")],
        "tokenize": ["tokenize", "one:1", "Hello brave new world"],
        "embed": ["embed", "one:1", "Hi", "a longer text"],
        "score": ["score", "one:1", str(folder / "text.txt")],
        "config": ["config"],
        "doctor": ["doctor"],
        "info": ["info"],
        "rm": ["rm", "one:1"],
        "bench": ["bench", "one:1", "-p", "4", "-n", "2", "-r", "1"],
        "completion": ["completion", "bash"],
    }


def copy(source, target):
    """Blobs stay the same files, or the index would not know them again."""
    return os.link(source, target) if "blobs" in source else shutil.copy2(source, target)


class Sweep:
    def __init__(self, program, folder, more=0):
        self.program, self.folder, self.more = os.path.abspath(program), pathlib.Path(folder), more
        self.shim = self.folder / "shim.so"
        cc = (os.environ.get("CC") or "cc").split()
        subprocess.run([*cc, "-O1", "-shared", "-fPIC", "-o", str(self.shim), str(HERE.parent / "fault/alloc_shim.c"), "-ldl"],
                       check=True)
        tiny_model.make(self.folder / "tiny.gguf", ["Hello", " brave", " new", " world."], template=tiny_model.CHATML_TOOLS)
        (self.folder / "messages.json").write_text('[{"role":"system","content":"Be brief, b\\u00e9 \\"kind\\"."},'
                                                   '{"role":"user","content":"Hi there, this is a longer text."}]')
        (self.folder / "tools.json").write_text('[{"type":"function","function":{"name":"f","description":"d","parameters":'
                                                '{"type":"object","properties":{"a":{"type":"string"}}}}}]')
        (self.folder / "text.txt").write_text("Some words that are not many.\n")
        self.commands = commands(self.folder)
        self.home = self.folder / "home"
        modelfile = self.folder / "Modelfile"
        modelfile.write_text(f'FROM {self.folder}/tiny.gguf\nPARAMETER stop "zz"\nPARAMETER temperature 0.5\nSYSTEM Be brief.\n'
                             "MESSAGE user Hi\nMESSAGE assistant Ho\n")
        subprocess.run([self.program, "import", "-f", str(modelfile), str(self.folder / "tiny.gguf"), "one:1"], check=True,
                       env=self.env(self.home), capture_output=True)
        self.expected = {}

    def env(self, home, **more):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LD_LIBRARY_PATH")}
        return dict(keep, HOME=str(self.folder), HYPERLAMA_HOME=str(home), HYPERLAMA_CONFIG=str(self.folder / "none.ini"),
                    TERM="dumb", **more)

    def run(self, name, k, count_to=None):
        """One run in a home of its own."""
        with tempfile.TemporaryDirectory(dir=self.folder) as t:
            home = pathlib.Path(t) / "home"
            shutil.copytree(self.home, home, copy_function=copy)
            env = self.env(home, LD_PRELOAD=str(self.shim), HL_FAIL_AT=str(k), HL_FAIL_MORE=str(self.more),
                           **({"HL_COUNT_TO": str(count_to)} if count_to else {}))
            return subprocess.run([self.program, *self.commands[name]], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=120)

    def count(self, name):
        to = self.folder / f"count.{name}"
        done = self.run(name, 0, to)
        assert done.returncode == 0, (name, done)
        self.expected[name] = done.stdout
        return int(to.read_text())

    def judge(self, name, k):
        """None when all is as it should be, else what is wrong."""
        try:
            done = self.run(name, k)
        except subprocess.TimeoutExpired:
            return f"{name} {k}: does not end"
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode < 0 or done.returncode > 128:
            return f"{name} {k}: ended by signal {-done.returncode}: {said}"
        if done.returncode == NO_MEMORY:
            return None if "memory" in said else f"{name} {k}: does not say why: {said}"
        if done.returncode != 0:
            return f"{name} {k}: exit code {done.returncode}: {said}"
        if name not in VARYING and done.stdout != self.expected[name]:
            return f"{name} {k}: exit code 0, but other output: {done.stdout!r} {said}"
        return None

    def sweep(self, name, step=1, jobs=2):
        """All that is wrong, and how many places were tried."""
        places = range(1, self.count(name) + 1, step)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            wrong = [w for w in pool.map(lambda k: self.judge(name, k), places) if w]
        return wrong, len(places)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("program")
    p.add_argument("names", nargs="*")
    p.add_argument("--step", type=int, default=1)
    p.add_argument("--more", type=int, default=0, help="so many allocations behind the k-th fail, too")
    p.add_argument("--jobs", type=int, default=2)
    a = p.parse_intermixed_args()
    n, n_wrong = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        s = Sweep(a.program, folder, a.more)
        for name in a.names or s.commands:
            wrong, tried = s.sweep(name, a.step, a.jobs)
            n, n_wrong = n + tried, n_wrong + len(wrong)
            print(f"{name}: {tried} places, {len(wrong)} wrong", flush=True)
            print("".join(f"    {w}\n" for w in wrong), end="")
    print(f"{n} places, {n_wrong} wrong")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
