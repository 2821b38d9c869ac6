"""schemathesis asks by /openapi.json what comes to its mind: no failure of the server, and answers are what the document says."""
import os
import pathlib
import subprocess
import sys

import pytest

from test_clients import MODELS
from test_serve import PIECES, Server

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = "no_failure_of_the_server,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"


def test_answers_are_what_the_document_says(cli):
    if not (MODELS / "schemathesis").is_dir():
        pytest.skip("no schemathesis: make test fetches it")
    cli.ok("import", cli.model(PIECES), "tiny")
    with Server(cli) as s:
        env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(MODELS / "schemathesis"), str(HERE)]), SCHEMATHESIS_HOOKS="schema_hooks")
        done = subprocess.run([sys.executable, "-m", "schemathesis.cli", "run", f"http://{s.host}:{s.port}/openapi.json", "--phases", "fuzzing", "--mode", "all", "--checks", CHECKS,
                               "--max-examples", "8", "--seed", "7", "--generation-database", "none", "--request-timeout", "60", "--no-color", "--continue-on-failure"],
                              env=env, cwd=cli.folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
        assert s.process.poll() is None and s.json("GET", "/health") == {"status": "ok"}
        assert s.metric("completions_total") > 5  # it came that far
