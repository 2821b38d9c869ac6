"""The official JavaScript clients, unchanged, against a server with real models. What each does stands in npm/NAME.mjs."""
import os
import pathlib
import shutil
import subprocess

import pytest

from test_clients import MODELS, server  # noqa: F401: a fixture

SUITES = sorted(p.stem for p in (pathlib.Path(__file__).parent / "npm").glob("*.mjs") if p.stem != "common" and not p.stem.startswith(("tools_", "real_")))


def need_npm():
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("no node: it runs the clients, npm gets them")
    if not (MODELS / "npm/node_modules").is_dir():
        pytest.skip("no npm clients: make test fetches them")


def run_suite(cli, s, suite, **more):
    """Its last lines; s is the server that it asks, more goes to its environment."""
    for path in (pathlib.Path(__file__).parent / "npm").glob("*.mjs"):
        shutil.copy(path, cli.folder)  # beside the packages, as node looks for them
    (cli.folder / "node_modules").symlink_to(MODELS / "npm/node_modules")
    done = subprocess.run(["node", f"{suite}.mjs"], cwd=cli.folder, capture_output=True, text=True, timeout=600,
                          env={"PATH": os.environ["PATH"], "HL_URL": f"http://{s.host}:{s.port}", "HOME": str(cli.folder), **more})
    assert done.returncode == 0 and done.stdout.endswith("all is well\n"), done.stdout + done.stderr
    assert s.process.poll() is None
    return done.stdout


@pytest.mark.parametrize("suite", SUITES)
def test_a_client_gets_what_it_asks_for(cli, request, suite):
    need_npm()
    assert "errors" in run_suite(cli, request.getfixturevalue("server"), suite)
