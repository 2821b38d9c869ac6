#!/usr/bin/env python3
"""Change one line of the code, build what it touches, and see whether the tests that own the file notice.

usage: mutate.py [--n N] [--seed S] [--only GLOB] [--again] [--planted] [--report] [--quick]

Takes N mutants at random that no other seed has taken (the same ones for the same seed and code), and tries those that have
no result yet; results are kept in out/mutants/results.tsv, so it may be stopped at any time. A mutant that compiles to the
same code is no mutant. A test that does not end, and an end-to-end test that fails, must do so twice; the former are told
apart. --again tries the survivors of the seed once more (the first verdict is kept, too); --planted tries the planted
faults of tests/mutants.txt, all of which must be noticed (they also come after the N); --report tries none and writes
docs/mutants.md, where the verdicts on survivors are kept; --quick leaves out the slow tests, and what only they could notice is
tried again by a run without it. What is built lies in out/mutants/tree: a copy of the files that
git knows, made again when they changed.
"""
import argparse
import collections
import fnmatch
import hashlib
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "out/mutants"
TREE = WORK / "tree"
RESULTS = WORK / "results.tsv"
TIMES = WORK / "times.txt"  # of the tests without any mutant
PLANTED = ROOT / "tests/mutants.txt"
PAGE = ROOT / "docs/mutants.md"
PAGE_HEAD = """# Mutants: what tests do not notice

Lines of `engine`, `models`, `host` and `runner` are changed one at a time (operators, constants, conditions, what is returned, statements left out) and the tests that own the file are run: `make mutate`,
`tools/mutate.py`. Kernels and layouts of weights are left out, they are tested bit by bit; so are the calls that only say something. A mutant that compiles to the same code does not count. Noticed is one where a test
fails, gives memory back never, or does not end (twice; told apart). Each seed is a sample of mutants that no other seed took: *at first* is before any test was written for them, *now* after.
Faults that once passed all tests stand in `tests/mutants.txt` and are planted every time; all of them are noticed.
"""
# A test program may use so many times its usual processor time and take so many times its usual time, and at least so much:
# the first finds what runs in circles and is the same on a busy machine, the second finds what sleeps.
CPU_TIMES, CPU_LEAST_S = 8, 10
WALL_TIMES, WALL_LEAST_S = 20, 60
LEAK_STATUS = 23  # the leak checker's
SLOW_S = 10  # of a processor: --quick leaves such a test out
FOLDERS = ("engine", "models", "host", "runner")
LEFT_OUT = ("engine/kernels/x86/*", "engine/kernels/arm/*", "engine/kernels/scalar/*", "engine/quant/*")  # kernels and layouts: tested bit by bit
# The programs that own a file: those of the longest prefix. Ending in .py: end-to-end tests with the program built again.
OWNERS = {
    "engine/": "unit/test_session unit/test_odd_shapes golden/test_arch_logits unit/test_finite unit/test_capacities"
               " fault/test_engine_faults unit/test_sched unit/test_gguf_changed unit/test_stop",
    "engine/arch/": "golden/test_arch_logits unit/test_session unit/test_odd_shapes",
    "engine/kernels/": "kernels/test_select kernels/test_vec unit/test_session golden/test_arch_logits",
    "engine/kv/": "unit/test_prefix_tree unit/test_kv_disk unit/test_sched_time unit/test_sched unit/test_session unit/test_capacities",
    "engine/parallel/": "unit/test_pool unit/test_session unit/test_odd_shapes golden/test_arch_logits unit/test_cpus kernels/test_matmul"
                   " unit/test_finite unit/test_capacities",
    "engine/gotemplate/": "unit/test_gotemplate golden/test_gotemplate_golden fault/test_gotemplate_faults",
    "engine/runner/": "unit/test_answer_text unit/test_runner unit/test_generation e2e/test_run.py",
    "engine/runner/chat": "unit/test_chat unit/test_chat_json golden/test_chat_golden unit/test_runner",
    "engine/sampler/": "unit/test_sampler unit/test_sched_time",
    "engine/sched/": "unit/test_sched_time unit/test_speculate unit/test_kv_disk unit/test_sched unit/test_stop unit/test_draft_files",
    "engine/speculate/": "unit/test_speculate unit/test_sched_time unit/test_sched unit/test_draft_files golden/test_draft_records",
    "engine/template/": "unit/test_template unit/test_template_taint golden/test_template_golden unit/test_chat fault/test_template_faults",
    "engine/tokenizer/": "unit/test_tokenizer unit/test_tokenizer_hostile golden/test_tokenizer_golden unit/test_stop",
    "models/": "unit/test_db unit/test_store unit/test_store_record unit/test_store_check unit/test_store_gc unit/test_manifest unit/test_modelfile unit/test_name migrate/test_migrate"
               " fault/test_store_faults fault/test_store_io_faults e2e/test_commands.py e2e/test_store.py",
    "models/registry": "unit/test_ref e2e/test_pull.py",
    "models/versions": "e2e/test_pull.py",
    "models/upload": "e2e/test_blobs.py",
    "host/": "unit/test_options unit/test_conversation unit/test_resident e2e/test_run.py e2e/test_commands.py",
    "runner/": "unit/test_generation unit/test_runner",
}
# Lines whose change is not a test's business, or would only hang: what is said, checked twice or advised.
WORDS = r"\b(hl_event|hl_log|assert|hl_(\w+_)?fail(_\w+)?)\("  # calls that say something
NOT_TRIED = re.compile(r"pthread_|madvise|prefetch|posix_f|enum |static const|typedef|^\s*case |HL_API|__builtin")
SWAPS = [(r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "), (r" && ", " || "),
         (r" \|\| ", " && "), (r" \+ ", " - "), (r" - ", " + "), (r" \* (?=[\w(])", " + "), (r" / ", " * "), (r" % ", " / "), (r"\+\+", "--"), (r" \+= ", " -= "),
         (r" -= ", " += "), (r"return true;", "return false;"), (r"return false;", "return true;"), (r"return HL_OK;", "return HL_E_INTERNAL;"),
         (r"(?<![\w.\"])(\d+)(?![\w.\"])", lambda m, line: str(int(m.group(1)) + 1)), (r"\bif \((.*)\)( \{|$| [a-z*])", lambda m, line: f"if (!({line[m.start(1):m.end(1)]})){m.group(2)}")]
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


def without_words(bare):
    """The same lines with the calls blanked out that say what went wrong; what decides whether they are reached stays."""
    out, at = [], 0
    for m in re.finditer(WORDS, bare):
        end, depth = m.end(), 1
        while depth > 0 and end < len(bare):
            depth += {"(": 1, ")": -1}.get(bare[end], 0)
            end += 1
        if m.start() >= at:
            out += [bare[at:m.start()], re.sub(r"[^\n]", " ", bare[m.start():end])]
            at = end
    return "".join(out) + bare[at:]


def mutants_of(path):
    text = (ROOT / path).read_text()
    bare = without_words(without_comments(text)).split("\n")
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
                new = line[:m.start()] + (to(m, line) if callable(to) else to) + line[m.end():]
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


def planted_mutants(only="*"):
    """(name, mutant, None) of each line of tests/mutants.txt, or (name, None, what is wrong)."""
    for row in PLANTED.read_text().splitlines():
        if not row.strip() or row.startswith("#"):
            continue
        name, file, old, new = (part.strip() for part in row.split(" | "))
        if not fnmatch.fnmatch(file, only):
            continue
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
        self.commands, self.usual, self.plain = {}, {}, {}
        self.times = dict((row[0], row[1:]) for row in map(str.split, TIMES.read_text().splitlines())) if TIMES.exists() else {}
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
        """The shell command that makes a file of the tree: make is asked once for an object and once for a program."""
        kind = "own" if "/kernels/" in target and target.endswith(".o") or target.endswith("hyperlama") else ".o" if target.endswith(".o") else "test"
        like = {".o": "out/release/engine/model.o", "test": "out/release/tests/unit/test_pool"}.get(kind, target)
        if like not in self.commands:
            said = subprocess.run(self.make + ["-n", "-B", like], cwd=TREE, capture_output=True, text=True, check=True).stdout
            lines = [line for line in said.replace("\\\n", " ").split("\n") if f"-o {like} " in line or line.endswith(f"-o {like}")]
            self.commands[like] = shlex.split(lines[-1])
        return [c.replace(like, target) for c in self.commands[like]]

    def compile(self, source, path, target):
        """`source` as if it stood at `path`, into `target`, without debug information; True when it compiles."""
        command = self.command("out/release/" + path[:-2] + ".o")
        command[command.index("-c") + 1:] = ["-c", "-o", str(target), str(source)]
        command = [c for c in command if c not in ("-MMD", "-MP", "-g1", "-Werror", "ccache")]
        command += ["-w", "-g0", "-I", os.path.dirname(path), f"-fmacro-prefix-map={source}={path}"]
        return subprocess.run(command, cwd=TREE, capture_output=True).returncode == 0

    def is_same(self, path, mutated):
        """Whether the mutated object is the very code of the original."""
        if path not in self.plain:
            self.plain[path] = code_of(TREE / ("out/release/" + path[:-2] + ".o"), WORK)
        return code_of(mutated, WORK) == self.plain[path]

    def link(self, target, mutated):
        command = self.command(target)
        at = command.index("-o")
        out = WORK / "bin" / os.path.basename(target)
        out.parent.mkdir(parents=True, exist_ok=True)
        command[at + 1] = str(out)
        first = next(i for i, c in enumerate(command) if c.endswith(".a"))
        command[first:first] = [str(mutated)] if mutated else []
        if "/tests/" in target:  # what is never given back counts as noticed, as where addresses are checked
            command.append("-fsanitize=leak")
        done = subprocess.run(command, cwd=TREE, capture_output=True, text=True)
        return out if done.returncode == 0 else None

    def run(self, test, program, cpu_s, wall_s):
        """(what came of it: "passed", "failed", "leak" or "no end"; wall seconds, processor seconds)"""
        command = [str(program)]
        env = self.env
        if os.path.isdir("/dev/shm") and test != "unit/test_store":  # that one wants two file systems
            env = dict(env, TMPDIR="/dev/shm")  # nobody waits for a disk there
        if test.endswith(".py"):
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/" + test]
            env = dict(env, HL_PROGRAM=str(program))
        start, said = time.monotonic(), WORK / "said.txt"
        with open(said, "wb") as out:
            p = subprocess.Popen(command, cwd=TREE, env=env, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                 start_new_session=True,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 1)))
        status, result = None, None
        while result is None:
            pid, status, usage = os.wait4(p.pid, os.WNOHANG)
            if pid:
                killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                result = "passed" if status == 0 else "no end" if killer in (signal.SIGXCPU, signal.SIGKILL) else "failed"
                if os.WIFEXITED(status) and os.WEXITSTATUS(status) == LEAK_STATUS and not test.endswith(".py"):
                    result = "leak"
            elif time.monotonic() - start > wall_s:
                result = "no end"
            elif re.search(rb"^not ok(?!.*# SKIP)", said.read_bytes(), re.M):
                result = "failed"  # the first red is enough
            else:
                time.sleep(0.02)
        if not pid:
            os.killpg(p.pid, signal.SIGKILL)
            pid, status, usage = os.wait4(p.pid, 0)
        p.returncode = status
        return result, time.monotonic() - start, usage.ru_utime + usage.ru_stime

    def target_of(self, test):
        return "out/release/hyperlama" if test.endswith(".py") else "out/release/tests/" + test

    def limits_of(self, test):
        """(processor seconds, wall seconds) that the test may take, or None for one that fails without any mutant."""
        built = str((TREE / self.target_of(test)).stat().st_mtime_ns)
        if test not in self.usual and self.times.get(test, [""])[0] == built:
            self.usual[test] = tuple(map(float, self.times[test][1:]))
        if test not in self.usual:
            for _ in range(2):
                result, wall_s, cpu_s = self.run(test, self.link(self.target_of(test), None), 600, 900)
                self.usual[test] = (cpu_s, wall_s) if result == "passed" else None
                if result == "passed":
                    self.times[test] = [built, str(cpu_s), str(wall_s)]
                    TIMES.write_text("".join(" ".join([test, *row]) + "\n" for test, row in self.times.items()))
                    break
            print(f"without any mutant: {test}: {result}, {wall_s:.1f} s, {cpu_s:.1f} s of a processor", flush=True)
        usual = self.usual[test]
        return usual and (max(CPU_LEAST_S, CPU_TIMES * usual[0]), max(WALL_LEAST_S, WALL_TIMES * usual[1]))

    def in_order(self, path, results):
        """The tests that own a file, first those that noticed most of its neighbours for the time they take."""
        folder, kills = os.path.dirname(path), collections.Counter()
        for row in results.values():
            kills[row[7].split()[-1]] += 1 if row[1] == path else 0.3 if os.path.dirname(row[1]) == folder else 0.02
        tests = [test for test in owners_of(path) if self.limits_of(test)]
        return sorted(tests, key=lambda test: (test.endswith(".py"), -(kills[test] + 0.1) / (self.usual[test][1] + 0.3)))

    def try_mutant(self, m, results=None, is_quick=False):
        """'killed by TEST', 'leak in TEST', 'no end in TEST', 'survived', 'undecided', 'same code' or 'does not compile'."""
        lines = (TREE / m.file).read_text().split("\n")
        lines[m.line - 1] = m.new
        source, mutated = WORK / "mutant.c", WORK / "mutant.o"
        source.write_text("\n".join(lines))
        if not self.compile(source, m.file, mutated):
            return "does not compile"
        if self.is_same(m.file, mutated):
            return "same code"
        left_out = False
        for test in self.in_order(m.file, results or {}):
            if is_quick and self.usual[test][0] > SLOW_S:
                left_out = True
                continue
            program = self.link(self.target_of(test), mutated)
            if not program:
                return "does not compile"
            limits = self.limits_of(test)
            result = self.run(test, program, *limits)[0]
            if result != "passed" and (result == "no end" or test.endswith(".py")):  # the machine may be busy: once more
                result = result if self.run(test, program, *limits)[0] == result else "passed"
            if result != "passed":
                return {"failed": "killed by ", "leak": "leak in "}.get(result, "no end in ") + test
        return "undecided" if left_out else "survived"


