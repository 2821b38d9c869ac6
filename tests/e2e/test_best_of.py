"""best_of of /v1/chat/completions and /v1/completions: by logprob, by validity, by vote. n answers with the same seed are what it chose from."""
import collections

import pytest

from openai_stub import Stub
from test_serve import serve, user  # noqa: F401: a fixture
from test_tools import ASK, start

HOT = dict(temperature=8, top_k=0, top_p=1, logprobs=True)
NUMBER = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}


def mean(choice):
    values = [t["logprob"] for t in (choice["logprobs"] or {}).get("content", [])]
    return sum(values) / len(values) if values else 0


def text(choice):
    return choice["message"]["content"]


def ask(s, **more):
    return s.json("POST", "/v1/chat/completions", user(**dict(HOT, **more)))


def test_a_chat_hands_out_the_likeliest(serve):
    s, n_other = serve(), 0
    for seed in range(3):
        more = dict(seed=seed, max_tokens=5, temperature=4)
        every, best = ask(s, n=8, **more), ask(s, n=2, best_of=8, **more)
        assert [text(c) for c in best["choices"]] == [text(c) for c in sorted(every["choices"], key=mean, reverse=True)[:2]]
        assert [c["index"] for c in best["choices"]] == [0, 1] and best["usage"]["completion_tokens"] == every["usage"]["completion_tokens"]
        assert best["usage"]["prompt_tokens"] == every["usage"]["prompt_tokens"]
        (same,) = ask(s, best_of=8, best_of_by="logprob", **dict(more, logprobs=False))["choices"]
        assert text(same) == text(best["choices"][0]) and same["logprobs"] is None
        n_other += text(same) not in (text(every["choices"][0]), text(min(every["choices"], key=mean)))
    assert n_other > 0


def test_what_is_whole_goes_before_what_is_likely(serve):
    s, n_other = serve(), 0
    for seed in range(8):
        more = dict(seed=seed, max_tokens=4, response_format=NUMBER)
        every, (best,) = ask(s, n=16, **more)["choices"], ask(s, best_of=16, best_of_by="valid", **more)["choices"]
        whole = [c for c in every if c["finish_reason"] == "stop"]
        assert text(best) == text(max(whole or every, key=mean))
        assert best["finish_reason"] == ("stop" if whole else "length")
        n_other += bool(whole) and max(every, key=mean)["finish_reason"] != "stop"
    assert n_other > 0  # the likeliest was a cut one


def test_what_a_stop_string_cut_is_not_of_the_format(serve):
    s, n_other = serve(), 0
    for seed in range(6):
        more = dict(seed=seed, guided_regex="[ab]{2}", stop=["b"])
        every, (best,) = ask(s, n=8, **more)["choices"], ask(s, best_of=8, best_of_by="valid", **more)["choices"]
        whole = [c for c in every if text(c) == "aa"]
        assert {c["finish_reason"] for c in every} == {"stop"} and (text(best) == "aa" or not whole)
        n_other += bool(whole) and len(whole) < 8
    assert n_other > 0


def test_an_engine_elsewhere_that_knows_no_formats_is_not_believed(cli):
    stub = Stub()
    try:
        cli.ok("create", "far", "--from", stub.name("turns-to-json"))
        with start(cli) as s:
            more = {"model": "far", "response_format": {"type": "json_object"}}
            (best,) = s.json("POST", "/v1/chat/completions", user(**more, best_of=4, best_of_by="valid"))["choices"]
            assert text(best) == '{"a": 1}' and len(stub.asked) == 4
            every = s.json("POST", "/v1/chat/completions", user(**more, n=2))["choices"]
            assert {c["finish_reason"] for c in every} == {"stop"}
    finally:
        stub.close()


def votes(choices, say=text):
    """(votes, mean of the likeliest) by what was said."""
    count = collections.Counter(say(c) for c in choices)
    return {said: (n, max(mean(c) for c in choices if say(c) == said)) for said, n in count.items()}


def test_a_vote_takes_what_most_agree_on(serve):
    s, n_other, n_padded = serve(), 0, 0
    say = lambda c: text(c).strip()
    for seed in range(6):
        more = dict(seed=seed, guided_regex=" ?(yes|no|a)\n?")
        every, best = ask(s, n=9, **more)["choices"], ask(s, n=2, best_of=9, best_of_by="vote", **more)["choices"]
        ranked = votes(every, say)
        assert [say(c) for c in best] == sorted(ranked, key=ranked.get, reverse=True)[:2]  # each text once
        n_other += say(best[0]) != say(max(every, key=mean))
        n_padded += len({text(c) for c in every}) > len(ranked)
    assert n_other > 0 and n_padded > 0


def test_a_vote_counts_calls(cli):
    tool = {"type": "function", "function": {"name": "go", "parameters": {"type": "object", "properties": {"to": {"enum": ["Rome", "Oslo"]}}, "required": ["to"], "additionalProperties": False}}}
    say = lambda c: [(t["function"]["name"], t["function"]["arguments"].replace(" ", "")) for t in c["message"]["tool_calls"]][0]
    with start(cli) as s:
        for seed in range(4):
            more = dict(ASK, **HOT, tools=[tool], tool_choice="required", parallel_tool_calls=False, seed=seed)
            every = s.json("POST", "/v1/chat/completions", dict(more, n=7))["choices"]
            (best,) = s.json("POST", "/v1/chat/completions", dict(more, best_of=7, best_of_by="vote"))["choices"]
            exact = collections.Counter(c["message"]["tool_calls"][0]["function"]["arguments"] for c in every)
            assert exact[best["message"]["tool_calls"][0]["function"]["arguments"]] == max(exact.values()) and say(best)[0] == "go"


def test_completions_vote_for_each_prompt(serve):
    s = serve()
    more = dict(model="tiny", prompt=["\n", "a\n"], seed=3, temperature=8, top_k=0, top_p=1, guided_choice=["yes", "no", "a"])
    every = [c["text"] for c in s.json("POST", "/v1/completions", dict(more, n=9))["choices"]]
    best = [c["text"] for c in s.json("POST", "/v1/completions", dict(more, best_of=9, best_of_by="vote"))["choices"]]
    for i in range(2):
        count = collections.Counter(every[9 * i:9 * i + 9])
        assert count[best[i]] == max(count.values())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("more, words", [
    ({"best_of": 3, "stream": True, "best_of_by": "vote"}, "best_of: a stream cannot wait for the best answer; expected n = 1"), ({"best_of": 1, "n": 2}, "at least n = 2"),
    ({"best_of": 129}, "best_of"), ({"best_of": 0}, "best_of"), ({"best_of": 2, "best_of_by": "first"}, "expected one of: logprob valid vote"),
    ({"best_of": 2, "best_of_by": 3}, "best_of_by"), ({"best_of_by": "vote"}, "best_of_by: expected best_of with it")])
def test_what_best_of_cannot_be_is_named(serve, path, more, words):
    body = dict(user(), prompt="x", **more)
    assert words in serve().json("POST", path, body, status=400)["error"]["message"]
