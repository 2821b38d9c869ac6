"""Fields and endpoints beyond the plain chat: completions in full, Ollama's context, limits of reasoning, running requests."""
import json
import threading
import time

import pytest

from test_clients import client_module, server  # noqa: F401 (a fixture)
from test_serve import ANSWER, PIECES, Server, serve, user  # noqa: F401

THINKS = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
          "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{{ '\n' }}{% endif %}")


@pytest.fixture
def thinker(cli):
    """Reasons without an end; behind the close marker comes the answer."""
    cli.ok("import", cli.model(("hm", " so", *PIECES), template=THINKS, links={1: 0, b">": 2}), "tiny")
    with Server(cli) as s:
        yield s


# ---- /v1/completions ----

def complete(s, prompt="\n", **more):
    return s.json("POST", "/v1/completions", dict({"model": "tiny", "prompt": prompt}, **more))


def test_logprobs_are_four_lists(serve):
    s = serve()
    (choice,) = complete(s, "a\n", logprobs=2)["choices"]
    lists = choice["logprobs"]
    assert choice["text"] == ANSWER and lists["tokens"] == list(PIECES)
    assert lists["text_offset"] == [0, 5, 11, 15] and all(p < 0 for p in lists["token_logprobs"])
    assert all(len(top) == 2 and top[token] == value for top, token, value in zip(lists["top_logprobs"], lists["tokens"], lists["token_logprobs"]))
    events = [e for _, e in s.events("/v1/completions", {"model": "tiny", "prompt": "a\n", "logprobs": 2, "stream": True}) if e != "[DONE]"]
    parts = [e["choices"][0]["logprobs"] for e in events if e["choices"][0]["logprobs"]]
    assert {k: sum((p[k] for p in parts), []) for k in lists} == lists and len(parts) == 4
    assert complete(s, "a\n")["choices"][0]["logprobs"] is None
    only = complete(s, "a\n", logprobs=0)["choices"][0]["logprobs"]
    assert [list(top) for top in only["top_logprobs"]] == [[p] for p in PIECES]


def test_echo_has_the_logprobs_of_the_prompt(serve):
    """One after the other, as a model scores a text that others wrote."""
    s = serve()
    (choice,) = complete(s, "ab\n", logprobs=2, echo=True, max_tokens=0)["choices"]
    lists = choice["logprobs"]
    assert choice["text"] == "ab\n" and choice["finish_reason"] == "length"
    assert lists["tokens"] == ["a", "b", "\n"] and lists["text_offset"] == [0, 1, 2] and lists["token_logprobs"][0] is lists["top_logprobs"][0] is None
    assert all(p < 0 for p in lists["token_logprobs"][1:]) and all(2 <= len(top) <= 3 for top in lists["top_logprobs"][1:])
    answer = complete(s, "\n", logprobs=3)["choices"][0]["logprobs"]
    (whole,) = complete(s, "\n", logprobs=3, echo=True)["choices"]
    assert whole["text"] == "\n" + ANSWER and whole["logprobs"]["tokens"] == ["\n", *PIECES]
    assert whole["logprobs"]["token_logprobs"] == [None, *answer["token_logprobs"]] and whole["logprobs"]["text_offset"] == [0] + [1 + o for o in answer["text_offset"]]
    ids = s.json("POST", "/v1/tokenize", {"model": "tiny", "content": "\n", "add_special": False})["tokens"] + [259, 260, 261, 262]
    assert complete(s, ids, logprobs=3, echo=True, max_tokens=0)["choices"][0]["logprobs"] == whole["logprobs"]  # read or written, it is as likely
    events = [e["choices"][0] for _, e in s.events("/v1/completions", {"model": "tiny", "prompt": "\n", "logprobs": 3, "echo": True, "stream": True}) if e != "[DONE]"]
    assert "".join(e["text"] for e in events) == whole["text"]
    assert {k: sum((e["logprobs"][k] for e in events if e["logprobs"]), []) for k in whole["logprobs"]} == whole["logprobs"]


