#!/usr/bin/env python3
"""The functions that public headers declare with HL_API, one a line: tests/abi/exports.txt is this list.

usage: list_exports.py [--write]"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DECLARED = re.compile(r"^HL_API\b[^;(]*?\b(hl_\w+)\s*\(", re.M)


def exports():
    names = set()
    for header in sorted((ROOT / "include/hyperlama").glob("*.h")):
        names |= set(DECLARED.findall(re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)))
    return "".join(name + "\n" for name in sorted(names))


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        (ROOT / "tests/abi/exports.txt").write_text(exports())
    else:
        sys.stdout.write(exports())
