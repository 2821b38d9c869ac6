#!/usr/bin/env python3
"""Of many random rows, those that reach what the rows we keep do not: see trace_rows.c.

  choose_rows.py OUT.json NEW.json...     # from the repository's root, after `make`; OUT: template/chosen_expected.json, ...

NEW: files of one random generator (fuzz_against_jinja2.py --keep, `oracle random`, `oracle chat`). All other golden files of
OUT's folder count as kept. A row that fails today, because something differs on purpose, has to be taken out by hand.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIBS = "-ljansson -lpcre2-8 -lutf8proc -lcrypto -lz -lzstd -lcurl -lsqlite3 -ledit -lmicrohttpd -linih -lpthread -lm".split()


def build(folder):
    compiler = ["gcc", "-std=gnu17", "-w", "-I.", "-Iinclude"]
    sources = [p for part in ("template", "gotemplate") for p in sorted((ROOT / "engine" / part).glob("*.c"))]
    objects = []
    for source in sources:
        objects.append(f"{folder}/{source.stem}.o")
        subprocess.run([*compiler, "-O0", "-fsanitize-coverage=trace-pc,trace-cmp", "-c", "-o", objects[-1], source], cwd=ROOT, check=True)
    program = f"{folder}/trace_rows"
    subprocess.run([*compiler, "-O1", "-o", program, "tests/golden/trace_rows.c", *objects, "out/release/liball.a", *LIBS], cwd=ROOT, check=True)
    return program


def write(path, head, key, rows):
    parts = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)},\n" for k, v in head.items()]
    path.write_text("{\n" + "".join(parts) + f'"{key}": [\n' + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]\n}\n", encoding="utf-8")


def main():
    out, chosen = pathlib.Path(sys.argv[1]), []
    kept = [p for p in sorted(out.parent.glob("*_expected.json")) if p.name != out.name]
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        for new in sys.argv[2:]:
            file = json.loads(pathlib.Path(new).read_text(encoding="utf-8"))
            key = "rows" if "rows" in file else "templates"
            known = [*kept, out] if chosen else kept
            done = subprocess.run([program, *known, "--", new], check=True, capture_output=True, text=True)
            chosen += [file[key][int(i)] for i in done.stdout.split()]
            write(out, {k: v for k, v in file.items() if k != key}, key, chosen)
            print(f"{new}: {len(chosen)} rows, {done.stderr.strip()}")


if __name__ == "__main__":
    main()