def test_a_long_prompt_tells_all_its_logprobs_whatever_is_cached(serve):
    s, ids = serve(), [10, 259, 260, 261, 262] * 700
    once = complete(s, ids, logprobs=1, echo=True, max_tokens=1)
    assert once["usage"]["prompt_tokens"] == 3500 and once["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    lists = once["choices"][0]["logprobs"]
    assert [len(l) for l in lists.values()] == [3500] * 4 and lists["token_logprobs"][6:] == lists["token_logprobs"][1:-5]
    again = complete(s, [ids, ids[:70]], logprobs=1, echo=True, max_tokens=1, n=2)["choices"]
    assert [c["logprobs"] for c in again[:2]] == [lists] * 2 and again[2]["logprobs"]["token_logprobs"][:70] == lists["token_logprobs"][:70]
    assert complete(s, ids, max_tokens=1)["usage"]["prompt_tokens_details"]["cached_tokens"] > 3000  # it was kept for others


def test_the_best_of_several_answers_are_the_likeliest(serve):
    s = serve()
    ask = lambda **more: complete(s, ["\n", "a\n"], seed=7, temperature=6, top_k=0, top_p=1, max_tokens=6, logprobs=0, **more)
    mean = lambda c: sum(c["logprobs"]["token_logprobs"]) / len(c["logprobs"]["token_logprobs"]) if c["logprobs"] else 0
    every, best = ask(n=8), ask(n=3, best_of=8)
    for i in range(2):
        ranked = sorted(every["choices"][8 * i:8 * i + 8], key=mean, reverse=True)[:3]
        assert [c["text"] for c in best["choices"][3 * i:3 * i + 3]] == [c["text"] for c in ranked]
    assert [c["index"] for c in best["choices"]] == list(range(6)) and best["usage"]["total_tokens"] == every["usage"]["total_tokens"]
    assert len({c["text"] for c in every["choices"]}) > 3
    plain = complete(s, "\n", best_of=4)["choices"]
    assert [c["text"] for c in plain] == [ANSWER] and plain[0]["logprobs"] is None


def test_offsets_count_characters(cli):
    cli.ok("import", cli.model(("é", b"\xe2\x82", b"\xacx", "yz")), "tiny")
    with Server(cli) as s:
        lists = complete(s, "\n", logprobs=1)["choices"][0]["logprobs"]
        assert lists["text_offset"] == [0, 1, 2, 3]


def test_prompts_of_ids_are_prompts(serve):
    s = serve()
    text = complete(s, "ab\n", echo=True, max_tokens=2)
    ids = s.json("POST", "/v1/tokenize", {"model": "tiny", "content": "ab\n", "add_special": False})["tokens"]
    assert complete(s, ids, echo=True, max_tokens=2)["choices"] == text["choices"] and text["choices"][0]["text"] == "ab\nHello brave"
    many = complete(s, [ids, "cd\n", ids], n=2, echo=True, max_tokens=1, logit_bias={"1": -100})
    assert [(c["index"], c["text"]) for c in many["choices"]] == [(i, t + "Hello") for i, t in enumerate(["ab\n", "ab\n", "cd\n", "cd\n", "ab\n", "ab\n"])]
    assert many["usage"]["prompt_tokens"] == 3 * text["usage"]["prompt_tokens"] and many["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize("more, status, words", [
    ({"prompt": []}, 400, "prompt"), ({"prompt": [[]]}, 400, "prompt[0]"), ({"prompt": [1, "x"]}, 400, "prompt[1]"), ({"prompt": 3}, 400, "prompt"),
    ({"prompt": [-1]}, 400, "prompt[0]"), ({"prompt": [99999]}, 400, "99999"), ({"prompt": [1.5]}, 400, "prompt[0]"), ({"prompt": None}, 400, "prompt"),
    ({"best_of": 2, "stream": True}, 400, "best_of"), ({"best_of": 129}, 400, "best_of"), ({"best_of": 1, "n": 2}, 400, "best_of"), ({"n": 129}, 400, "n:"), ({"prompt": ["a"] * 65, "n": 2}, 400, "65 prompts"),
    ({"prompt": [1, 2], "suffix": "x"}, 400, "suffix"), ({"suffix": "x"}, 400, "suffix"), ({"logprobs": 21}, 400, "logprobs"), ({"logprobs": True}, 400, "logprobs"),
    ({"metadata": [1]}, 400, "metadata"), ({"user": 3}, 400, "user"), ({"logit_bias": {"x": 1}}, 400, "logit_bias"), ({"logit_bias": {"1": "x"}}, 400, "logit_bias")])
