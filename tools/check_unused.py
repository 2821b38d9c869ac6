#!/usr/bin/env python3
"""Functions and tables that more than one file can see and that one file uses: they should be static, or go. What only tests use
is listed with its reason in tools/unused.txt. Reads the objects of a build ($HL_TEST_OUT, else out/release)."""
import collections
import fnmatch
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = pathlib.Path(os.environ.get("HL_TEST_OUT") or ROOT / "out/release")
FOLDERS = ("core", "engine", "runner", "models", "host", "server", "cli", "bench/lib")
SYMBOL = re.compile(r"^(.+?): (\S+) ([A-Za-z])\b")


def find_objects():
    """Those whose source is still there."""
    return [str(o) for folder in FOLDERS for o in sorted((OUT / folder).rglob("*.o"))
            if (ROOT / o.relative_to(OUT)).with_suffix(".c").exists() or "engine/kernels" in o.as_posix()]


def read_symbols(objects):
    """({name: files that define it}, {name: files that need it})."""
    defined, needed = collections.defaultdict(set), collections.defaultdict(set)
    listing = subprocess.run(["nm", "-A", "--format=posix", *objects], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        found = SYMBOL.match(line)
        if found and found.group(3) in "TDBRVWG":
            defined[found.group(2)].add(found.group(1))
        elif found and found.group(3) == "U":
            needed[found.group(2)].add(found.group(1))
    return defined, needed


def read_allowed():
    """[pattern] of tools/unused.txt."""
    patterns = []
    for line in (ROOT / "tools/unused.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pattern, _, reason = (part.strip() for part in line.partition("|"))
            if not reason:
                sys.exit(f"tools/unused.txt: expected 'name | reason', found {line!r}")
            patterns.append(pattern)
    return patterns


def main():
    objects = find_objects()
    if not objects:
        print(f"unused: no objects in {OUT}, say 'make'")
        return 77
    exports = set((ROOT / "tests/abi/exports.txt").read_text().split())
    defined, needed = read_symbols(objects)
    alone = {name: files for name, files in defined.items() if name.startswith("hl_") and name not in exports and not needed[name] - files}
    patterns = read_allowed()
    bad = [f"{os.path.relpath(min(files), OUT)[:-2]}.c: nobody else uses {name}(): static, gone, or a line of tools/unused.txt"
           for name, files in sorted(alone.items()) if not any(fnmatch.fnmatchcase(name, p) for p in patterns)]
    for p in patterns:
        if not any(fnmatch.fnmatchcase(name, p) for name in alone):
            print(f"look again: tools/unused.txt: {p} is used by now, or not there")
    print("\n".join(bad) if bad else f"unused: {len(defined)} names are used by other files, {len(alone)} for reasons")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
