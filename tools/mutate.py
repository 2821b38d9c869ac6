#!/usr/bin/env python3
"""Change one line of the code, build what it touches, and see whether the tests that own the file notice.

usage: mutate.py [--n N] [--seed S] [--only GLOB] [--again] [--planted] [--report]

Takes N mutants at random (the same ones for the same seed), tries those that have no result yet, and keeps results in
out/mutants/results.tsv, so it may be stopped at any time. First the planted faults of tests/mutants.txt, all of which must
be noticed. A mutant that compiles to the same code is no mutant. --again tries survivors once more, --planted only the
planted ones; --report tries none and writes docs/mutants.md, where the verdicts on survivors are kept. What is built lies in out/mutants/tree: a copy of the files
that git knows, made again when they changed.
"""
import argparse
import collections
import fnmatch
import hashlib
import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "out/mutants"
TREE = WORK / "tree"
RESULTS = WORK / "results.tsv"
PLANTED = ROOT / "tests/mutants.txt"
PAGE = ROOT / "docs/mutants.md"
PAGE_HEAD = """# Mutants: what tests do not notice

Lines of `engine`, `models`, `host` and `runner` are changed one at a time (operators, constants, conditions, what is returned, statements left out) and the tests that own the file are run
(`make mutate`, `tools/mutate.py`; kernels and layouts of weights are left out, they are tested bit by bit). A mutant that compiles to the same code does not count. Faults that once passed all tests stand in
`tests/mutants.txt` and are planted every time; all of them are noticed.

Verdicts: *equivalent* (no input shows a difference), *only speed*, *only words*, *test added*, or what is missing.
"""
TEST_TIMES, LEAST_S = 8, 20  # a test program may take so many times its usual time, and at least so long
FOLDERS = ("engine", "models", "host", "runner")
LEFT_OUT = ("engine/kernels/x86/*", "engine/kernels/arm/*", "engine/kernels/scalar/*", "engine/quant/*")  # kernels and layouts: tested bit by bit
# The programs that own a file: those of the longest prefix. Ending in .py: end-to-end tests with the program built again.
OWNERS = {
    "engine/": "unit/test_session unit/test_odd_shapes golden/test_arch_logits unit/test_finite unit/test_capacities"
               " fault/test_engine_faults unit/test_sched",
    "engine/arch/": "golden/test_arch_logits unit/test_session unit/test_odd_shapes",
    "engine/kernels/": "kernels/test_select kernels/test_vec unit/test_session golden/test_arch_logits",
    "engine/kv/": "unit/test_prefix_tree unit/test_kv_disk unit/test_sched_time unit/test_sched unit/test_session",
    "engine/ops/": "unit/test_pool unit/test_session unit/test_odd_shapes golden/test_arch_logits unit/test_cpus",
    "engine/gotemplate/": "unit/test_gotemplate golden/test_gotemplate_golden fault/test_gotemplate_faults",
    "engine/runner/": "unit/test_answer_text unit/test_runner unit/test_generation e2e/test_run.py",
    "engine/runner/chat": "unit/test_chat unit/test_chat_json golden/test_chat_golden unit/test_runner",
    "engine/sampler/": "unit/test_sampler unit/test_sched_time",
    "engine/sched/": "unit/test_sched_time unit/test_speculate unit/test_kv_disk unit/test_sched",
    "engine/speculate/": "unit/test_speculate unit/test_sched_time unit/test_sched",
    "engine/template/": "unit/test_template unit/test_template_taint golden/test_template_golden unit/test_chat fault/test_template_faults",
    "engine/tokenizer/": "unit/test_tokenizer unit/test_tokenizer_hostile golden/test_tokenizer_golden",
    "models/": "unit/test_db unit/test_store unit/test_store_record unit/test_store_check unit/test_store_gc unit/test_manifest unit/test_modelfile unit/test_name migrate/test_migrate"
               " fault/test_store_faults fault/test_store_io_faults e2e/test_commands.py e2e/test_store.py",
    "host/": "unit/test_options unit/test_conversation unit/test_resident e2e/test_run.py e2e/test_commands.py",
    "runner/": "unit/test_generation unit/test_runner",
}
# Lines whose change is not a test's business, or would only hang: what is said, checked twice or advised.
NOT_TRIED = re.compile(r"hl_event\(|hl_log|assert\(|pthread_|madvise|prefetch|posix_f|hl_fail\(|enum |static const|typedef|^\s*case |HL_API|__builtin")
SWAPS = [(r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "), (r" && ", " || "),
         (r" \|\| ", " && "), (r" \+ ", " - "), (r" - ", " + "), (r" \* (?=[\w(])", " + "), (r" / ", " * "), (r" % ", " / "), (r"\+\+", "--"), (r" \+= ", " -= "),
         (r" -= ", " += "), (r"return true;", "return false;"), (r"return false;", "return true;"), (r"return HL_OK;", "return HL_E_INTERNAL;"),
         (r"(?<![\w.\"])(\d+)(?![\w.\"])", lambda m: str(int(m.group(1)) + 1)), (r"\bif \((.*)\)( \{|$| [a-z*])", lambda m: f"if (!({m.group(1)})){m.group(2)}")]
STATEMENT = re.compile(r"^\s+(?!return|break|continue|goto|else|case|default|if|for|while|do\b|static|const|u?int\d|size_t|bool|float|double|char|hl_\w+ +\**\w+ =|struct)"
                       r"(\(void\))?[*A-Za-z_][^=;{}\"]*(\(.*\)|(\+\+|--)|[-+*/|&^]?= .*);(\s*/\*.*\*/)?$")

Mutant = collections.namedtuple("Mutant", "file line function old new what")


def key_of(m):
    """The same for the same change, wherever the line has moved to."""
    return hashlib.sha256("\0".join((m.file, m.function, m.old.strip(), m.new.strip(), m.what)).encode()).hexdigest()[:12]


def without_comments(text):
    """The same lines with comments, texts and characters blanked out."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group(0))  # noqa: E731
    return re.sub(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", blank, text, flags=re.S)


def mutants_of(path):
    text = (ROOT / path).read_text()
    bare = without_comments(text).split("\n")
    depth, in_macro, function, seen = 0, False, "", collections.Counter()
    for i, (line, code) in enumerate(zip(text.split("\n"), bare), 1):
        is_macro = in_macro or code.lstrip().startswith("#")
        in_macro = is_macro and line.endswith("\\")
        at_depth, depth = depth, depth + code.count("{") - code.count("}")
        start = re.match(r"^(?!enum|struct|typedef)[A-Za-z_].*?\b(\w+)\(", line)
        if start and at_depth == 0:
            function = start.group(1)
        if at_depth == 0 or is_macro or NOT_TRIED.search(code) or not code.strip():
            continue
        for pattern, to in SWAPS:
            for m in re.finditer(pattern, code):
                new = line[:m.start()] + (to(m) if callable(to) else to) + line[m.end():]
                seen[function, line, new] += 1
                yield Mutant(path, i, function, line, new, str(seen[function, line, new]))
        # A declaration is no statement: its first word is followed by another word.
        if STATEMENT.match(code) and not re.match(r"^\s+[A-Za-z_]\w*[ *]+[A-Za-z_]\w*( =|;|\[)", code) and code.count("(") == code.count(")"):
            seen[function, line, ";"] += 1
            yield Mutant(path, i, function, line, re.match(r"\s*", line).group(0) + ";", str(seen[function, line, ";"]))


def all_mutants(only):
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.c")):
            name = path.relative_to(ROOT).as_posix()
            if not any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT) and fnmatch.fnmatch(name, only):
                yield from mutants_of(name)


def planted_mutants():
    """(name, mutant, None) of each line of tests/mutants.txt, or (name, None, what is wrong)."""
    for row in PLANTED.read_text().splitlines():
        if not row.strip() or row.startswith("#"):
            continue
        name, file, old, new = (part.strip() for part in row.split(" | "))
        lines = [(i, line) for i, line in enumerate((ROOT / file).read_text().split("\n"), 1) if old in line]
        if len(lines) == 1:
            yield name, Mutant(file, lines[0][0], "", lines[0][1], lines[0][1].replace(old, new), "planted"), None
        else:
            yield name, None, f"tests/mutants.txt: {name}: '{old}' stands on {len(lines)} lines of {file}, expected one"


def owners_of(path):
    best = max((p for p in OWNERS if path.startswith(p)), key=len)
    return OWNERS[best].split()


class Build:
    """A tree of its own with everything built once; a mutant costs one compilation and the links of its tests."""

    def __init__(self):
        self.make = ["make", "--no-print-directory", "V=1", "MODE=release"]
        self.commands, self.usual_s, self.plain = {}, {}, {}
        self.env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", HL_TEST_FAST="1", HL_TEST_OUT=str(TREE / "out/release"))
        models = pathlib.Path(os.environ.get("HL_TEST_MODELS") or ROOT / "out/models").resolve()
        self.env.update(HL_TEST_MODELS=str(models), HL_TEST_SHARED=str(models))

    def copy(self):
        names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True,
                               text=True, check=True).stdout.split("\n")
        known = {name for name in names if name and (ROOT / name).is_file()}
        for name in sorted(known):
            source, target = ROOT / name, TREE / name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        for path in [p for p in TREE.rglob("*.[ch]") if p.relative_to(TREE).as_posix() not in known and "out/" not in p.as_posix()[len(str(TREE)):]]:
            path.unlink()
        subprocess.run(self.make + ["-j2", "all", "tests"], cwd=TREE, check=True, stdout=subprocess.DEVNULL)

    def command(self, target):
        """The shell command that makes a file of the tree."""
        if target not in self.commands:
            said = subprocess.run(self.make + ["-n", "-B", target], cwd=TREE, capture_output=True, text=True, check=True).stdout
            lines = [line for line in said.replace("\\\n", " ").split("\n") if f"-o {target} " in line or line.endswith(f"-o {target}")]
            self.commands[target] = shlex.split(lines[-1])
        return list(self.commands[target])

    def compile(self, source, path, target):
        """`source` as if it stood at `path`, into `target`, without debug information; True when it compiles."""
        command = self.command("out/release/" + path[:-2] + ".o")
        command[command.index("-c") + 1:] = ["-c", "-o", str(target), str(source)]
        command = [c for c in command if c not in ("-MMD", "-MP", "-g1", "-Werror")] + ["-w", "-g0", "-I", os.path.dirname(path)]
        command[0:1] = ["gcc"] if command[0] == "ccache" and command[1] == "gcc" else [command[0]]
        command = [c for i, c in enumerate(command) if not (i == 1 and c == command[0])]
        return subprocess.run(command, cwd=TREE, capture_output=True).returncode == 0

    def is_same(self, path, mutated):
        """Whether the mutated object is the very code of the original."""
        if path not in self.plain:
            plain = WORK / "plain.o"
            source = WORK / "plain.c"
            shutil.copy(TREE / path, source)
            if not self.compile(source, path, plain):
                sys.exit(f"{path} does not compile as it is")
            self.plain[path] = code_of(plain)
        return code_of(mutated) == self.plain[path]

    def link(self, target, mutated):
        command = self.command(target)
        at = command.index("-o")
        out = WORK / "bin" / os.path.basename(target)
        out.parent.mkdir(parents=True, exist_ok=True)
        command[at + 1] = str(out)
        first = next(i for i, c in enumerate(command) if c.endswith(".a"))
        command.insert(first, str(mutated))
        done = subprocess.run(command, cwd=TREE, capture_output=True, text=True)
        return out if done.returncode == 0 else None

    def run(self, test, program, limit_s):
        """0: passed; None: no end; else failed."""
        command = [str(program)]
        env = self.env
        if test.endswith(".py"):
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/" + test]
            env = dict(env, HL_PROGRAM=str(program))
        p = subprocess.Popen(command, cwd=TREE, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                             start_new_session=True)
        try:
            return p.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, 9)
            p.wait()
            return None

    def target_of(self, test):
        return "out/release/hyperlama" if test.endswith(".py") else "out/release/tests/" + test

    def limit_of(self, test):
        if test not in self.usual_s:
            start = time.monotonic()
            status = self.run(test, TREE / self.target_of(test), 600)
            if status != 0:
                sys.exit(f"{test} fails without any mutant")
            self.usual_s[test] = time.monotonic() - start
        return max(LEAST_S, TEST_TIMES * self.usual_s[test])

    def try_mutant(self, m):
        """'killed by TEST', 'hangs TEST', 'survived', 'same code' or 'does not compile'."""
        lines = (TREE / m.file).read_text().split("\n")
        lines[m.line - 1] = m.new
        source, mutated = WORK / "mutant.c", WORK / "mutant.o"
        source.write_text("\n".join(lines))
        if not self.compile(source, m.file, mutated):
            return "does not compile"
        if self.is_same(m.file, mutated):
            return "same code"
        for test in owners_of(m.file):
            limit_s = self.limit_of(test)
            program = self.link(self.target_of(test), mutated)
            if not program:
                return "does not compile"
            status = self.run(test, program, limit_s)
            if status is None:
                return f"hangs {test}"
            if status != 0:
                return f"killed by {test}"
        return "survived"


def code_of(path):
    """What an object holds apart from the name of its source."""
    done = subprocess.run(["objcopy", "--strip-debug", "--remove-section=.comment", "-O", "binary", "-j", ".text*", "-j", ".rodata*", "-j", ".data*",
                           str(path), str(path) + ".bin"], capture_output=True)
    relocations = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", str(path)], capture_output=True, text=True).stdout.split("\n")[3:]
    return hashlib.sha256("\n".join(relocations).encode() + (pathlib.Path(str(path) + ".bin").read_bytes() if done.returncode == 0 else b"")).hexdigest()


def read_results():
    if not RESULTS.exists():
        return {}
    rows = [line.split("\t") for line in RESULTS.read_text().splitlines()]
    return {row[0]: row for row in rows if len(row) == 8}


def write_results(results):
    RESULTS.write_text("".join("\t".join(row) + "\n" for row in results.values()))


def row_of(m, verdict, seconds):
    return [key_of(m), m.file, str(m.line), m.function, m.what, " ".join(m.old.split()), " ".join(m.new.split()), verdict]


def is_found(verdict):
    return verdict.startswith(("killed", "hangs"))


def sums_of(results):
    """[(room, noticed, all)], the last for all rooms."""
    by_room = collections.defaultdict(lambda: [0, 0])
    for row in results.values():
        if is_found(row[7]) or row[7] == "survived":
            room = "/".join(row[1].split("/")[:2 if row[1].startswith("engine/") else 1])
            by_room[room][is_found(row[7])] += 1
    sums = [(room, dies, lives + dies) for room, (lives, dies) in sorted(by_room.items())]
    return sums + [("all", sum(x[1] for x in sums), sum(x[2] for x in sums))]


def write_report(results):
    """docs/mutants.md: sums and survivors; what stands there as a survivor's verdict stays."""
    old = dict(re.findall(r"^\| `(\w{12})` \|.*\| (.*?) \|$", PAGE.read_text(), re.M)) if PAGE.exists() else {}
    cell = lambda code: "`" + code.replace("|", "\\|").replace("`", "'")[:150] + "`"  # noqa: E731
    rows = [row for row in results.values() if row[7] == "survived"]
    out = [PAGE_HEAD, "| where | noticed | of | |", "| --- | --- | --- | --- |"]
    out += [f"| {room} | {dies} | {n} | {100 * dies / max(n, 1):.0f} % |" for room, dies, n in sums_of(results)]
    out += ["", "## Survivors", "", "| key | where | line | instead | verdict |", "| --- | --- | --- | --- | --- |"]
    for row in sorted(rows, key=lambda row: (row[1], row[3], row[0])):
        out.append(f"| `{row[0]}` | {row[1]} {row[3]} | {cell(row[5])} | {cell(row[6])} | {old.get(row[0], 'not looked at')} |")
    PAGE.write_text("\n".join(out) + "\n")


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    p.add_argument("--n", type=int, default=150)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", default="*")
    p.add_argument("--again", action="store_true")
    p.add_argument("--planted", action="store_true")
    p.add_argument("--report", action="store_true")
    a = p.parse_args()
    if a.report:
        write_report(read_results())
        return
    os.nice(19)
    WORK.mkdir(parents=True, exist_ok=True)
    build, results, bad = Build(), read_results(), []
    build.copy()
    for name, m, wrong in planted_mutants():
        verdict = build.try_mutant(m) if m else wrong
        print(f"planted: {name}: {verdict}", flush=True)
        if not is_found(verdict):
            bad.append(name)
    if a.planted:
        sys.exit(f"not noticed: {', '.join(bad)}" if bad else 0)
    found = list(all_mutants(a.only))
    random.Random(a.seed).shuffle(found)
    n = 0
    for m in found:
        key = key_of(m)
        known = results.get(key)
        if known and not (a.again and known[7] == "survived"):
            n += is_found(known[7]) or known[7] == "survived"
        elif n < a.n:
            start = time.monotonic()
            verdict = build.try_mutant(m)
            results[key] = row_of(m, verdict, time.monotonic() - start)
            write_results(results)
            n += is_found(verdict) or verdict == "survived"
            print(f"{n:4d} {m.file}:{m.line}: {verdict}: {' '.join(m.old.split())[:70]}  ->  {' '.join(m.new.split())[:70]}", flush=True)
        if n >= a.n and not a.again:
            break
    for room, dies, of in sums_of(results):
        print(f"{room:22s} {dies:4d} of {of:4d} noticed: {100 * dies / max(of, 1):.1f} %")
    sys.exit(f"planted and not noticed: {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
