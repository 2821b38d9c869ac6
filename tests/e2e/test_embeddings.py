"""Texts to vectors: /api/embed, /api/embeddings, /v1/embeddings and `embed`, raw and with the official clients.

The tiny model's attention is zero, so the vector of a text is 1 where the number of its last token is, and 0 elsewhere.
"""
import base64
import json
import math
import struct
import threading

import pytest

import tiny_bert
from test_clients import MODELS, client_module
from test_serve import ANSWER, Server, serve, user  # noqa: F401 (serve is a fixture)

N_EMBD = 320  # of the tiny model


def one_hot(vector):
    """The place of the only 1."""
    assert len(vector) == N_EMBD
    at = max(range(N_EMBD), key=lambda i: vector[i])
    assert vector[at] == pytest.approx(1, abs=1e-6) and sum(abs(x) for x in vector) == pytest.approx(1, abs=1e-6)
    return at


def embed(s, status=200, **body):
    return s.json("POST", "/api/embed", dict({"model": "tiny"}, **body), status=status)


def openai_embed(s, status=200, **body):
    return s.json("POST", "/v1/embeddings", dict({"model": "tiny"}, **body), status=status)


def test_ollamas_embed(serve):  # noqa: F811
    s = serve()
    got = embed(s, input="ab")
    assert [one_hot(v) for v in got["embeddings"]] == [ord("b")]
    assert got["model"] == "tiny" and got["prompt_eval_count"] == 2
    assert got["total_duration"] >= got["load_duration"] > 0 and "inputs_truncated" not in got
    got = embed(s, input=["ab", "", "xyz"], keep_alive="5m", options={"num_ctx": 100})
    assert [one_hot(v) for v in got["embeddings"]] == [ord("b"), 256, ord("z")]  # of an empty text: the token that begins texts
    assert got["prompt_eval_count"] == 6
    assert embed(s, input="ab", dimensions=0)["embeddings"] == embed(s, input="ab", dimensions=None)["embeddings"]
    assert len(embed(s, input="ab", dimensions=120)["embeddings"][0]) == 120
    assert s.metric("embeddings_total") == 7
    assert any("route=embed " in line and " in_tokens=6 " in line for line in s.log)


def test_ollamas_embed_without_input_loads_and_unloads(serve):  # noqa: F811
    s = serve()
    for nothing in ({}, {"input": ""}, {"input": []}, {"input": None}):
        assert embed(s, **nothing)["embeddings"] == []
    assert [m["name"] for m in s.json("GET", "/api/ps")["models"]] == ["tiny:latest"]
    embed(s, keep_alive=0)
    for _ in range(600):  # it goes behind the response
        if s.json("GET", "/api/ps")["models"] == []:
            break
        threading.Event().wait(0.05)
    assert s.json("GET", "/api/ps")["models"] == []


def test_what_is_too_long_is_cut_or_refused_with_numbers(serve):  # noqa: F811
    s = serve(n_ctx=16)
    got = embed(s, input=["a" * 15 + "bcdef", "q"])
    assert [one_hot(v) for v in got["embeddings"]] == [ord("b"), ord("q")]
    assert got["inputs_truncated"] == 1 and got["prompt_eval_count"] == 17
    error = embed(s, input=["q", "a" * 20], truncate=False, status=400)["error"]
    assert "input 1 has 20 tokens and the context holds 16" in error
    error = openai_embed(s, input="a" * 20, status=400)["error"]
    assert error["code"] == "context_length_exceeded" and "16 tokens" in error["message"] and "20 tokens" in error["message"]
    assert one_hot(openai_embed(s, input="a" * 15 + "bcdef", truncate=True)["data"][0]["embedding"]) == ord("b")
    assert "20 tokens" in s.json("POST", "/api/embeddings", {"model": "tiny", "prompt": "a" * 20}, status=400)["error"]


def test_ollamas_embeddings_as_they_were_once(serve):  # noqa: F811
    s = serve()
    v = s.json("POST", "/api/embeddings", {"model": "tiny", "prompt": "ab"})["embedding"]
    assert math.sqrt(sum(x * x for x in v)) == pytest.approx(math.sqrt(N_EMBD), rel=1e-2) and v[ord("b")] > 17  # as the norm leaves it
    assert s.json("POST", "/api/embeddings", {"model": "tiny"}) == {"embedding": []}


