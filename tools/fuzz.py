#!/usr/bin/env python3
"""Run fuzz targets one after the other, each with its own settings, a dictionary and the corpus that is carried.

usage: fuzz.py FOLDER SECONDS NAME...     FOLDER: where run_NAME are

A target says in its source `fuzz: max_len=BYTES words=FILE,FILE` (both may be missing, the second may come again): the longest input worth trying,
and files whose words make the dictionary: names in the lines of a .def, texts in quotes of a .c; tests/fuzz/NAME.dict is part
of it where there is one. What is newly found is kept in out/corpus/NAME; an input that breaks something, as out/corpus/NAME.crash-*, and the exit status is 1.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def settings_of(name):
    text = (ROOT / f"tests/fuzz/fuzz_{name}.c").read_text()
    max_len, words = 4096, []
    for line in re.findall(r"fuzz: ((?:\w+=\S+ *)+)", text):
        given = dict(pair.split("=", 1) for pair in line.split())
        max_len = int(given.get("max_len", max_len))
        words += [w for w in given.get("words", "").split(",") if w]
    return max_len, words


def words_of(path):
    text = re.sub(r"/\*.*?\*/", "", (ROOT / path).read_text(), flags=re.S)
    words = re.findall(r'"((?:\\.|[^"\\\n])+)"', text)
    if path.endswith(".def"):
        words += re.findall(r"^\s*[A-Z][A-Z_0-9]*\(\s*(\w+)", text, re.M)
    return [w for w in words if "%" not in w and " " not in w and len(w) <= 64]


def write_dictionary(path, files, carried):
    words = sorted({w for file in files for w in words_of(file)})
    own = carried.read_text() if carried.exists() else ""
    path.write_text("".join(f'"{w}"\n' for w in words if re.fullmatch(r"[ -!#-\[\]-~]+", w)) + own)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder, seconds, bad = sys.argv[1], sys.argv[2], []
    for name in sys.argv[3:]:
        corpus, carried = ROOT / "out/corpus" / name, ROOT / "tests/fuzz/corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        max_len, files = settings_of(name)
        command = [f"{folder}/run_{name}", f"-max_total_time={seconds}", f"-max_len={max_len}", "-timeout=10", "-rss_limit_mb=4096",
                   "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={corpus}."]
        write_dictionary(corpus.with_suffix(".dict"), files, ROOT / f"tests/fuzz/{name}.dict")
        if corpus.with_suffix(".dict").stat().st_size > 0:  # an empty one is an error to libFuzzer
            command.append(f"-dict={corpus.with_suffix('.dict')}")
        done = subprocess.run([*command, str(corpus), *([str(carried)] if carried.is_dir() else [])], capture_output=True, text=True,
                              env=dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "allocator_may_return_null=1")), errors="replace")
        runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        print(f"{name}: {runs.group(1) if runs else '?'} inputs of up to {max_len} bytes in {seconds} s"
              f"{'' if done.returncode == 0 else ': BROKEN'}", flush=True)
        if done.returncode != 0:
            print("\n".join("    " + line for line in done.stderr.splitlines()[-60:]), flush=True)
            bad.append(name)
    print(f"{len(sys.argv) - 3 - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
