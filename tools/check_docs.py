#!/usr/bin/env python3
"""Every `path:symbol` and `path` that README, ARCHITECTURE and docs/ name in backticks exists, and so do the nine stops
of "Follow one token" in ARCHITECTURE.md."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = re.compile(r"`([A-Za-z0-9_./-]+)(?::([A-Za-z_]\w*))?`")
TOP = ("core/", "engine/", "models/", "host/", "server/", "cli/", "include/", "tests/", "bench/", "docs/", "tools/", "build/")


def check_stops(text):
    part = re.search(r"^## Follow one token$(.*?)^## ", text, re.M | re.S)
    stops = re.findall(r"^(\d)\. `([\w./]+):(\w+)`", part.group(1), re.M) if part else []
    if [int(n) for n, _, _ in stops] != list(range(1, 10)):
        yield f"ARCHITECTURE.md: found stops {[n for n, _, _ in stops]}, expected 1 to 9, each beginning with `file:function`"
    for n, path, name in stops:
        if (ROOT / path).exists() and not re.search(rf"^[A-Za-z].*\b{name}\(", (ROOT / path).read_text(), re.M):
            yield f"ARCHITECTURE.md: stop {n}: {path} does not define {name}()"


def main():
    bad, n = [], 0
    pages = [p for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md") if (p := ROOT / name).exists()]
    pages += sorted((ROOT / "docs").rglob("*.md")) + [p for c in TOP for p in (ROOT / c).glob("README.md")]
    bad += check_stops((ROOT / "ARCHITECTURE.md").read_text())
    for page in pages:
        for path, symbol in TOKEN.findall(page.read_text()):
            top = ROOT / path.split("/")[0]
            is_built = any(top.rglob("*.c")) or not path.startswith("server/")  # pages speak of what is to come there
            if not path.startswith(TOP) or "." not in path.rsplit("/", 1)[-1] or "NNNN" in path or not is_built:
                continue
            n += 1
            file = ROOT / path
            where = page.relative_to(ROOT)
            if not file.exists():
                bad.append(f"{where}: `{path}` does not exist")
            elif symbol and (not file.is_file() or not re.search(rf"\b{symbol}\b", file.read_text(errors="replace"))):
                bad.append(f"{where}: `{path}` has no {symbol}")
    print("\n".join(bad) if bad else f"docs: {n} names in {len(pages)} pages exist")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