def test_openais_embeddings(serve):  # noqa: F811
    s = serve()
    got = openai_embed(s, input=["ab", "xyz"], user="me")
    assert got["object"] == "list" and got["model"] == "tiny" and got["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert [(d["object"], d["index"], one_hot(d["embedding"])) for d in got["data"]] == [
        ("embedding", 0, ord("b")), ("embedding", 1, ord("z"))]
    floats = openai_embed(s, input="ab", encoding_format="float", dimensions=99)["data"][0]["embedding"]
    packed = openai_embed(s, input="ab", encoding_format="base64", dimensions=99)["data"][0]["embedding"]
    assert list(struct.unpack("<99f", base64.b64decode(packed, validate=True))) == [
        struct.unpack("<f", struct.pack("<f", x))[0] for x in floats]
    one = openai_embed(s, input=[7, 9])
    assert one_hot(one["data"][0]["embedding"]) == 9 and one["usage"]["prompt_tokens"] == 2
    assert [one_hot(d["embedding"]) for d in openai_embed(s, input=[[7, 9], [300 - 41]])["data"]] == [9, 259]
    assert one_hot(s.json("POST", "/embeddings", {"model": "tiny", "input": "ab"})["data"][0]["embedding"]) == ord("b")


def test_what_makes_no_sense_is_refused(serve):  # noqa: F811
    s = serve()
    assert "nothing" in s.json("POST", "/api/embed", {"model": "nothing", "input": "a"}, status=404)["error"]
    assert s.json("POST", "/v1/embeddings", {"model": "nothing", "input": "a"}, status=404)["error"]["code"] == "model_not_found"
    assert "model is required" in s.json("POST", "/api/embed", {"input": "a"}, status=400)["error"]
    for bad in (7, {"a": 1}, True, [7], ["a", 7], [["a"]]):
        assert "input" in embed(s, input=bad, status=400)["error"]
    for bad in (7, {"a": 1}, "", [], [""], ["a", ""], ["a", 7], [7, "a"], [[7], "a"], [[]], [[7], []], [-1], [1 << 40], [[7.5]]):
        error = openai_embed(s, input=bad, status=400)["error"]
        assert error["type"] == "invalid_request_error" and "input" in error["message"], bad
    assert "token 1 is 5000" in openai_embed(s, input=[7, 5000], status=400)["error"]["message"]
    assert "expected one of: float base64" in openai_embed(s, input="a", encoding_format="int8", status=400)["error"]["message"]
    assert "expected 1..320" in embed(s, input="a", dimensions=321, status=400)["error"]
    assert "dimensions" in openai_embed(s, input="a", dimensions=-1, status=400)["error"]["message"]
    assert "truncate" in embed(s, input="a", truncate="yes", status=400)["error"]


def test_vectors_and_answers_at_once(serve):  # noqa: F811
    s = serve(loop=True)
    failed = []

    def embed_often():
        for _ in range(20):
            got = embed(s, input=[chr(97 + i % 26) * (1 + i) for i in range(52)])
            if [one_hot(v) for v in got["embeddings"]] != [97 + i % 26 for i in range(52)]:
                failed.append(got)

    threads = [threading.Thread(target=embed_often) for _ in range(3)]
    for t in threads:
        t.start()
    for _ in range(5):
        got = s.json("POST", "/api/chat", user(stream=False, options={"temperature": 0, "num_predict": 40}))
        assert got["message"]["content"] == ANSWER * 10
    for t in threads:
        t.join()
    assert not failed


def test_no_chat_waits_for_many_embeddings(serve):  # noqa: F811
    s = serve()
    body = json.dumps({"model": "tiny", "input": ["a" * 4000] * 200})
    waiting = [s.connect() for _ in range(40)]  # more than there are workers
    for c in waiting:
        c.request("POST", "/api/embed", body)
    while s.metric("waiting") < 8:
        threading.Event().wait(0.01)
    for _ in range(3):
        got = s.json("POST", "/api/chat", user(stream=False, options={"temperature": 0}))
        assert got["message"]["content"] == ANSWER
    assert s.metric("embeddings_total") == 0  # they are all still at it
    for c in waiting:
        c.close()


def test_a_client_that_leaves_ends_its_texts(serve):  # noqa: F811
    s = serve(n_ctx=4096)
    c = s.connect()
    c.request("POST", "/api/embed", json.dumps({"model": "tiny", "input": ["a" * 4000] * 2000}))
    c.close()
    assert one_hot(embed(s, input="ab")["embeddings"][0]) == ord("b")
    for _ in range(600):
        if s.metric("cancelled_total") == 1:
            break
        threading.Event().wait(0.05)
    assert s.metric("cancelled_total") == 1


