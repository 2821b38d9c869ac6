#!/usr/bin/env python3
"""Every `path:symbol` and `path` that README, ARCHITECTURE and docs/ name in backticks exists, so do the nine stops of
"Follow one token" in ARCHITECTURE.md, and make has a rule for every `make ...` that they, `make help` and CI name."""
import pathlib
import re
import subprocess
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


# Where commands stand: in backticks, on indented lines of pages, behind run: in workflows, on lines of .ci/run, and in
# `make help` before its two spaces.
COMMANDS = {".md": r"`([^`\n]*)`|^ {4,}\$? ?(.*)$", ".yml": r"^ *- run: (.*)$", "": r"^(?:exec )?(make .*)$", ".mk": r"^\t@echo \"(make .*?)(?:  |\")"}


def make_commands(page):
    """What the page asks make for: (targets, variables)."""
    for groups in re.findall(COMMANDS[page.suffix], page.read_text(), re.M):
        for command in re.split(r"&&|;", re.sub(r'"[^"]*"|\$\{\{.*?\}\}', "", "".join(groups))):
            words = command.replace("|", " ").split()
            if words and words[0] == "make":
                targets = [w for w in words[1:] if re.fullmatch(r"[a-z][a-z0-9_/.-]*", w)]
                yield from ((t, tuple(w for w in words[1:] if re.fullmatch(r"[A-Z_]+=\w+", w))) for t in targets)


def ask_make(targets):
    """What make says of them, and whether it has rules for all; it calls no other make."""
    done = subprocess.run(["make", "-n", "--no-print-directory", "MAKE=true", *targets], cwd=ROOT, capture_output=True, text=True)
    idle = re.findall(r"Nothing to be done for '([^']*)'", done.stdout + done.stderr)
    return done.stderr.strip() or f"nothing to be done for {', '.join(idle)}", done.returncode == 0 and not set(idle) - {"all", "lib", "tests"}


def check_make(pages):
    """A target without a rule is an error, or nothing to do where a file has its name."""
    named = {}
    for page in [*pages, ROOT / "build/tasks.mk", ROOT / ".ci/run", *sorted((ROOT / ".github").rglob("*.yml"))]:
        for command in make_commands(page):
            named.setdefault(command, page.relative_to(ROOT))
    all_are_known = ask_make([target for target, variables in named if not variables])[1]
    for (target, variables), page in sorted(named.items()):
        said, is_known = ask_make([target, *variables]) if variables or not all_are_known else ("", True)
        if not is_known:
            yield f"{page}: `make {' '.join((target, *variables))}`: {said.splitlines()[-1]}"


def main():
    bad, n = [], 0
    pages = [p for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md") if (p := ROOT / name).exists()]
    pages += sorted((ROOT / "docs").rglob("*.md")) + [p for c in TOP for p in (ROOT / c).glob("README.md")]
    bad += check_make(pages)
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
