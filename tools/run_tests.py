#!/usr/bin/env python3
"""Run test programs, pytest files and scripts side by side and count what they say.

usage: run_tests.py [--jobs N] [--timeout S] [--skip-python] [--under "EMULATOR ARGS"] PROGRAM...

A PROGRAM is a cmocka binary (TAP is counted), a test_*.py file (pytest) or another script: exit status 0 passed, 77
skipped, else failed. Prints one line per suite, what failed in full, what was skipped and why, and at the very end
exactly one line of sums. With HL_TEST_STRICT=1 a skip that no line of tests/skips.txt allows here counts as a failure.
"""
import argparse
import collections
import concurrent.futures
import ctypes
import importlib.util
import fnmatch
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import xml.etree.ElementTree as ET

RESULT = re.compile(r"^(not ok|ok)\b(.*)$")
SKIPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/skips.txt")
# What a processor must have to run the kernels of a name (engine/kernels/isa.def), in the words of /proc/cpuinfo.
FEATURES = {"avx2": "avx2 fma f16c bmi2", "avxvnni": "avx2 avx_vnni", "avx512": "avx512f avx512bw avx512dq avx512vl",
            "avx512vnni": "avx512f avx512_vnni", "avx512bf16": "avx512f avx512_bf16", "dotprod": "asimddp", "i8mm": "i8mm"}


class Suite:
    def __init__(self, path):
        self.path, self.passed, self.failed, self.skips = path, 0, 0, []
        self.output, self.problem, self.seconds = "", "", 0.0
        self.name = os.path.basename(path).rsplit(".", 1)[0]

    @property
    def skipped(self):
        return len(self.skips)

    def skip(self, test, reason):
        self.skips.append((f"{self.name}:{test}", " ".join(reason.split())))


def lacks(isa):
    """Whether this machine's processor lacks what kernels of that name need."""
    try:
        with open("/proc/cpuinfo") as f:
            have = re.search(r"^(?:flags|Features)\s*:(.*)$", f.read(), re.M).group(1).split()
    except (OSError, AttributeError):
        return True
    return not set(FEATURES.get(isa, "none").split()) <= set(have)


def find_qemu():
    return shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")


def is_old_qemu():
    version = subprocess.run([find_qemu(), "--version"], capture_output=True, text=True).stdout if find_qemu() else ""
    found = re.search(r"version (\d+)\.(\d+)", version)
    return bool(found) and (int(found.group(1)), int(found.group(2))) < (7, 2)


def has_user(uid):
    """Whether this user namespace has that user."""
    with open("/proc/self/uid_map") as f:
        return any(int(first) <= uid < int(first) + int(n) for first, _, n in map(str.split, f))


def can_lock_down():
    """Whether the kernel has Landlock and seccomp filters, and the build is one that uses them."""
    libc, sanitized = ctypes.CDLL(None, use_errno=True), CONDITIONS["sanitizer"]("")
    action = ctypes.c_uint32(0x00050000)  # SECCOMP_RET_ERRNO
    seccomp = {"x86_64": 317, "aarch64": 277}.get(platform.machine())
    return bool(not sanitized and seccomp and libc.syscall(444, None, 0, 1) > 0 and libc.syscall(seccomp, 2, 0, ctypes.byref(action)) == 0)


# The conditions of tests/skips.txt; each gets the reason that the test gave.
CONDITIONS = {
    "no cpu feature": lambda reason: lacks(reason.rsplit(" ", 1)[-1]),
    "other family": lambda reason: platform.machine() not in ("x86_64", "AMD64"),
    "test-fast": lambda reason: "HL_TEST_FAST" in os.environ,
    "sanitizer": lambda reason: os.path.basename(os.environ.get("HL_TEST_OUT", "")) in ("asan", "tsan"),
    "no qemu": lambda reason: not find_qemu() or platform.machine() != "x86_64",
    "old qemu": lambda reason: is_old_qemu(),
    "new libc": lambda reason: bool(find_qemu()),
    "one processor": lambda reason: len(os.sched_getaffinity(0)) < 2,
    "one file system": lambda reason: not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev,
    "one user": lambda reason: os.geteuid() == 0 and not has_user(65534),
    "no lockdown": lambda reason: not can_lock_down(),
    "no systemd": lambda reason: not shutil.which("systemd-socket-activate"),
    "not root": lambda reason: os.geteuid() != 0,
    "no jsonschema": lambda reason: importlib.util.find_spec("jsonschema") is None,
    "no registry": lambda reason: not shutil.which("docker-registry") or not shutil.which("htpasswd"),
    "no node": lambda reason: not shutil.which("node") or not shutil.which("npm"),
    "no LlamaIndex": lambda reason: os.environ.get("HL_LLAMA_INDEX") != "yes",
    "no llama-server": lambda reason: not os.environ.get("HL_LLAMA_SERVER") and not shutil.which("llama-server"),
    "no max": lambda reason: not os.environ.get("HL_MAX_MODEL") or (not os.environ.get("HL_MAX") and not shutil.which("max")),
    "no shared data": lambda reason: not os.path.isdir(os.environ.get("HL_TEST_SHARED", "../shared") + "/data"),
}


def read_allowed():
    """The lines of tests/skips.txt: [condition, test, reason, why]."""
    with open(SKIPS) as f:
        lines = [[part.strip() for part in line.split("|")] for line in f if line.strip() and not line.startswith("#")]
    for line in lines:
        if len(line) != 4 or line[0] not in CONDITIONS:
            sys.exit(f"{SKIPS}: expected 'condition | test | reason | why' with a condition of {', '.join(CONDITIONS)}; found {line}")
    return lines


