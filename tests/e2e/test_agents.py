"""Frameworks for agents, unchanged, in loops with tools against a model that calls them. What each does stands in agents/NAME.py."""
import os
import pathlib
import subprocess
import sys

import pytest

from test_clients import MODELS
from test_tools import ANSWER, server  # noqa: F401: a fixture

FOLDERS = {"langchain_ollama_loop": ("langchain-ollama", "agents"), "instructor_loop": ("instructor",), "llama_index_loop": ("llama-index",)}
SUITES = sorted((pathlib.Path(__file__).parent / "agents").glob("*_loop.py"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda p: p.stem)
def test_a_framework_comes_to_an_answer(request, cli, suite):
    folders = [MODELS / name for name in FOLDERS.get(suite.stem, ("agents",))]
    if suite.stem == "llama_index_loop" and not folders[0].is_dir():
        pytest.skip("no LlamaIndex: 195 MB, fetched by tools/get_test_models.py where HL_LLAMA_INDEX=yes")
    if not all(f.is_dir() for f in folders):
        pytest.skip("no frameworks for agents: make test fetches them")
    s = request.getfixturevalue("server")
    done = subprocess.run([sys.executable, suite, f"http://{s.host}:{s.port}", ANSWER], capture_output=True, text=True, timeout=300,
                          env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, folders)), "HOME": str(cli.folder), "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0 and done.stdout == "all is well\n", done.stdout + done.stderr
    assert s.process.poll() is None
