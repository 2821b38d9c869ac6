"""Agent programs, unchanged, in loops with real small models that know nothing of tools: whether what they call is wise is their affair, that it is
valid and that the loop ends is ours. What each does stands in agents/real/NAME.py and npm/real_agent.mjs."""
import os
import pathlib
import subprocess
import sys

import pytest

from test_clients import MODELS
from test_npm_clients import need_npm, run_suite
from test_serve import Server

FOLDERS = {"anthropic_agent": ("clients",), "instructor_agent": ("instructor",)}
SUITES = sorted((pathlib.Path(__file__).parent / "agents/real").glob("*_agent.py"))
CALLS = """{{ if .Tools }}OPENsystem
Call functions. They are:
{{ range .Tools }}{"type": "function", "function": {{ .Function }}}
{{ end }}Each call is <tool_call>{"name": NAME, "arguments": {...}}</tool_call>CLOSE
{{ end }}{{ range .Messages }}OPEN{{ .Role }}
{{ .Content }}{{ range .ToolCalls }}<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>{{ end }}CLOSE
{{ end }}OPEN"""
# Neither was made for tools, so neither has a template with a place for them: this one says it in their own marks.
REAL = {"small": ("smollm2-135m-q4_1.gguf", CALLS.replace("OPEN", "<|im_start|>").replace("CLOSE", "<|im_end|>") + "assistant\n"),
        "other": ("gemma3-270m-q4_k_m.gguf", CALLS.replace("OPEN", "<start_of_turn>").replace("CLOSE", "<end_of_turn>") + "model\n")}


@pytest.fixture
def server(cli):
    for name, (file, template) in REAL.items():
        if not (MODELS / file).exists():
            pytest.skip("no real models: make test fetches them")
        modelfile = cli.folder / f"Modelfile.{name}"
        modelfile.write_text(f'FROM {MODELS / file}\nTEMPLATE """{template}"""\n')
        cli.ok("create", name, "-f", modelfile)
    with Server(cli) as s:
        yield s


@pytest.mark.parametrize("suite", SUITES, ids=lambda p: p.stem)
def test_an_agent_with_a_real_model_calls_what_is_valid(request, cli, suite):
    folders = [MODELS / name for name in FOLDERS.get(suite.stem, ("agents",))]
    if not all(f.is_dir() for f in folders):
        pytest.skip("no frameworks for agents: make test fetches them")
    s = request.getfixturevalue("server")
    done = subprocess.run([sys.executable, suite, f"http://{s.host}:{s.port}", *REAL], capture_output=True, text=True, timeout=600,
                          env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, folders)), "HOME": str(cli.folder), "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0 and done.stdout == "all is well\n", done.stdout + done.stderr
    assert s.process.poll() is None


def test_the_ai_sdk_with_a_real_model_calls_what_is_valid(cli, request):
    need_npm()
    said = run_suite(cli, request.getfixturevalue("server"), "real_agent", HL_MODELS=" ".join(REAL))
    assert len(said.splitlines()) == 3 * len(REAL) + 1