def code_of(path, folder):
    """What an object holds apart from the name of its source."""
    binary = folder / "code.bin"
    binary.unlink(missing_ok=True)
    subprocess.run(["objcopy", "--strip-debug", "--remove-section=.comment", "-O", "binary", "-j", ".text*", "-j", ".rodata*", "-j", ".data*",
                    str(path), str(binary)], capture_output=True)
    relocations = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", str(path)], capture_output=True, text=True).stdout.split("\n")[3:]
    return hashlib.sha256("\n".join(relocations).encode() + (binary.read_bytes() if binary.exists() else b"")).hexdigest()


def read_results():
    """Rows of key, file, line, function, what, old, new, verdict, first verdict, seed."""
    if not RESULTS.exists():
        return {}
    rows = [line.split("\t") for line in RESULTS.read_text().splitlines()]
    return {row[0]: row for row in rows if len(row) == 10}


def write_results(results):
    new = RESULTS.with_suffix(".new")
    new.write_text("".join("\t".join(row) + "\n" for row in results.values()))
    new.replace(RESULTS)


def row_of(m, verdict, first, seed):
    return [key_of(m), m.file, str(m.line), m.function, m.what, " ".join(m.old.split()), " ".join(m.new.split()), verdict, first, str(seed)]


def is_found(verdict):
    return verdict.startswith(("killed", "no end", "leak"))