def is_allowed(allowed, test, reason):
    return any(fnmatch.fnmatchcase(test, t) and fnmatch.fnmatchcase(reason, r) and CONDITIONS[c](reason) for c, t, r, _ in allowed)


def run(command, env, timeout_s):
    """Exit status (None: too late) and all output."""
    p = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                         start_new_session=True)
    try:
        out, _ = p.communicate(timeout=timeout_s)
        return p.returncode, out.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, 9)
        out, _ = p.communicate()
        return None, out.decode("utf-8", "replace")


def count_tap(suite, text):
    planned = sum(int(m.group(1)) for m in re.finditer(r"^1\.\.(\d+)\s*$", text, re.M))
    reason = "no reason given"
    for line in text.splitlines():
        m = RESULT.match(line)
        if line.startswith("# skipped: "):  # tests/need.h: the next one that is skipped is so because of this
            reason = line[len("# skipped: "):]
        if not m:
            continue
        skipped = re.match(r" \d+ # SKIP\b *(.*)", m.group(2))
        if skipped:  # cmocka says "not ok" of these too
            suite.skip(skipped.group(1), reason)
            reason = "no reason given"
        elif m.group(1) == "not ok":
            suite.failed += 1
        else:
            suite.passed += 1
    lost = planned - suite.passed - suite.failed - suite.skipped
    if lost > 0:
        suite.failed += lost
        suite.problem = f"{lost} tests did not report"


def run_program(suite, timeout_s, under):
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "detect_leaks=1"))
    command = [sys.executable, suite.path] if suite.path.endswith(".py") else under + [suite.path]
    status, suite.output = run(command, env, timeout_s)
    count_tap(suite, suite.output)
    if not suite.passed + suite.failed + suite.skipped:
        if status == 0 and suite.name.startswith("test_"):
            suite.failed, suite.problem = 1, "no test reported"
        elif status == 0:
            suite.passed = 1
        elif status == 77:
            suite.skip("", (suite.output.strip().splitlines() or ["no reason given"])[-1])
        else:
            suite.failed = 1
    elif status is None or status != suite.failed:  # a crash or a sanitizer, after the last line or in between
        suite.failed += 1
    if status is None:
        suite.problem = f"no end after {timeout_s} s"
    elif status not in (0, 77) and suite.failed and not suite.problem:
        suite.problem = f"exit status {status}"


def run_pytest(suite, timeout_s, _under):
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report.name}", suite.path]
        status, suite.output = run(command, dict(os.environ), timeout_s)
        try:
            for node in ET.parse(report.name).getroot().iter("testsuite"):
                n_failed = int(node.get("failures", 0)) + int(node.get("errors", 0))
                skipped = [(case.get("name"), skip.get("message", "")) for case in node.iter("testcase") for skip in case.iter("skipped")]
                for name, reason in skipped:
                    suite.skip(name, reason)
                suite.failed += n_failed
                suite.passed += int(node.get("tests", 0)) - n_failed - len(skipped)
        except ET.ParseError:
            suite.failed += 1
            suite.problem = "no report" if status is not None else f"no end after {timeout_s} s"
    if status != 0 and not suite.failed:
        suite.failed, suite.problem = 1, f"pytest: exit status {status}"


def is_pytest(path):
    return path.endswith(".py") and os.path.basename(path).startswith("test_")


def run_suite(path, timeout_s, under):
    suite, start = Suite(path), time.monotonic()
    try:
        (run_pytest if is_pytest(path) else run_program)(suite, timeout_s, under)
    except OSError as e:
        suite.failed, suite.problem = 1, str(e)
    suite.seconds = time.monotonic() - start
    return suite


def settle_skips(suite, allowed):
    """In strict mode: a skip that is not allowed is a failure."""
    bad = [skip for skip in suite.skips if not is_allowed(allowed, *skip)]
    suite.skips = [skip for skip in suite.skips if skip not in bad]
    suite.failed += len(bad)
    if bad:
        suite.problem = f"{len(bad)} skipped that tests/skips.txt does not allow here"
        suite.output = "\n".join(f"{test}: {reason}" for test, reason in bad)


def print_skips(skips):
    """What was skipped, by reason and name."""
    by_reason = collections.defaultdict(list)
    for test, reason in sorted(skips):
        by_reason[reason].append(test)
    for reason, tests in sorted(by_reason.items()):
        print("\n".join(textwrap.wrap(f"skipped: {reason}: {', '.join(tests)}", 120, subsequent_indent="    ", break_on_hyphens=False)))


def main():
    p = argparse.ArgumentParser(add_help=True, usage=__doc__.split("usage: ")[1].split("\n")[0])
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--timeout", type=int, default=400)
    p.add_argument("--skip-python", action="store_true")
    p.add_argument("--under", default="", help="run binaries with this in front, e.g. an emulator")
    p.add_argument("programs", nargs="*")
    a = p.parse_args()
    programs = [x for x in a.programs if not (a.skip_python and is_pytest(x))]
    allowed = read_allowed()
    total = Suite("")
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        jobs = [pool.submit(run_suite, os.path.abspath(x), a.timeout, shlex.split(a.under)) for x in programs]
        for job in concurrent.futures.as_completed(jobs):
            s = job.result()
            if os.environ.get("HL_TEST_STRICT", "0") not in ("", "0"):
                settle_skips(s, allowed)
            name = os.path.relpath(s.path)
            print(f"{'FAILED' if s.failed else 'ok':6s} {name}: {s.passed} passed, {s.failed} failed, {s.skipped} skipped"
                  f" ({s.seconds:.1f} s){': ' + s.problem if s.problem else ''}", flush=True)
            if s.failed:
                print("\n".join("    " + line for line in s.output.splitlines()[-60:]), flush=True)
            total.passed += s.passed
            total.failed += s.failed
            total.skips += s.skips
    print_skips(total.skips)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
