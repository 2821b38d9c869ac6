#!/usr/bin/env python3
"""Names: unique base names, an SPDX line and a head comment in every source. Symbols: see check_symbols.sh."""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("core", "engine", "models", "host", "server", "cli", "include", "bench")


def sources():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    paths = listed.stdout.split() if listed.returncode == 0 else [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.[ch]")]
    return [p for p in paths if p.endswith((".c", ".h")) and (ROOT / p).exists()]


def main():
    bad, seen = [], collections.defaultdict(list)
    for path in sources():
        if not path.startswith(FOLDERS + ("tests",)):
            continue
        text = (ROOT / path).read_text(errors="replace")
        name = path.rsplit("/", 1)[-1]
        seen[name].append(path)
        if not text.startswith("/* SPDX-License-Identifier: MIT\n *\n * " + name + " - "):
            bad.append(f"{path}: expected to begin with the SPDX line and '{name} - what it is for'")
        if re.search(r"(^|[^:\"'])//", re.sub(r'"(\\.|[^"\\])*"', '""', re.sub(r"/\*.*?\*/", "", text, flags=re.S))):
            bad.append(f"{path}: // marks temporary lines, which do not belong in a commit")
        if re.search(r"\b(TODO|FIXME|XXX)\b", text):
            bad.append(f"{path}: an open question is NEEDSWORK(#issue): the question")
    for name, paths in seen.items():
        if len(paths) > 1:
            bad.append(f"{name}: more than one file of this name: {', '.join(paths)}")
    print("\n".join(sorted(bad)) if bad else f"names: {sum(map(len, seen.values()))} files are in order")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
