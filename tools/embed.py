#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py - turn files into C sources, so that the program is one file.

embed.py migrations models/db/sql/NNNN_name.sql...
    prints the table that models/db/migrations.h declares. The numbers must be 1, 2, 3, ...
embed.py text NAME HEADER FILE
    prints `const char NAME[]`, which HEADER declares, with the text of FILE.
"""
import os
import re
import sys

HEAD = "/* Made by tools/embed.py; do not edit. */\n"


def c_string(text):
    """A C string literal, one source line per line of text (string literals join)."""
    out = []
    for line in text.splitlines(keepends=True):
        line = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        line = "".join(c if 32 <= ord(c) < 127 else "".join("\\%03o" % b for b in c.encode()) for c in line)
        out.append('    "%s"' % line)
    return "\n".join(out) if out else '    ""'


def migrations(paths):
    print(HEAD + '#include "models/db/migrations.h"\n')
    print("const hl_migration hl_migrations[] = {")
    for want, path in enumerate(paths, 1):
        name = os.path.basename(path)
        match = re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", name)
        if not match or int(match.group(1)) != want:
            sys.exit(f"{path}: expected {want:04d}_<what>.sql: numbers have no gaps")
        with open(path, encoding="utf-8") as f:
            print(f'{{{want}, "{name}",\n{c_string(f.read())}}},')
    print("};")
    print("const size_t hl_n_migrations = sizeof hl_migrations / sizeof hl_migrations[0];")


def text(name, header, path):
    with open(path, encoding="utf-8") as f:
        print(f'{HEAD}#include "{header}"\n\nconst char {name}[] =\n{c_string(f.read())};')


if __name__ == "__main__":
    if len(sys.argv) >= 3 and sys.argv[1] == "migrations":
        migrations(sys.argv[2:])
    elif len(sys.argv) == 5 and sys.argv[1] == "text":
        text(*sys.argv[2:])
    else:
        sys.exit(__doc__)
