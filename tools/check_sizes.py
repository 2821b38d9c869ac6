#!/usr/bin/env python3
"""No line of C is longer than 110 columns. What else is larger than the house likes is reported: aims, not laws."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_FILE, MAX_FUNCTION, MAX_KERNEL, MAX_LINE = 800, 70, 150, 110


def main():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    notes, too_long = [], []
    for path in (p for p in listed if p.endswith((".c", ".h")) and (ROOT / p).exists()):
        lines = (ROOT / path).read_text(errors="replace").split("\n")
        if len(lines) > MAX_FILE:
            notes.append(f"{path}: {len(lines)} lines")
        limit, start, name = MAX_KERNEL if path.startswith("engine/kernels") else MAX_FUNCTION, 0, ""
        for i, line in enumerate(lines, 1):
            if len(line) > MAX_LINE:
                too_long.append(f"{path}:{i}: {len(line)} columns, at most {MAX_LINE}")
            if re.match(r"[A-Za-z].*\)\s*\{$", line) or (line.endswith(") {") and not line.startswith((" ", "}"))):
                start, name = i, line
            elif line == "}" and start:
                if i - start + 1 > limit:
                    notes.append(f"{path}:{start}: function of {i - start + 1} lines")
                start = 0
    for note in notes:
        print("look again:", note)
    for line in too_long:
        print(line)
    print(f"sizes: {len(notes)} places are past what the house aims at, {len(too_long)} lines are too long")
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