def test_what_a_completion_cannot_be_is_named(serve, more, status, words):
    assert words in serve().json("POST", "/v1/completions", dict({"model": "tiny", "prompt": "x"}, **more), status=status)["error"]["message"]


# ---- /v1/chat/completions ----

def test_chat_hands_back_and_ignores_what_changes_no_answer(serve):
    s = serve()
    more = dict(metadata={"k": "v"}, user="u", store=True, service_tier="auto", parallel_tool_calls=False, verbosity="low", prompt_cache_key="p",
                safety_identifier="x", modalities=["text"], audio=None, prediction=None, nonsense={"a": [1]}, functions=[], stop=["zzz", "yyy", "qqq", "vvv", "uuu"])
    got = s.json("POST", "/v1/chat/completions", user(**more))
    assert got["choices"][0]["message"]["content"] == ANSWER and got["metadata"] == {"k": "v"}
    assert "metadata" not in s.json("POST", "/v1/chat/completions", user())


def test_a_prediction_is_drafted_and_counted(serve):
    s = serve()
    ask = lambda **more: s.json("POST", "/v1/chat/completions", user(**more))
    plain = ask()["usage"]["completion_tokens_details"]
    assert plain["accepted_prediction_tokens"] == 0
    for content in (ANSWER + " " + ANSWER, [{"type": "text", "text": ANSWER}], "quite another text", ""):
        got = ask(prediction={"type": "content", "content": content})
        assert got["choices"][0]["message"]["content"] == ANSWER
        assert got["usage"]["completion_tokens_details"].keys() == plain.keys()


@pytest.mark.parametrize("more, status, words", [
    ({"prediction": {"type": "content", "content": 3}}, 400, "prediction.content"), ({"prediction": {"type": "x", "content": "a"}}, 400, "prediction.type"),
    ({"prediction": "x"}, 400, "prediction"), ({"prediction": {"content": [{"image": 1}]}}, 400, "prediction.content[0]"),
    ({"modalities": ["text", "audio"]}, 400, "modalities[1]"), ({"audio": {"voice": "x"}}, 400, "audio"), ({"functions": [{"name": "f"}, {"name": "f"}]}, 400, "tools[1].function.name"),
    ({"parallel_tool_calls": "yes"}, 400, "parallel_tool_calls"), ({"store": 1}, 400, "store"), ({"metadata": {"a": 1}}, 400, "metadata.a"),
    ({"stream_options": 1}, 400, "stream_options"), ({"max_completion_tokens": "x"}, 400, ""), ({"reasoning_effort": 1}, 400, "reasoning_effort"),
    ({"thinking_budget": -1}, 400, "thinking_budget"), ({"thinking_budget": "x"}, 400, "thinking_budget"), ({"stop": {"a": 1}}, 400, "stop"),
    ({"n": 0}, 400, "n:"), ({"seed": "x"}, 400, "seed"), ({"logprobs": 1}, 400, "logprobs"), ({"top_logprobs": 3}, 400, "top_logprobs")])
def test_what_a_chat_cannot_be_is_named(serve, more, status, words):
    assert words in serve().json("POST", "/v1/chat/completions", user(**more), status=status)["error"]["message"]


# ---- Ollama: context and images ----

def test_context_is_the_conversation_and_goes_on(serve, cli):
    s = serve()
    ask = lambda **more: s.json("POST", "/api/generate", dict({"model": "tiny", "stream": False, "prompt": "hi"}, **more))
    one = ask()
    spell = lambda ids: s.json("POST", "/v1/detokenize", {"model": "tiny", "tokens": ids})["content"]
    turn = "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n"
    assert spell(one["context"]) == turn % "hi" + ANSWER
    assert len(one["context"]) == one["prompt_eval_count"] + one["eval_count"]
    two = ask(prompt="more", context=one["context"])
    assert spell(two["context"]) == turn % "hi" + ANSWER + "<|im_end|>\n" + turn % "more" + ANSWER
    assert two["prompt_eval_count"] == len(one["context"]) + len("\nuser\nmore\nassistant\n") + 4 and two["prompt_cached_count"] > 0
    assert s.lines("/api/generate", {"model": "tiny", "prompt": "more", "context": one["context"]})[-1]["context"] == two["context"]
    assert "context" not in ask(raw=True) and "context" not in s.json("POST", "/api/chat", user(stream=False))