def test_the_end_of_the_server_ends_texts(serve):  # noqa: F811
    s = serve("--server-drain-s", "0")
    waiting = [s.connect() for _ in range(3)]
    for c in waiting:
        c.request("POST", "/api/embed", json.dumps({"model": "tiny", "input": ["a" * 4000] * 3000}))
    assert one_hot(embed(s, input="ab")["embeddings"][0]) == ord("b")
    assert s.stop() == 143


# ---- Encoders ----

def test_an_encoder_makes_vectors_and_says_that_it_cannot_answer(cli):
    cli.ok("import", tiny_bert.make(cli.folder / "bert.gguf"), "tiny-bert")
    texts = ["Hello, world!", "x", "", *("abc " * i for i in range(1, 40)), "hello worlding "]
    with Server(cli) as s:
        got = s.json("POST", "/api/embed", {"model": "tiny-bert", "input": texts})
        assert got["prompt_eval_count"] == sum([6, 3, 2, *(2 + min(3 * i, 62) for i in range(1, 40)), 5])  # with [CLS] and [SEP]
        assert got["inputs_truncated"] == 19  # 64 positions
        for i, v in enumerate(got["embeddings"]):
            assert len(v) == 32 and sum(x * x for x in v) == pytest.approx(1, abs=1e-5)
            assert s.json("POST", "/api/embed", {"model": "tiny-bert", "input": [texts[i]]})["embeddings"] == [v]
        assert s.json("POST", "/api/embed", {"model": "tiny-bert", "input": "hELLO,World !"})["embeddings"] == got["embeddings"][:1]
        shown = s.json("POST", "/api/show", {"model": "tiny-bert"})
        assert shown["capabilities"] == ["embedding"] and shown["model_info"]["bert.pooling_type"] == 1
        for path in ("/api/chat", "/v1/chat/completions", "/v1/messages"):
            error = s.json("POST", path, user(model="tiny-bert", stream=False, max_tokens=9), status=400)
            assert "architecture 'bert' cannot generate: an encoder" in str(error)
        assert "cannot generate" in s.json("POST", "/api/generate", {"model": "tiny-bert", "prompt": "hi"}, status=400)["error"]
    done = cli("run", "tiny-bert", "hi")
    assert done.returncode == 6 and "cannot generate: an encoder" in done.stderr
    assert [json.loads(line) for line in cli.ok("embed", "tiny-bert", *texts[:3]).splitlines()] == got["embeddings"][:3]
    assert cli.ok("embed", "tiny-bert", texts[0], "--cpu", "scalar") == cli.ok("embed", "tiny-bert", texts[0])


# ---- The command ----

def test_the_command(cli):
    model = cli.model()
    assert [one_hot(json.loads(line)) for line in cli.ok("embed", model, "ab", "xyz").splitlines()] == [ord("b"), ord("z")]
    assert [one_hot(json.loads(line)) for line in cli.ok("embed", model, stdin="ab\r\nxyz").splitlines()] == [ord("b"), ord("z")]
    (cli.folder / "texts").write_text("ab\nxyz\n")
    got = json.loads(cli.ok("embed", model, "-f", "texts", "--json", "q", "--dimensions", 110))
    assert got["dimensions"] == 110 and got["tokens"] == [2, 3, 1] and got["truncated"] == 0
    assert [v.index(max(v)) for v in got["embeddings"]] == [ord("b"), 0, 0]  # z and q are cut off
    cli.ok("import", model, "tiny")
    assert json.loads(cli.ok("embed", "tiny", "ab", "--json"))["model"] == "tiny:latest"


def test_the_command_refuses_with_numbers(cli):
    model = cli.model(n_ctx=16)
    done = cli("embed", model, "a" * 20)
    assert done.returncode == 9 and "input 0 has 20 tokens and the context holds 16" in done.stderr and done.stdout == ""
    done = cli("embed", model, "--truncate", "a" * 15 + "bc")
    assert done.returncode == 0 and "1 of 1 texts were cut to 16 tokens" in done.stderr
    assert one_hot(json.loads(done.stdout)) == ord("b")
    assert cli("embed", model, stdin="").returncode == 2
    assert cli("embed", "nothing", "a").returncode == 7


# ---- The official clients ----

@pytest.fixture
def real(cli):
    if not (MODELS / "smollm2-135m-q4_1.gguf").exists():
        pytest.skip("no real models: make test fetches them")
    cli.ok("import", MODELS / "smollm2-135m-q4_1.gguf", "smollm2:135m")
    with Server(cli) as s:
        yield s


TEXTS = ["The cat sits on the mat.", "A dog.", "Paris is the capital of France, and Rome is that of Italy."]


