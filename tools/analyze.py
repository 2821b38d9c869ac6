#!/usr/bin/env python3
"""Static analysis: clang-tidy with a small set of checks whose findings are faults, over everything but the kernels (straight lines of
arithmetic, where it takes an hour and finds nothing). CI runs it; a finding fails.

usage: analyze.py [--jobs N] [FILE...]
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Off: what needs to see into other files (clang looks at one at a time, so that what a function of another file fills in counts as never
# filled: those findings of clang-tidy 14 that were read were no faults, but not all were), memcpy_s, and sizeof of a pointer, which arrays
# of pointers need.
OFF = ("core.CallAndMessage", "core.DivideZero", "core.NonNullParamChecker", "core.NullDereference", "core.UndefinedBinaryOperatorResult",
       "security.insecureAPI.DeprecatedOrUnsafeBufferHandling")
CHECKS = ("-*,clang-analyzer-core.*,clang-analyzer-deadcode.*,clang-analyzer-nullability.*,clang-analyzer-security.*,clang-analyzer-unix.*,"
          + "".join(f"-clang-analyzer-{name}," for name in OFF) +
          "bugprone-assert-side-effect,bugprone-bad-signal-to-kill-thread,bugprone-infinite-loop,bugprone-macro-repeated-side-effects,"
          "bugprone-misplaced-pointer-arithmetic-in-alloc,bugprone-posix-return,bugprone-redundant-branch-condition,bugprone-signal-handler,"
          "bugprone-suspicious-enum-usage,bugprone-suspicious-memory-comparison,bugprone-suspicious-memset-usage,"
          "bugprone-suspicious-missing-comma,bugprone-suspicious-realloc-usage,bugprone-suspicious-semicolon,bugprone-terminating-continue,"
          "bugprone-too-small-loop-variable,cert-env33-c,misc-redundant-expression")
FOLDERS = ("core", "engine", "runner", "models", "host", "server", "cli", "bench/lib")


def find_files():
    return [str(f.relative_to(ROOT)) for folder in FOLDERS for f in sorted((ROOT / folder).rglob("*.c"))
            if not re.match(r"engine/kernels/(x86|arm|scalar)/", f.relative_to(ROOT).as_posix())]


def read_flags():
    """What the Makefile gives to a compiler, without what is gcc's or about code."""
    line = subprocess.run(["make", "-n", "-B", "CC=clang", "out/release/core/base/str.o"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    command = next(row for row in line.splitlines() if row.startswith("clang ") and " -c " in row)
    return ["-Iout/release"] + [w for w in command.split()[1:] if w.startswith(("-I", "-D", "-std")) and "FORTIFY" not in w]


def analyze(path, flags):
    done = subprocess.run(["clang-tidy", "--quiet", f"--checks={CHECKS}", "--warnings-as-errors=*", path, "--", *flags],
                          cwd=ROOT, capture_output=True, text=True)
    return path, done.returncode, done.stdout


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].strip())
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    p.add_argument("files", nargs="*")
    a = p.parse_args()
    files, flags, n_bad = a.files or find_files(), read_flags(), 0
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for path, status, out in pool.map(lambda f: analyze(f, flags), files):
            if status != 0:
                n_bad += 1
                print(f"== {path}\n{out}", flush=True)
    print(f"analysis: {len(files)} files, {n_bad} with findings")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
