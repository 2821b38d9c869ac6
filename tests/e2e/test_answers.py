"""Answers that go on from a beginning, end before their end, or are cut by a stop string: what each dialect then says."""
import json
import re
import threading

import pytest

from test_access import access_lines, begin_endless, wait_until
from test_api_surface import THINKS, Stream
from test_serve import ANSWER, PIECES, Server, serve, user  # noqa: F401 (a fixture)

ENDLESS = {"num_predict": 60000}


def talk(last, **more):
    return dict({"model": "tiny", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": last}]}, **more)


# ---- The assistant's last message ----

def test_the_assistants_last_message_is_gone_on_from(serve):  # noqa: F811
    s = serve(links={b">": 2})
    text = lambda got: got["content"][0]["text"] if "content" in got else got["message"]["content"] if "message" in got else got["choices"][0]["message"]["content"]
    for path, more in (("/v1/messages", {"max_tokens": 9}), ("/api/chat", {"stream": False}), ("/v1/chat/completions", {})):
        assert text(s.json("POST", path, talk("I say>", **more))) == " new world.", path
        assert text(s.json("POST", path, user(**more))) == ANSWER
        parts = s.json("POST", path, talk([{"type": "text", "text": "I say>"}], **more)) if path != "/api/chat" else None
        assert parts is None or text(parts) == " new world."
    count = lambda body: s.json("POST", "/v1/messages/count_tokens", body)["input_tokens"]
    assert count(talk("I say>")) == count(user()) + len("I say>")
    assert "trailing whitespace" in s.json("POST", "/v1/messages", talk("I say ", max_tokens=9), status=400)["error"]["message"]
    chat = lambda **more: text(s.json("POST", "/v1/chat/completions", talk("I say>", **more)))
    assert chat(continue_final_message=False) == chat(add_generation_prompt=True) == ANSWER and chat(continue_final_message=True) == " new world."
    assert "expected one of them" in s.json("POST", "/v1/chat/completions", talk("x", continue_final_message=True, add_generation_prompt=True), status=400)["error"]["message"]
    call = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    body = talk("I say>")
    body["messages"][1]["tool_calls"] = call
    assert text(s.json("POST", "/v1/chat/completions", body)) == ANSWER  # a call is no beginning


def test_a_beginning_is_behind_the_reasoning(cli):
    cli.ok("import", cli.model(("hm", " so", *PIECES), template=THINKS, links={b">": 4}), "tiny")
    with Server(cli) as s:
        message = s.json("POST", "/v1/chat/completions", talk("I say>"))["choices"][0]["message"]
        assert message["content"] == " new world." and "reasoning_content" not in message
        thought = {"role": "assistant", "content": "", "reasoning_content": "I think>"}
        got = s.json("POST", "/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": "hi"}, thought]})["choices"][0]["message"]
        assert got["reasoning_content"] == " new world." and got["content"] == ""


# ---- A conversation of ids ----