@pytest.mark.parametrize("more, words", [({"context": [1, -2]}, "context[1]"), ({"context": ["x"]}, "context[0]"), ({"context": 3}, "context"),
                                         ({"context": [99999]}, "99999"), ({"context": [1], "raw": True}, "raw mode"), ({"images": ["aaaa"]}, "images"),
                                         ({"images": "x"}, "images"), ({"thinking_budget": True}, "thinking_budget")])
def test_what_generate_cannot_take_is_named(serve, more, words):
    assert words in serve().json("POST", "/api/generate", dict({"model": "tiny", "prompt": "hi"}, **more), status=400)["error"]


def test_images_in_messages_are_refused(serve):
    s = serve()
    message = {"role": "user", "content": "x", "images": ["aaaa"]}
    assert "messages[0].images" in s.json("POST", "/api/chat", {"model": "tiny", "messages": [message]}, status=400)["error"]


# ---- Limits of reasoning ----

def test_reasoning_ends_at_its_budget(thinker):
    s = thinker
    for name in ("thinking_budget", "thinking_budget_tokens", "reasoning_budget_tokens", "thinking_token_budget"):
        got = s.json("POST", "/v1/chat/completions", user(max_tokens=300, **{name: 5}))
        message = got["choices"][0]["message"]
        assert message["content"] == ANSWER and message["reasoning_content"] == "hm sohm sohm" and got["choices"][0]["finish_reason"] == "stop"
        assert got["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5
    none = s.json("POST", "/v1/chat/completions", user(max_tokens=300, thinking_budget=0))["choices"][0]["message"]
    assert none["content"] == ANSWER and "reasoning_content" not in none
    assert s.json("POST", "/v1/chat/completions", user(max_tokens=300, reasoning={"max_tokens": 2}))["choices"][0]["message"]["reasoning_content"] == "hm so"
    ollama = s.json("POST", "/api/chat", user(stream=False, thinking_budget=3, options={"num_predict": 300}))["message"]
    assert ollama["thinking"] == "hm sohm" and ollama["content"] == ANSWER
    blocks = s.json("POST", "/v1/messages", user(max_tokens=300, thinking={"type": "enabled", "budget_tokens": 4}))["content"]
    assert [b.get("thinking", b.get("text")) for b in blocks] == ["hm sohm so", ANSWER]
    output = s.json("POST", "/v1/responses", {"model": "tiny", "input": "hi", "max_output_tokens": 300, "thinking_budget": 6})["output"]
    assert output[0]["summary"][0]["text"] == "hm so" * 3 and output[1]["content"][0]["text"] == ANSWER
    endless = s.json("POST", "/v1/chat/completions", user(max_tokens=30))["choices"][0]
    assert endless["finish_reason"] == "length" and endless["message"]["content"] == "" and endless["message"]["reasoning_content"] == "hm so" * 15


class Stream:
    """An answer that is read line by line."""

    def __init__(self, s, path, body):
        self.connection = s.connect()
        self.connection.request("POST", path, json.dumps(dict(body, stream=True)))
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        self.id = self.response.headers["x-request-id"]

    def events(self):
        for line in self.response:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])


def test_somebody_may_ask_for_the_answer_now(thinker):
    s = thinker
    stream = Stream(s, "/v1/chat/completions", user())
    events = stream.events()
    deltas = [next(events)["choices"][0]["delta"] for _ in range(10)]
    assert all("content" not in d for d in deltas[1:]) and "".join(d["reasoning_content"] for d in deltas[1:5]) == "hm sohm so"
    assert s.json("POST", f"/api/requests/{stream.id}/answer") == {"id": stream.id, "answering": True}
    rest = [e["choices"][0] for e in events]
    assert "".join(c["delta"].get("content", "") for c in rest) == ANSWER and rest[-1]["finish_reason"] == "stop"
    assert "not under way" in s.json("POST", f"/api/requests/{stream.id}/answer", status=404)["error"]
    s.json("POST", "/api/requests/none/answer", status=404)


