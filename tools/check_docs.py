#!/usr/bin/env python3
"""Every `path:symbol` and `path` that README, ARCHITECTURE and docs/ name in backticks exists."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = re.compile(r"`([A-Za-z0-9_./-]+)(?::([A-Za-z_]\w*))?`")
TOP = ("core/", "engine/", "models/", "host/", "server/", "cli/", "include/", "tests/", "bench/", "docs/", "tools/", "build/")


def main():
    bad, n = [], 0
    pages = [p for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md") if (p := ROOT / name).exists()]
    pages += sorted((ROOT / "docs").rglob("*.md")) + [p for c in TOP for p in (ROOT / c).glob("README.md")]
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
