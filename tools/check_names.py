#!/usr/bin/env python3
"""Names: unique base names, one type for a name, an SPDX line and a head comment in every source, kernel files as
kernels.def names them. Symbols: see check_symbols.sh."""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("core", "engine", "runner", "models", "host", "server", "cli", "include", "bench")


def sources():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    paths = listed.stdout.split() if listed.returncode == 0 else [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.[ch]")]
    return [p for p in paths if p.endswith((".c", ".h")) and (ROOT / p).exists()]


def kernels():
    """Every kernel file ends in an instruction set, and every line of kernels.def has its file."""
    folder = ROOT / "engine/kernels"
    isas = re.findall(r"^HL_ISA\((\w+),", (folder / "isa.def").read_text(), re.M)
    files = {p.stem: p for family in ("scalar", "x86", "arm") for p in (folder / family).glob("*.c")}
    for stem, path in sorted(files.items()):
        if stem.split("_")[-1] not in isas:
            yield f"{path.relative_to(ROOT)}: its last word is no line of isa.def"
    for line in re.findall(r"^HL_KERNEL(?:_V)?\(([^)]*)\)", (folder / "kernels.def").read_text(), re.M):
        stem = "_".join(line.replace(" ", "").split(","))
        if stem not in files:
            yield f"kernels.def: {stem} has no file {stem}.c"


COMMENT = re.compile(r"/\*.*?\*/", re.S)
TYPE = re.compile(
    r"\b(?:struct|union|enum)\s+(hl_\w+)\s*\{"          # struct hl_x {
    r"|^\}\s*(hl_\w+)\s*;"                              # } hl_x;
    r"|^typedef\b[^;{()]*\(\*\s*(hl_\w+)\)\s*\("       # typedef void (*hl_x)(int);
    r"|^typedef\s+(?!struct|union|enum)[^;{()]*?\b(hl_\w+)\s*(?:\([^;]*\))?;", re.M)  # typedef int hl_x; typedef void hl_x(int);


def types(text):
    """The names that a text gives to types."""
    return {name for groups in TYPE.findall(COMMENT.sub("", text)) for name in groups if name}


def doubles(paths):
    """Names that stand for more than one type. Headers of kernels are bodies of which a file includes one per instruction
    set: what they define is that file's own."""
    homes = collections.defaultdict(list)
    for path in paths:
        if path.startswith(FOLDERS) and not re.match(r"engine/kernels/\w+/", path):
            for name in types((ROOT / path).read_text(errors="replace")):
                homes[name].append(path)
    for name, where in homes.items():
        if len(where) > 1:
            yield f"{name}: more than one type of this name: {', '.join(sorted(where))}"


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
    bad += kernels()
    bad += doubles(sources())
    for name, paths in seen.items():
        if len(set(paths)) > 1:
            bad.append(f"{name}: more than one file of this name: {', '.join(paths)}")
    print("\n".join(sorted(bad)) if bad else f"names: {sum(map(len, seen.values()))} files are in order")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