def lives(verdict):
    return verdict in ("survived", "undecided")


def counts(verdict):
    return is_found(verdict) or lives(verdict)


def sums_of(rows):
    """[(room, noticed at first, noticed now, of them without an end, all)], the last for all rooms."""
    by_room = collections.defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        if counts(row[7]) and counts(row[8]):
            room = "/".join(row[1].split("/")[:2]) if row[1].count("/") > 1 or not row[1].startswith("engine/") else "engine"
            room = room if room.startswith("engine") else row[1].split("/")[0]
            by_room[room] = [x + y for x, y in zip(by_room[room], (is_found(row[8]), is_found(row[7]), row[7].startswith("no end"), 1))]
    sums = [(room, *numbers) for room, numbers in sorted(by_room.items())]
    return sums + [("all", *(sum(x[i] for x in sums) for i in range(1, 5)))]


def seeds_of(results):
    return list(dict.fromkeys(row[9] for row in results.values()))


def write_report(results):
    """docs/mutants.md: sums of each sample and survivors by verdict; what stands there as a survivor's verdict stays."""
    old, verdict = {}, ""
    for line in PAGE.read_text().splitlines() if PAGE.exists() else []:
        verdict = line[4:] if line.startswith("### ") else verdict
        found = re.match(r"^\| `(\w{12})` \|", line)
        if found:
            old[found.group(1)] = verdict
    cell = lambda code: "`" + code.replace("|", "\\|").replace("`", "'")[:110] + "`"  # noqa: E731
    out = [PAGE_HEAD.rstrip()]
    share = lambda n, of: f"{n} ({100 * n / max(of, 1):.0f} %)"  # noqa: E731
    for seed in seeds_of(results):
        rows = [row for row in results.values() if row[9] == seed]
        out += ["", f"## Seed {seed}", "", f"`make mutate N={sum(counts(row[8]) for row in rows)} SEED={seed}`", "",
                "| where | mutants | noticed at first | noticed now | of them without an end |", "| --- | --- | --- | --- | --- |"]
        for room, first, now, endless, n in sums_of(rows):
            out.append(f"| {room} | {n} | {share(first, n)} | {share(now, n)} | {endless} |")
        equal = sum(lives(row[7]) and old.get(row[0], "").startswith("equivalent") for row in rows)
        out += ["", f"Of those left, {equal} are equivalent; of the other {n - equal}, {share(first, n - equal)} were noticed at first, {share(now, n - equal)} now."]
    out += ["", "## Survivors"]
    by_verdict = collections.defaultdict(list)
    for row in results.values():
        if lives(row[7]):
            by_verdict[old.get(row[0], "not looked at")].append(row)
    for verdict, rows in sorted(by_verdict.items()):
        out += ["", f"### {verdict}", "", "| key | where | line | instead |", "| --- | --- | --- | --- |"]
        for row in sorted(rows, key=lambda row: (row[1], row[3], row[0])):
            out.append(f"| `{row[0]}` | {row[1]} {row[3]} | {cell(row[5])} | {cell(row[6])} |")
    PAGE.write_text("\n".join(out) + "\n")


