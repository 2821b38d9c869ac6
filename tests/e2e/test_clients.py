"""The official Python clients, unchanged, against a server with real models: what people write runs as it is."""
import importlib
import os
import pathlib
import sys

import pytest

from test_serve import Server

MODELS = pathlib.Path(os.environ.get("HL_TEST_MODELS") or pathlib.Path(__file__).resolve().parents[2] / "out/models")
HELLO = [{"role": "user", "content": "Name the capital of France."}]
ANSWER = "The capital of France is Paris."


def client_module(name):
    if not (MODELS / "clients" / name).is_dir():
        pytest.skip("no official clients: make test fetches them")
    if str(MODELS / "clients") not in sys.path:
        sys.path.append(str(MODELS / "clients"))  # and it stays: they import more when they are used
    return importlib.import_module(name)


@pytest.fixture
def server(cli):
    if not (MODELS / "smollm2-135m-q4_1.gguf").exists():
        pytest.skip("no real models: make test fetches them")
    cli.ok("import", MODELS / "smollm2-135m-q4_1.gguf", "smollm2:135m")
    cli.ok("import", MODELS / "gemma3-270m-q4_k_m.gguf", "gemma3:270m")
    with Server(cli) as s:
        yield s


def test_ollama(server):
    ollama = client_module("ollama")
    c = ollama.Client(f"http://{server.host}:{server.port}")
    assert {m.model for m in c.list().models} == {"smollm2:135m", "gemma3:270m"}
    shown = c.show("smollm2:135m")
    assert shown.capabilities == ["completion"] and shown.modelinfo["llama.context_length"] == 8192
    greedy = {"temperature": 0}
    assert c.chat("smollm2:135m", HELLO, options=greedy).message.content == ANSWER
    parts = list(c.chat("smollm2:135m", HELLO, options=greedy, stream=True))
    assert "".join(p.message.content for p in parts) == ANSWER and parts[-1].done_reason == "stop" and parts[-1].eval_count == 7
    got = c.generate("smollm2:135m", HELLO[0]["content"], options=dict(greedy, num_predict=3))
    assert got.response == "The capital of" and got.done_reason == "length"
    assert [m.model for m in c.ps().models] == ["smollm2:135m"]
    c.copy("smollm2:135m", "other")
    assert c.delete("other").status == "success"
    with pytest.raises(ollama.ResponseError) as e:
        c.chat("nothing", HELLO)
    assert e.value.status_code == 404 and "nothing" in e.value.error


def test_openai(server):
    openai = client_module("openai")
    c = openai.OpenAI(base_url=f"http://{server.host}:{server.port}/v1", api_key="-")
    ask = dict(model="smollm2:135m", messages=HELLO, temperature=0)
    got = c.chat.completions.create(**ask, logprobs=True, top_logprobs=2)
    assert got.choices[0].message.content == ANSWER and got.choices[0].finish_reason == "stop"
    assert len(got.choices[0].logprobs.content) == got.usage.completion_tokens == 7
    with c.chat.completions.stream(**ask) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == ANSWER
    chunks = list(c.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == got.usage.prompt_tokens - 1
    assert [x.message.content for x in c.chat.completions.create(**ask, n=2).choices] == [ANSWER] * 2
    assert {m.id for m in c.models.list()} == {"smollm2:135m", "gemma3:270m"} and c.models.retrieve("gemma3:270m").id == "gemma3:270m"
    text = c.completions.create(model="smollm2:135m", prompt="1, 2, 3,", temperature=0, max_tokens=2)
    assert text.choices[0].text == " 4" and text.choices[0].finish_reason == "length"
    with pytest.raises(openai.NotFoundError) as e:
        c.chat.completions.create(model="nothing", messages=HELLO)
    assert e.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as e:
        c.chat.completions.create(model="smollm2:135m", messages=[{"role": "user", "content": "hi " * 10000}])
    assert e.value.code == "context_length_exceeded"


def test_anthropic(server):
    anthropic = client_module("anthropic")
    c = anthropic.Anthropic(base_url=f"http://{server.host}:{server.port}", api_key="-")
    ask = dict(model="smollm2:135m", messages=HELLO, max_tokens=50, extra_body={"temperature": 0})
    got = c.messages.create(**ask)
    assert got.content[0].text == ANSWER and got.stop_reason == "end_turn" and got._request_id.startswith("req_")
    with c.messages.stream(**ask) as stream:
        assert "".join(stream.text_stream) == ANSWER
        usage = stream.get_final_message().usage
    assert usage.output_tokens == 7 and usage.input_tokens == 1
    counted = c.messages.count_tokens(model="smollm2:135m", messages=HELLO).input_tokens
    assert counted == usage.input_tokens + usage.cache_read_input_tokens
    with pytest.raises(anthropic.BadRequestError) as e:
        c.messages.create(**dict(ask, messages=[{"role": "user", "content": "hi " * 10000}]))
    assert "prompt is too long" in str(e.value)
    with pytest.raises(anthropic.NotFoundError):
        c.messages.create(**dict(ask, model="nothing"))


def test_two_models_at_once(server):
    ollama = client_module("ollama")
    c = ollama.Client(f"http://{server.host}:{server.port}")
    streams = [c.chat(m, HELLO, options={"temperature": 0, "num_predict": 12}, stream=True) for m in ("smollm2:135m", "gemma3:270m")]
    said = ["".join(p.message.content for p in pair) for pair in zip(*(list(s) for s in streams))]
    assert said and {m.model for m in c.ps().models} == {"smollm2:135m", "gemma3:270m"}


def test_ollama_pulls(cli, tmp_path):
    import contextlib

    import tiny_model
    from bad_server import Bad
    ollama = client_module("ollama")
    tiny_model.make(tmp_path / "m.gguf", ("Hello", " world."), name="m")
    data = (tmp_path / "m.gguf").read_bytes()
    with contextlib.closing(Bad()) as bad, Server(cli, {"HYPERLAMA_REGISTRY_OFFLINE": "no"}) as server:
        c = ollama.Client(f"http://{server.host}:{server.port}")
        bad.add_model("me/m", [("model", data)])
        name = f"http://{bad.host}/me/m"
        lines = list(c.pull(name, insecure=True, stream=True))
        assert lines[0].status == "pulling manifest" and lines[-1].status == "success"
        assert any(x.total == x.completed == len(data) for x in lines)
        assert c.pull(name, insecure=True).status == "success"
        with pytest.raises(ollama.ResponseError) as e:
            c.pull(f"http://{bad.host}/me/none", insecure=True)
        assert e.value.status_code == 404
        assert c.create_blob(tmp_path / "m.gguf").startswith("sha256:")
