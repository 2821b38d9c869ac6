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
    """Every kernel file ends in an instruction set, and every line of kernels.def has its file: <op>_<isa>.c, or one per type."""
    folder = ROOT / "engine/kernels"
    isas = re.findall(r"^HL_ISA\((\w+),", (folder / "isa.def").read_text(), re.M)
    files = {p.stem: p for family in ("scalar", "x86", "arm") for p in (folder / family).glob("*.c")}
    for stem, path in sorted(files.items()):
        if stem.split("_")[-1] not in isas:
            yield f"{path.relative_to(ROOT)}: its last word is no line of isa.def"
    text = (folder / "kernels.def").read_text().replace("\\\n", " ")
    types = {}  # by the name of a set
    for name, body in re.findall(r"^#define (\w+)\(op, isa, \.\.\.\) (.*)", text, re.M):
        types[name] = re.findall(r"HL_KERNEL\(op, (\w+),", body) + [t for s in re.findall(r"(\w+)\(op, isa,", body) for t in types[s]]
    used = set()
    for of, op, isa in re.findall(r"^HL_KERNELS\((\w+), *(\w+), *(\w+)", text, re.M):
        for t in types[of]:
            own, shared = f"{op}_{t}_{isa}", f"{op}_{isa}"
            used.add(own if own in files else shared)
            if own not in files and shared not in files:
                yield f"kernels.def: there is neither {shared}.c nor {own}.c"
    for op, isa in re.findall(r"^HL_KERNEL_V\((\w+), *(\w+)", text, re.M):
        used.add(f"{op}_{isa}")
        if f"{op}_{isa}" not in files:
            yield f"kernels.def: {op}_{isa} has no file {op}_{isa}.c"
    for op, isa in re.findall(r"^HL_STATE_KERNEL\((\w+), *(\w+)", (folder / "state.def").read_text(), re.M):
        used.add(f"{op}_{isa}")
        if f"{op}_{isa}" not in files:
            yield f"state.def: {op}_{isa} has no file {op}_{isa}.c"
    for stem in sorted(set(files) - used):
        yield f"{files[stem].relative_to(ROOT)}: no line of kernels.def or state.def is for it"


COMMENT = re.compile(r"/\*.*?\*/", re.S)
TYPE = re.compile(
    r"\b(?:struct|union|enum)\s+(hl_\w+)\s*\{"          # struct hl_x {
    r"|^\}\s*(hl_\w+)\s*;"                              # } hl_x;
    r"|^typedef\b[^;{()]*\(\*\s*(hl_\w+)\)\s*\("       # typedef void (*hl_x)(int);
    r"|^typedef\s+(?!struct|union|enum)[^;{()]*?\b(hl_\w+)\s*(?:\([^;]*\))?;", re.M)  # typedef int hl_x; typedef void hl_x(int);


OWN = re.compile(r"^\}\s*(\w+)\s*;", re.M)  # } strip8;


def types(text, pattern=TYPE):
    """The names that a text gives to types."""
    return {name for groups in pattern.findall(COMMENT.sub("", text))
            for name in ([groups] if isinstance(groups, str) else groups) if name}


def doubles(paths):
    """Names that stand for more than one type. Headers of kernels are bodies, whose names have no prefix: they are unique
    among those of a family of processors. (A struct that the including file is to complete ends in no name.)"""
    homes = collections.defaultdict(list)
    for path in paths:
        if not path.startswith(FOLDERS):
            continue
        text = (ROOT / path).read_text(errors="replace")
        family = re.match(r"engine/kernels/\w+/(?=.*\.h$)", path)
        for name in types(text):
            homes[name].append(path)
        for name in types(text, OWN) if family else ():
            if not name.startswith("hl_"):
                homes[f"{name} in {family.group()}"].append(path)
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