def try_planted(build, only):
    """The names of those that nothing noticed."""
    bad = []
    for name, m, wrong in planted_mutants(only):
        verdict = build.try_mutant(m) if m else wrong
        print(f"planted: {name}: {verdict}", flush=True)
        if not is_found(verdict):
            bad.append(name)
    return bad


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    p.add_argument("--n", type=int, default=150)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", default="*")
    for flag in ("--again", "--planted", "--report", "--quick"):
        p.add_argument(flag, action="store_true")
    a = p.parse_args()
    if a.report:
        write_report(read_results())
        return
    os.nice(max(0, 5 - os.nice(0)))
    WORK.mkdir(parents=True, exist_ok=True)
    build, results = Build(), read_results()
    build.copy()
    if a.planted:
        bad = try_planted(build, a.only)
        sys.exit(f"planted and not noticed: {', '.join(bad)}" if bad else 0)
    found = list(all_mutants(a.only))
    random.Random(a.seed).shuffle(found)
    n = 0 if a.again else sum(row[9] == str(a.seed) and (is_found(row[7]) or row[7] == "survived" or a.quick and row[7] == "undecided") and fnmatch.fnmatch(row[1], a.only) for row in results.values())
    for m in found:
        if n >= a.n and not a.again:
            break
        known = results.get(key_of(m))
        if known and known[7] == "undecided" and known[9] == str(a.seed) and not a.quick and not a.again:
            known = None
        if not known if a.again else known:
            continue
        if a.again and (not lives(known[7]) or known[9] != str(a.seed)):
            continue
        verdict = build.try_mutant(m, results, a.quick)
        results[key_of(m)] = row_of(m, verdict, known[8] if known else verdict, a.seed)
        write_results(results)
        n += counts(verdict)
        print(f"{n:4d} {m.file}:{m.line}: {verdict}: {' '.join(m.old.split())[:70]}  ->  {' '.join(m.new.split())[:70]}", flush=True)
    for room, first, now, _, of in sums_of([row for row in results.values() if row[9] == str(a.seed)]):
        print(f"{room:22s} {first:4d} of {of:4d} noticed at first, {now:4d} now: {100 * now / max(of, 1):.1f} %")
    bad = [] if a.again else try_planted(build, a.only)
    sys.exit(f"planted and not noticed: {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