# ---- Requests that are under way ----

def test_running_requests_are_listed_and_cancelled(serve):
    s = serve(loop=True)
    assert s.json("GET", "/api/requests") == {"requests": []}
    stream = Stream(s, "/api/chat", user(options={"num_predict": 4000}))
    (first,) = s.json("GET", "/api/requests")["requests"]
    assert first["id"] == stream.id and first["path"] == "/api/chat" and first["model"] == "tiny" and first["state"] in ("reading", "answering")
    assert first["answers"] == 1 and first["tokens"] >= 0 and first["age_ms"] >= 0
    assert s.json("DELETE", f"/api/requests/{stream.id}") == {"id": stream.id, "cancelled": True}
    last = stream.response.read().splitlines()[-1]  # it ends in order
    assert json.loads(last)["done"] is True
    assert "not under way" in s.json("DELETE", f"/api/requests/{stream.id}", status=404)["error"]
    assert s.json("GET", "/api/requests") == {"requests": []}


def test_a_whole_answer_is_cancelled_too(serve):
    s, got = serve(loop=True), []
    s.json("POST", "/api/generate", {"model": "tiny"})
    t = threading.Thread(target=lambda: got.append(s.ask("POST", "/v1/chat/completions", user(max_tokens=4000))[:2]))
    t.start()
    ids = []
    while not ids and t.is_alive():
        ids = [r["id"] for r in s.json("GET", "/api/requests")["requests"]]
    s.ask("DELETE", f"/api/requests/{ids[0]}") if ids else None
    t.join()
    status, said = got[0]
    if status == 499:  # while its prompt was made: there is no answer yet
        return
    answer = json.loads(said)
    assert status == 200 and answer["choices"][0]["message"]["content"] in ANSWER * 1000  # what was not read yet is dropped
    assert answer["usage"]["completion_tokens"] <= 4000


# ---- What is kept on disk ----

def wait_for(look):
    for _ in range(400):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    return look()


def test_saved_blocks_are_listed_by_model_and_deleted(serve, cli):
    s = serve()
    cli.ok("import", cli.model(("Other.",), name="second"), "second")
    assert s.json("GET", "/api/cache") == {"saved": [], "bytes": 0, "quota_bytes": 4096 << 20}
    for model in ("tiny", "second"):
        s.json("POST", "/api/generate", {"model": model, "prompt": "x" * 600, "stream": False, "options": {"num_predict": 1}})
    both = wait_for(lambda: len(s.json("GET", "/api/cache")["saved"]) == 2 and s.json("GET", "/api/cache"))
    assert {e["model"] for e in both["saved"]} == {"tiny:latest", "second:latest"}
    assert all(e["blocks"] > 0 and e["tokens"] == 64 * e["blocks"] and e["bytes"] > e["blocks"] * 4096 and e["weights"].startswith("sha256-")
               for e in both["saved"]) and both["bytes"] == sum(e["bytes"] for e in both["saved"])
    cli.ok("rm", "second")
    s.json("DELETE", "/api/cache/none", status=404)
    assert s.json("DELETE", "/api/cache/tiny:latest")["bytes"] > 0
    assert all(e["model"] != "tiny:latest" for e in s.json("GET", "/api/cache")["saved"])
    s.json("DELETE", "/api/cache")
    assert s.json("GET", "/api/cache")["saved"] == []
    assert s.json("POST", "/api/generate", {"model": "tiny", "prompt": "hi", "stream": False})["response"] == ANSWER