def test_the_clients_of_ollama_and_openai(real, cli):
    ollama, openai = client_module("ollama"), client_module("openai")
    a = ollama.Client(f"http://{real.host}:{real.port}")
    b = openai.OpenAI(base_url=f"http://{real.host}:{real.port}/v1", api_key="-")
    got = a.embed("smollm2:135m", TEXTS)
    assert len(got.embeddings) == 3 and {len(v) for v in got.embeddings} == {576} and got.prompt_eval_count > 20
    for v in got.embeddings:
        assert sum(x * x for x in v) == pytest.approx(1, abs=1e-5)
    assert a.embed("smollm2:135m", TEXTS[1]).embeddings[0] == got.embeddings[1]  # the same bits alone
    listed = b.embeddings.create(model="smollm2:135m", input=TEXTS)  # the client asks for base64
    assert [d.embedding for d in listed.data] == [[struct.unpack("<f", struct.pack("<f", x))[0] for x in v] for v in got.embeddings]
    assert listed.usage.prompt_tokens == got.prompt_eval_count
    short = b.embeddings.create(model="smollm2:135m", input=TEXTS[0], dimensions=64, encoding_format="float").data[0].embedding
    assert len(short) == 64 and sum(x * x for x in short) == pytest.approx(1, abs=1e-5)
    raw = a.embeddings("smollm2:135m", TEXTS[0]).embedding
    length = math.sqrt(sum(x * x for x in raw))
    assert length > 2 and [x / length for x in raw] == pytest.approx(list(got.embeddings[0]), abs=1e-5)
    printed = [json.loads(line) for line in cli.ok("embed", "smollm2:135m", *TEXTS).splitlines()]
    assert printed == [list(v) for v in got.embeddings]
    with pytest.raises(ollama.ResponseError) as e:
        a.embed("smollm2:135m", "word " * 10000, truncate=False)
    assert e.value.status_code == 400 and "tokens and the context holds" in e.value.error
    with pytest.raises(openai.BadRequestError) as e:
        b.embeddings.create(model="smollm2:135m", input="word " * 10000)
    assert e.value.code == "context_length_exceeded"


def test_an_encoder(cli):
    if not (MODELS / "all-minilm-l6-v2-f32.gguf").exists():
        pytest.skip("no real models: make test fetches them")
    ollama, openai = client_module("ollama"), client_module("openai")
    cli.ok("import", MODELS / "all-minilm-l6-v2-f32.gguf", "all-minilm")
    with Server(cli) as s:
        a = ollama.Client(f"http://{s.host}:{s.port}")
        b = openai.OpenAI(base_url=f"http://{s.host}:{s.port}/v1", api_key="-")
        assert a.show("all-minilm").capabilities == ["embedding"]
        cat, kitten, car = a.embed("all-minilm", ["A cat", "a Kitten!", "The engine of a car"]).embeddings
        cosine = lambda x, y: sum(i * j for i, j in zip(x, y))  # noqa: E731
        assert cosine(cat, kitten) > 0.6 > 0.3 > cosine(cat, car)
        assert b.embeddings.create(model="all-minilm", input="a cat").data[0].embedding == pytest.approx(list(cat), abs=1e-7)  # no case
        many = a.embed("all-minilm", [f"number {i} " * (1 + i % 30) for i in range(100)]).embeddings
        assert [list(a.embed("all-minilm", f"number {i} " * (1 + i % 30)).embeddings[0]) for i in (0, 59, 99)] == [
            list(many[i]) for i in (0, 59, 99)]
        assert len(a.embed("all-minilm", "long " * 600).embeddings[0]) == 384
        for _ in range(3):  # more than it has learned positions for: as much as there is, and not loaded again for it
            assert a.embed("all-minilm", "A cat", options={"num_ctx": 8192}).embeddings[0] == cat
        assert sum(" host load " in line for line in s.log) == 1, s.log
        for ask in (lambda: a.chat("all-minilm", [{"role": "user", "content": "hi"}]), lambda: a.generate("all-minilm", "hi")):
            with pytest.raises(ollama.ResponseError) as e:
                ask()
            assert e.value.status_code == 400 and "cannot generate: an encoder" in e.value.error
        with pytest.raises(openai.BadRequestError) as e:
            b.chat.completions.create(model="all-minilm", messages=[{"role": "user", "content": "hi"}])
        assert "cannot generate: an encoder" in str(e.value)
        with pytest.raises(openai.BadRequestError) as e:
            b.embeddings.create(model="all-minilm", input="long " * 2000)
        assert e.value.code == "context_length_exceeded" and "512 tokens" in str(e.value)
