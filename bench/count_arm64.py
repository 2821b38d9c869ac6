#!/usr/bin/env python3
"""Instructions of the arm64 kernels per 256 weights of one row, all (vector arithmetic), counted under qemu-user.

usage: count_arm64.py gemv|floats|panel...    after `make test-arm64`, which leaves libraries and objects in out/arm64

Two calls whose rows differ in length are traced instruction by instruction; the difference is what the columns cost.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile

TYPES = "q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs mxfp4".split()
PANELS = {"q4_k": (32, 0, 1), "q4_0": (32, 8, 0), "q8_0": (32, 128, 0), "q6_k": (16, 32, 0), "q2_k": (16, 0, 1)}


def build(program):
    subprocess.run(["aarch64-linux-gnu-gcc", f"--sysroot={os.path.abspath('out/arm64/sysroot')}", "-static", "-no-pie", "-O2",
                    "-std=gnu17", "-I.", "-Iinclude", "bench/call_kernel.c", "out/arm64/liball.a", "-lm", "-lpthread",
                    "-o", program], check=True, stderr=subprocess.DEVNULL)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Counter:
    def __init__(self, folder):
        self.program, self.trace = folder + "/call_kernel", folder + "/trace"
        build(self.program)
        fields = [line.split() for line in output("aarch64-linux-gnu-nm", "-S", self.program).splitlines()]
        self.symbols = {f[3]: (int(f[0], 16), int(f[1], 16)) for f in fields if len(f) == 4}
        code = output("aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", self.program)
        self.code = {int(a, 16): (op, args) for a, op, args in re.findall(r"^\s*([0-9a-f]+):\t(\S+)\s*(.*)", code, re.M)}

    def call(self, kernel, *args):
        begin, size = self.symbols["hl_" + kernel]
        subprocess.run(["qemu-aarch64", "-cpu", "max", "-singlestep", "-d", "exec,nochain", "-dfilter",
                        f"{begin:#x}..{begin + size - 1:#x}", "-D", self.trace, self.program, kernel, *map(str, args)], check=True)
        count = collections.Counter()
        with open(self.trace) as f:
            for at in re.findall(r"\[[0-9a-f]+/([0-9a-f]+)/", f.read()):
                op, args = self.code[int(at, 16)]
                count["all"] += 1
                count["vector"] += bool(not op.startswith(("ld", "st")) and re.search(r"\bv\d+\.", args))
        return count

    def per_256(self, kernel, n_rows, n_cols, n_tokens, *panel):
        short = self.call(kernel, n_rows, n_cols, n_tokens, *panel)
        long = self.call(kernel, n_rows, 2 * n_cols, n_tokens, *panel)
        each = n_cols / 256 * n_rows * (n_tokens if panel else 1)
        return f"{(long['all'] - short['all']) / each:.0f} ({(long['vector'] - short['vector']) / each:.0f})"


def main():
    with tempfile.TemporaryDirectory() as folder:
        c = Counter(folder)
        if "gemv" in sys.argv:
            for t in TYPES:
                cells = [c.per_256(f"gemv_{t}_{isa}", 4, 1024, n) for isa in ("neon", "dotprod") for n in (1, 8)]
                print(f"{t}: gemv neon 1, 8 tokens; dotprod 1, 8: {', '.join(cells)};",
                      f"unpack {c.per_256(f'unpack_{t}_neon', 32, 512, 1)}", flush=True)
        if "floats" in sys.argv:
            for t in ("f32", "f16", "bf16"):
                print(f"{t}: gemv neon 1, 3 tokens: {', '.join(c.per_256(f'gemv_{t}_neon', 2, 1024, n) for n in (1, 3))}", flush=True)
        if "panel" in sys.argv:
            for t, kind in PANELS.items():
                cells = [c.per_256(f"gemm_panel_{isa}", 32, 512, 60, *kind) for isa in ("neon", "dotprod", "i8mm")]
                print(f"{t}: panel and token neon, dotprod, i8mm: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