def test_a_pinned_beginning_stays_and_keeps_its_model(serve):
    s = serve("--engine-n-ctx", "512", "--cache-quota-mib", "0", n_ctx=512)  # room for four of them
    system = {"role": "system", "content": "s" * 300}
    ask = lambda text, *first: s.json("POST", "/api/chat", {"model": "tiny", "stream": False, "keep_alive": 0, "messages": [*first, {"role": "user", "content": text}], "options": {"num_predict": 1}})
    pin = s.json("POST", "/api/pins", {"model": "tiny", "messages": [system]})
    assert pin["model"] == "tiny:latest" and pin["tokens"] > 300 and [p["id"] for p in s.json("GET", "/api/pins")["pins"]] == [pin["id"]]
    for i in range(12):  # they push out what nobody holds
        ask(chr(97 + i) * 400)
    assert ask("hi", system)["prompt_cached_count"] >= 256 and [m["name"] for m in s.json("GET", "/api/ps")["models"]] == ["tiny:latest"]
    assert s.json("DELETE", f"/api/pins/{pin['id']}")["id"] == pin["id"] and s.json("GET", "/api/pins") == {"pins": []}
    s.json("DELETE", f"/api/pins/{pin['id']}", status=404)
    assert "expected 64.." in s.json("POST", "/api/pins", {"model": "tiny", "prompt": "short"}, status=400)["error"]
    for body in ({}, {"messages": []}, {"prompt": ""}, {"prompt": "x", "messages": [system]}):
        assert "messages" in s.json("POST", "/api/pins", {"model": "tiny", **body}, status=400)["error"]
    again = s.json("POST", "/api/pins", {"model": "tiny", "prompt": "p" * 200})
    assert again["tokens"] == 200 and s.stop() == 143  # it ends with what it holds


def test_usage_and_log_say_where_a_long_prompt_left_the_cache(serve):
    s = serve()
    text = lambda day: "x" * 200 + f"Day {day}." + "y" * 400
    one = s.json("POST", "/v1/chat/completions", user(text("4")))["usage"]["prompt_tokens_details"]
    assert "cache_break" not in one
    two = s.json("POST", "/v1/chat/completions", user(text("5")))["usage"]["prompt_tokens_details"]
    at = two["cached_tokens"]
    assert two["cache_break"] == {"at": at, "was": "4", "is": "5"} and at == len("user\n") + 1 + 204
    three = s.json("POST", "/api/chat", user(text("6"), stream=False))["prompt_cache_break"]
    assert three["at"] == at and three["was"] in "45" and three["is"] == "6"
    got = s.json("POST", "/v1/responses", {"model": "tiny", "input": text("7")})["usage"]["input_tokens_details"]["cache_break"]
    assert got["at"] == at and got["was"] in "456" and got["is"] == "7"
    s.stop()
    s.reader.join(10)
    assert any("prefix-break" in line and f"at={at}" in line and 'was="4" is="5"' in line for line in s.log)


# ---- The official clients ----

def test_the_official_openai_client_completes(server):  # noqa: F811
    openai = client_module("openai")
    c = openai.OpenAI(base_url=f"http://{server.host}:{server.port}/v1", api_key="-", max_retries=0)
    got = c.completions.create(model="smollm2:135m", prompt=["1, 2, 3,", "a, b, c,"], temperature=0, max_tokens=2, logprobs=3)
    assert [x.text for x in got.choices] == [" 4", " d,"] and [x.index for x in got.choices] == [0, 1]
    for x in got.choices:
        assert "".join(x.logprobs.tokens) == x.text and x.logprobs.text_offset[0] == 0 and len(x.logprobs.text_offset) == 2 and all(len(t) >= 3 for t in x.logprobs.top_logprobs)
    with pytest.raises(openai.BadRequestError):
        c.completions.create(model="smollm2:135m", prompt=[10**7])
    text = "The capital of France is Paris."
    scored = c.completions.create(model="smollm2:135m", prompt=text, echo=True, logprobs=1, max_tokens=0).choices[0]
    lists = scored.logprobs
    assert scored.text == "".join(lists.tokens) == text and lists.token_logprobs[0] is None
    for i in (1, 3, 5):  # the same bits as when it is the next token
        (top,) = c.completions.create(model="smollm2:135m", prompt="".join(lists.tokens[:i]), max_tokens=1, logprobs=20, temperature=0).choices[0].logprobs.top_logprobs
        assert top.get(lists.tokens[i], lists.token_logprobs[i]) == lists.token_logprobs[i]


def test_the_official_ollama_client_goes_on_from_a_context(server):  # noqa: F811
    ollama = client_module("ollama")
    c = ollama.Client(f"http://{server.host}:{server.port}")
    one = c.generate("smollm2:135m", "My name is Anna. Say hello.", options={"temperature": 0})
    two = c.generate("smollm2:135m", "What is my name?", context=list(one.context), options={"temperature": 0})
    assert two.prompt_eval_count > len(one.context) and list(two.context)[:len(one.context)] == list(one.context)
