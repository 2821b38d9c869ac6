#!/usr/bin/env python3
"""Run test programs, pytest files and scripts side by side and count what they say.

usage: run_tests.py [--jobs N] [--timeout S] [--skip-python] [--under "EMULATOR ARGS"] PROGRAM...

A PROGRAM is a cmocka binary (TAP is counted), a test_*.py file (pytest) or another script: exit status 0 passed, 77
skipped, else failed. Prints one line per suite, what failed in full, and at the very end exactly one line of sums.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

RESULT = re.compile(r"^(not ok|ok)\b(.*)$")


class Suite:
    def __init__(self, path):
        self.path, self.passed, self.failed, self.skipped = path, 0, 0, 0
        self.output, self.problem, self.seconds = "", "", 0.0


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
    for line in text.splitlines():
        m = RESULT.match(line)
        if not m:
            continue
        if re.match(r" \d+ # SKIP\b", m.group(2)):  # cmocka says "not ok" of these too
            suite.skipped += 1
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
        if status == 0:
            suite.passed = 1
        elif status == 77:
            suite.skipped = 1
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
                n_skipped = int(node.get("skipped", 0))
                suite.failed += n_failed
                suite.skipped += n_skipped
                suite.passed += int(node.get("tests", 0)) - n_failed - n_skipped
        except ET.ParseError:
            suite.failed += 1
            suite.problem = "no report" if status is not None else f"no end after {timeout_s} s"
    if status not in (0, 5) and not suite.failed:
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


def main():
    p = argparse.ArgumentParser(add_help=True, usage=__doc__.split("usage: ")[1].split("\n")[0])
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--timeout", type=int, default=400)
    p.add_argument("--skip-python", action="store_true")
    p.add_argument("--under", default="", help="run binaries with this in front, e.g. an emulator")
    p.add_argument("programs", nargs="*")
    a = p.parse_args()
    programs = [x for x in a.programs if not (a.skip_python and is_pytest(x))]
    total = Suite("")
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        jobs = [pool.submit(run_suite, os.path.abspath(x), a.timeout, shlex.split(a.under)) for x in programs]
        for job in concurrent.futures.as_completed(jobs):
            s = job.result()
            name = os.path.relpath(s.path)
            print(f"{'FAILED' if s.failed else 'ok':6s} {name}: {s.passed} passed, {s.failed} failed, {s.skipped} skipped"
                  f" ({s.seconds:.1f} s){': ' + s.problem if s.problem else ''}", flush=True)
            if s.failed:
                print("\n".join("    " + line for line in s.output.splitlines()[-60:]), flush=True)
            total.passed += s.passed
            total.failed += s.failed
            total.skipped += s.skipped
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