def test_a_conversation_goes_on_without_what_begins_every_one(cli):
    """Templates begin with a text of their own where there is no system text; it stands there once."""
    template = ("{% if messages[0].role != 'system' %}[DEFAULT]{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
                "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
    cli.ok("import", cli.model(PIECES, template=template), "tiny")
    with Server(cli) as s:
        spell = lambda got: s.json("POST", "/v1/detokenize", {"model": "tiny", "tokens": got["context"]})["content"]
        ask = lambda **more: s.json("POST", "/api/generate", {"model": "tiny", "stream": False, **more})
        one = ask(prompt="a")
        two = ask(prompt="b", context=one["context"])
        turn = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n" + ANSWER
        assert spell(two) == "[DEFAULT]" + turn.format("a") + "<|im_end|>\n" + turn.format("b")
        assert two["prompt_cached_count"] > 0
        system = ask(prompt="b", context=one["context"], system="new")
        assert spell(system).count("[DEFAULT]") == 1 and "system\nnew" in spell(system)


# ---- Ended by somebody else ----

@pytest.mark.parametrize("path, body, last", [
    ("/api/chat", user(options=ENDLESS), {"done": True, "done_reason": "cancel"}),
    ("/api/generate", {"model": "tiny", "prompt": "hi", "options": ENDLESS}, {"done": True, "done_reason": "cancel"}),
    ("/v1/chat/completions", user(max_tokens=60000), {"finish_reason": "length", "stop_reason": "cancel"}),
    ("/v1/completions", {"model": "tiny", "prompt": "\n", "max_tokens": 60000}, {"finish_reason": "length", "stop_reason": "cancel"}),
    ("/v1/messages", user(max_tokens=60000), {"stop_reason": "max_tokens", "stop_sequence": None}),
    ("/v1/responses", {"model": "tiny", "input": "hi", "max_output_tokens": 60000}, {"status": "cancelled"})])
def test_a_cancelled_answer_says_that_it_is_not_whole(serve, path, body, last):  # noqa: F811
    s = serve(loop=True, n_ctx=65536)
    stream = Stream(s, path, body)
    s.json("DELETE", f"/api/requests/{stream.id}")
    lines = [json.loads(line.removeprefix(b"data: ")) for line in stream.response.read().splitlines() if b"{" in line]
    for one in reversed(lines):
        found = one["choices"][0] if one.get("choices") else one.get("delta") if one.get("type") == "message_delta" else one["response"] if isinstance(one.get("response"), dict) else one
        if last.keys() <= found.keys():
            assert {k: found[k] for k in last} == last
            break
    else:
        pytest.fail(str(lines[-3:]))


def test_texts_that_are_cancelled_end_at_once(serve):  # noqa: F811
    s, got = serve(n_ctx=4096), []
    s.json("POST", "/api/generate", {"model": "tiny"})
    asking = threading.Thread(target=lambda: got.append(s.ask("POST", "/v1/embeddings", {"model": "tiny", "input": ["a" * 4000] * 2000})))
    asking.start()
    find = lambda: [r["id"] for r in s.json("GET", "/api/requests")["requests"] if r["path"] == "/v1/embeddings"]
    wait_until(find)
    s.json("DELETE", f"/api/requests/{find()[0]}")
    asking.join()
    status, data, _ = got[0]
    assert status == 499 and json.loads(data)["error"]["message"] == "the request was cancelled"
    assert s.metric("embeddings_total") == 0


def test_the_log_counts_what_was_made_for_one_who_left(serve):  # noqa: F811
    s = serve(loop=True, n_ctx=65536)
    client, said = begin_endless(s, "-"), b""
    while said.count(b'"response"') < 2:  # two tokens have come
        said += client.recv(4096)
    client.close()
    wait_until(lambda: s.metric("cancelled_total") == 1)
    (line,) = (one for one in access_lines(s) if " end=gone " in one and "route=ollama_generate" in one)
    number = lambda name: int(re.search(rf" {name}=(\d+) ", line).group(1))
    assert number("in_tokens") == len("user\nhi\nassistant\n") + 3 and number("out_tokens") > 0


# ---- Logprobs and stop strings ----

@pytest.mark.parametrize("stop, said, tokens", [([" brave new"], "Hello", ["Hello"]), ([" brave new", "zzz"], "Hello", ["Hello"]), (["lo brave"], "Hel", ["Hello"]),
                                                ([" brave old"], ANSWER, list(PIECES)), (["w wor"], "Hello brave ne", ["Hello", " brave", " new"])])
def test_no_logprobs_of_what_a_stop_string_takes_away(serve, stop, said, tokens):  # noqa: F811
    s = serve()
    chat = s.json("POST", "/v1/chat/completions", user(stop=stop, logprobs=True, top_logprobs=2))["choices"][0]
    assert chat["message"]["content"] == said and [t["token"] for t in chat["logprobs"]["content"]] == tokens
    assert all(len(t["top_logprobs"]) == 2 for t in chat["logprobs"]["content"])
    events = [e for _, e in s.events("/v1/chat/completions", user(stop=stop, logprobs=True, top_logprobs=2, stream=True)) if e != "[DONE]"]
    parts = [e["choices"][0]["logprobs"]["content"] for e in events if e["choices"] and e["choices"][0]["logprobs"]]
    assert sum(parts, []) == chat["logprobs"]["content"]
    text = s.json("POST", "/v1/completions", {"model": "tiny", "prompt": "\n", "stop": stop, "logprobs": 1})["choices"][0]
    assert text["text"] == said and text["logprobs"]["tokens"] == tokens
    ollama = s.json("POST", "/api/chat", user(stream=False, logprobs=True, options={"stop": stop}))
    assert ollama["message"]["content"] == said and [t["token"] for t in ollama["logprobs"]] == tokens
