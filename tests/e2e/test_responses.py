"""/v1/responses: items and events as OpenAI's clients read them, and conversations that go on from what was kept."""
import http.client
import json
import signal
import sqlite3
import threading

import pytest

from test_clients import client_module, server  # noqa: F401 (a fixture)
from test_serve import ANSWER, PIECES, Server, serve  # noqa: F401

THINKS = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
          "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def ask(input="hi", **more):
    return dict({"model": "tiny", "input": input}, **more)


def prompt_tokens(*turns):
    """Tokens of a conversation in ChatML: each role and text byte by byte, and two control tokens a turn."""
    return sum(len(role) + 1 + len(text) + 1 + 2 for role, text in turns) + len("assistant\n") + 1


def said(response):
    return "".join(p["text"] for i in response["output"] if i["type"] == "message" for p in i["content"])


# ---- One answer ----

def test_an_answer_is_an_object_with_items_and_usage(serve):
    s = serve()
    got = s.json("POST", "/v1/responses", ask(instructions="Obey.", metadata={"a": "b"}, user="me", max_output_tokens=50))
    assert got["object"] == "response" and got["status"] == "completed" and got["error"] is None and got["incomplete_details"] is None
    assert got["id"].startswith("resp_") and got["model"] == "tiny" and got["completed_at"] >= got["created_at"] > 0
    (item,) = got["output"]
    assert item["id"].startswith("msg_") and item["type"] == "message" and item["role"] == "assistant" and item["status"] == "completed"
    assert item["content"] == [{"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}]
    n = prompt_tokens(("system", "Obey."), ("user", "hi"))
    assert got["usage"] == {"input_tokens": n, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 4,
                            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": n + 4}
    assert got["instructions"] == "Obey." and got["metadata"] == {"a": "b"} and got["user"] == "me" and got["store"] is True
    assert got["tools"] == [] and got["tool_choice"] == "auto" and got["truncation"] == "disabled" and got["background"] is False
    assert got["text"] == {"format": {"type": "text"}, "verbosity": "medium"} and got["reasoning"] == {"effort": None, "summary": None}
    assert got["previous_response_id"] is None and got["max_output_tokens"] == 50 and got["parallel_tool_calls"] is True


def test_the_stream_is_the_sequence_that_clients_know(serve):
    s = serve()
    events = s.events("/v1/responses", ask(stream=True))
    assert all(name == e["type"] for name, e in events) and [e["sequence_number"] for _, e in events] == list(range(len(events)))
    assert [name.removeprefix("response.") for name, _ in events] == [
        "created", "in_progress", "output_item.added", "content_part.added", *["output_text.delta"] * 4, "output_text.done",
        "content_part.done", "output_item.done", "completed"]
    first, last = events[0][1]["response"], events[-1][1]["response"]
    assert first["status"] == "in_progress" and first["output"] == [] and first["usage"] is None and "completed_at" not in first
    assert last["status"] == "completed" and last["usage"]["output_tokens"] == 4 and said(last) == ANSWER
    item = last["output"][0]
    assert all(e["item_id"] == item["id"] and e["content_index"] == 0 for _, e in events if "item_id" in e)
    assert all(e["output_index"] == 0 for _, e in events if "output_index" in e)
    assert [e["delta"] for _, e in events if "delta" in e] == list(PIECES)
    assert events[2][1]["item"] == {**item, "status": "in_progress", "content": []} and events[10][1]["item"] == item
    assert events[8][1]["text"] == ANSWER and events[9][1]["part"] == item["content"][0]
    assert len({e["response"]["id"] for _, e in events if "response" in e}) == 1
    assert s.json("GET", "/v1/responses/" + last["id"]) == last


def test_what_the_model_thinks_is_an_item_of_its_own(cli):
    cli.ok("import", cli.model(("<think>", "Let me", " see.", "</think>", "\n\n", "It", " is."), template=THINKS), "tiny")
    with Server(cli) as s:
        events = s.events("/v1/responses", ask(stream=True))
        assert [name.removeprefix("response.") for name, _ in events] == [
            "created", "in_progress", "output_item.added", "reasoning_summary_part.added", *["reasoning_summary_text.delta"] * 2,
            "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done", "output_item.added", "content_part.added",
            *["output_text.delta"] * 2, "output_text.done", "content_part.done", "output_item.done", "completed"]
        assert [e["output_index"] for _, e in events if "output_index" in e] == [0] * 7 + [1] * 7
        last = events[-1][1]["response"]
        thought, message = last["output"]
        assert thought == {"id": "rs_" + last["id"][5:], "type": "reasoning", "status": "completed",
                           "summary": [{"type": "summary_text", "text": "Let me see."}]}
        assert said(last) == "It is." and events[8][1]["item"] == thought and events[15][1]["item"] == message
        assert last["usage"]["output_tokens_details"]["reasoning_tokens"] == 2 < last["usage"]["output_tokens"]
        whole = s.json("POST", "/v1/responses", ask())
        assert [(i["type"], i.get("summary") or i["content"]) for i in whole["output"]] == [
            (i["type"], i.get("summary") or i["content"]) for i in last["output"]]
        # handed back, it stands in the assistant's turn
        again = s.json("POST", "/v1/responses", ask(last["output"] + [{"role": "user", "content": "So?"}]))
        assert again["usage"]["input_tokens"] == prompt_tokens(("assistant", "<think>Let me see.</think>It is."), ("user", "So?"))
        assert s.json("POST", "/v1/responses", ask("So?", previous_response_id=last["id"]))["usage"]["input_tokens"] == prompt_tokens(
            ("user", "hi"), ("assistant", "<think>Let me see.</think>It is."), ("user", "So?"))


def test_what_is_cut_off_is_incomplete(serve):
    s = serve()
    got = s.json("POST", "/v1/responses", ask(max_output_tokens=2))
    assert got["status"] == "incomplete" and got["incomplete_details"] == {"reason": "max_output_tokens"} and said(got) == "Hello brave"
    assert got["output"][0]["status"] == "incomplete"
    name, last = s.events("/v1/responses", ask(max_output_tokens=2, stream=True))[-1]
    assert name == "response.incomplete" and last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_logprobs_come_when_they_are_included(serve):
    s = serve()
    got = s.json("POST", "/v1/responses", ask(include=["message.output_text.logprobs"], top_logprobs=2))
    entries = got["output"][0]["content"][0]["logprobs"]
    assert [e["token"] for e in entries] == list(PIECES) and all(len(e["top_logprobs"]) == 2 and e["logprob"] < 0 for e in entries)
    events = [e for _, e in s.events("/v1/responses", ask(include=["message.output_text.logprobs"], stream=True))]
    assert [p["token"] for e in events if e["type"].endswith("text.delta") for p in e["logprobs"]] == list(PIECES)
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == next(e for e in events if e["type"].endswith("text.done"))["logprobs"]


@pytest.mark.parametrize("more, status, words", [
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}]}, 400, "input[0].content[0]: type 'input_image'"),
    ({"input": [{"role": "king", "content": "x"}]}, 400, "input[0].role"), ({"input": [3]}, 400, "input[0]"), ({"input": 3}, 400, "input"),
    ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, 400, "web_search_call"), ({"input": None}, 400, "input"), ({"input": []}, 400, "input"),
    ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, 400, "input[0].call_id"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": 3}]}, 400, "input[0].arguments"),
    ({"input": [{"type": "item_reference", "id": "msg_0123_0"}]}, 404, "msg_0123_0"),
    ({"text": {"format": {"type": "json_schema", "name": "x", "schema": 3}}}, 400, "text.format.schema"),
    ({"text": {"format": {"type": "yaml"}}}, 400, "text.format.type"), ({"text": 3}, 400, "text"),
    ({"background": True}, 400, "background"), ({"conversation": "c"}, 400, "conversation"), ({"prompt": {"id": "p"}}, 400, "prompt"),
    ({"truncation": "some"}, 400, "truncation"), ({"metadata": {"a": 1}}, 400, "metadata.a"), ({"metadata": {str(i): "" for i in range(17)}}, 400, "17 pairs"),
    ({"max_output_tokens": 0}, 400, "max_output_tokens"), ({"top_logprobs": 21}, 400, "top_logprobs"), ({"temperature": [1]}, 400, "temperature"),
    ({"previous_response_id": "resp_0000000000000000"}, 400, "previous_response_id"), ({"store": "x"}, 400, "store"),
    ({"tools": [{"type": "function"}]}, 400, "tools[0].name"), ({"reasoning": {"effort": 3}}, 400, "effort"), ({"model": "none"}, 404, "none"),
    ({"parallel_tool_calls": 1}, 400, "parallel_tool_calls"), ({"include": [1]}, 400, "include[0]"), ({"instructions": 3}, 400, "instructions")])
def test_what_cannot_be_done_is_named(serve, more, status, words):
    s = serve()
    error = s.json("POST", "/v1/responses", ask(**more), status=status)["error"]
    assert words in error["message"], error
    assert error["code"] == {"previous_response_id": "previous_response_not_found", "none": "model_not_found"}.get(words, error["code"])


def test_an_overlong_input_is_refused_or_loses_its_oldest_messages(serve):
    s = serve()
    long = [{"role": "user" if i % 2 == 0 else "assistant", "content": f"{i} " * 300} for i in range(9)]
    assert s.json("POST", "/v1/responses", ask(long), status=400)["error"]["code"] == "context_length_exceeded"
    got = s.json("POST", "/v1/responses", ask(long, truncation="auto"))
    assert got["truncation"] == "auto" and said(got) == ANSWER and got["usage"]["input_tokens"] < 4096


# ---- Items of a conversation ----

def test_calls_and_their_results_become_turns(cli):
    template = ("{% for m in messages %}<|im_start|>{{ m.role }}:{{ m.name or '' }}\n{{ m.content }}{% for c in m.tool_calls or [] %}[{{ c.function.name }}"
                "{{ c.function.arguments | tojson }}]{% endfor %}<|im_end|>\n{% endfor %}{% if tools %}T{{ tools|length }}{% endif %}<|im_start|>assistant\n{{ '' }}")
    cli.ok("import", cli.model(PIECES, template=template), "tiny")
    with Server(cli) as s:
        count = lambda items, **more: s.json("POST", "/v1/responses", ask(items, **more))["usage"]["input_tokens"]
        turns = lambda *all: sum(len(t) + 2 for t in all) + len("assistant\n") + 1
        items = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "output_text", "text": "Look."}]},
                 {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x": "1"}'},
                 {"type": "function_call", "call_id": "c2", "name": "gg", "arguments": {"x": "22"}},
                 {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
                 {"type": "function_call_output", "call_id": "c1", "output": "one!"}]
        assert count(items) == turns("user:\nhi\n", 'assistant:\nLook.[f{"x": "1"}][gg{"x": "22"}]\n', "tool:gg\ntwo\n", "tool:f\none!\n")
        tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "web_search"},
                 {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]}]
        assert count("hi", tools=tools) == turns("user:\nhi\n") + 2
        assert count("hi", tools=tools, tool_choice="none") == turns("user:\nhi\n")


def test_a_conversation_goes_on_from_its_last_answer(serve):
    s = serve()
    one = s.json("POST", "/v1/responses", ask("one", instructions="Obey."))
    two = s.json("POST", "/v1/responses", ask("two", previous_response_id=one["id"]))
    assert two["previous_response_id"] == one["id"] and two["instructions"] is None
    assert two["usage"]["input_tokens"] == prompt_tokens(("user", "one"), ("assistant", ANSWER), ("user", "two"))
    three = s.json("POST", "/v1/responses", ask([{"role": "user", "content": "three"}], previous_response_id=two["id"], instructions="No."))
    assert three["usage"]["input_tokens"] == prompt_tokens(("system", "No."), ("user", "one"), ("assistant", ANSWER), ("user", "two"),
                                                           ("assistant", ANSWER), ("user", "three"))
    other = s.json("POST", "/v1/responses", ask("other", previous_response_id=one["id"]))  # a fork
    assert other["usage"]["input_tokens"] == prompt_tokens(("user", "one"), ("assistant", ANSWER), ("user", "other"))
    assert other["usage"]["input_tokens_details"]["cached_tokens"] > 0
    by_reference = s.json("POST", "/v1/responses", ask([{"type": "item_reference", "id": one["output"][0]["id"]}, {"role": "user", "content": "x"}]))
    assert by_reference["usage"]["input_tokens"] == prompt_tokens(("assistant", ANSWER), ("user", "x"))


# ---- What is kept ----

def test_kept_ones_are_read_listed_and_deleted(serve):
    s = serve()
    items = [{"role": "developer", "content": "Be."}, {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}]},
             {"type": "function_call_output", "call_id": "c", "output": "o", "id": "mine"}]
    got = s.json("POST", "/v1/responses", ask(items))
    path = "/v1/responses/" + got["id"]
    assert s.json("GET", path) == got
    assert "stream" in s.json("GET", path + "?stream=true", status=400)["error"]["message"]
    page = s.json("GET", path + "/input_items")
    assert page["object"] == "list" and page["has_more"] is False and [i["type"] for i in page["data"]] == ["function_call_output", "message", "message"]
    assert page["data"][0]["id"] == page["first_id"] == "mine" and page["last_id"] == page["data"][2]["id"]
    assert page["data"][1]["content"] == [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    first = s.json("GET", path + "/input_items?limit=2&order=asc")
    assert [i.get("role") for i in first["data"]] == ["developer", "user"] and first["has_more"] is True
    rest = s.json("GET", f"{path}/input_items?order=asc&after={first['last_id']}")
    assert [i["id"] for i in rest["data"]] == ["mine"] and rest["has_more"] is False
    for query in ("limit=0", "limit=101", "limit=x", "order=up", "after=none"):
        assert query.split("=")[0] in s.json("GET", f"{path}/input_items?{query}", status=400)["error"]["message"]
    assert "is over" in s.json("POST", path + "/cancel", status=400)["error"]["message"]
    assert s.json("DELETE", path) == {"id": got["id"], "object": "response.deleted", "deleted": True}
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
        assert s.json(method, path + tail, status=404)["error"]["code"] == "response_not_found"
    assert s.json("POST", "/v1/responses", ask(previous_response_id=got["id"]), status=400)["error"]["code"] == "previous_response_not_found"


def test_what_is_not_to_be_stored_is_not(serve):
    s = serve()
    got = s.json("POST", "/v1/responses", ask(store=False))
    assert got["store"] is False and said(got) == ANSWER
    assert s.ask("GET", "/v1/responses/" + got["id"])[0] == 404


def test_the_oldest_make_room(serve):
    s = serve("--server-max-responses", "3")
    ids = [s.json("POST", "/v1/responses", ask(str(i)))["id"] for i in range(5)]
    assert [s.ask("GET", "/v1/responses/" + i)[0] for i in ids] == [404, 404, 200, 200, 200]


def test_a_server_that_keeps_none_says_so(serve):
    s = serve("--server-max-responses", "0")
    got = s.json("POST", "/v1/responses", ask())
    assert got["store"] is False and said(got) == ANSWER
    assert "server.max_responses" in s.json("POST", "/v1/responses", ask(store=True), status=400)["error"]["message"]


def test_what_the_database_does_not_take_is_said_not_to_be_kept(serve, cli):
    with serve() as s, sqlite3.connect(cli.home / "hyperlama.db", isolation_level=None) as other:
        s.json("POST", "/v1/responses", ask())
        other.execute("BEGIN IMMEDIATE")
        got = s.json("POST", "/v1/responses", ask())
        assert got["store"] is False and said(got) == ANSWER
        assert "store: " in s.json("POST", "/v1/responses", ask(store=True), status=503)["error"]["message"]
        name, last = s.events("/v1/responses", ask(store=True, stream=True))[-1]
        assert name == "response.failed" and last["response"]["status"] == "failed" and "store: " in last["response"]["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_told_to_be_kept_is_there_after_a_kill(serve, cli, stream):
    s = serve()
    ids = []
    if stream:
        ids = [s.events("/v1/responses", ask(str(i), stream=True))[-1][1]["response"]["id"] for i in range(5)]
    else:
        ids = [s.json("POST", "/v1/responses", ask(str(i)))["id"] for i in range(5)]
    s.process.send_signal(signal.SIGKILL)
    s.process.wait()
    with Server(cli) as s:
        assert [said(s.json("GET", "/v1/responses/" + i)) for i in ids] == [ANSWER] * 5
        got = s.json("POST", "/v1/responses", ask("x", previous_response_id=ids[3]))
        assert got["usage"]["input_tokens"] == prompt_tokens(("user", "3"), ("assistant", ANSWER), ("user", "x"))


def test_kills_at_any_time_lose_nothing_that_was_acknowledged(serve, cli):
    s, told = serve(), []

    def keep_asking():
        try:
            while True:
                told.append(s.json("POST", "/v1/responses", ask(str(len(told))))["id"])
        except (OSError, AssertionError, ValueError, http.client.HTTPException):
            pass

    threads = [threading.Thread(target=keep_asking) for _ in range(3)]
    for t in threads:
        t.start()
    while len(told) < 20 and any(t.is_alive() for t in threads):
        threads[0].join(0.01)
    s.process.send_signal(signal.SIGKILL)
    s.process.wait()
    for t in threads:
        t.join()
    assert len(told) >= 20
    with Server(cli) as s:
        assert all(s.json("GET", "/v1/responses/" + i)["status"] == "completed" for i in told)


def test_one_that_runs_is_cancelled_and_told_as_far_as_it_came(serve):
    s = serve(loop=True)
    c = s.connect()
    c.request("POST", "/v1/responses", json.dumps(ask(stream=True, max_output_tokens=4000)))
    r = c.getresponse()
    line = ""
    while not line.startswith("data: "):
        line = r.readline().decode()
    id = json.loads(line[6:])["response"]["id"]
    assert s.json("POST", f"/v1/responses/{id}/cancel")["status"] == "cancelled"
    blocks = r.read().decode().split("\n\n")[:-1]
    last = json.loads(blocks[-1].split("data: ", 1)[1])
    assert last["type"] == "response.incomplete" and last["response"]["status"] == "cancelled"
    assert s.json("GET", "/v1/responses/" + id) == last["response"]
    assert s.json("POST", "/v1/responses/resp_0000000000000000/cancel", status=404)["error"]["code"] == "response_not_found"


def test_clients_that_leave_while_an_answer_is_kept_cost_nothing(serve):
    s = serve()
    for i in range(30):
        c = s.connect()
        c.request("POST", "/v1/responses", json.dumps(ask(str(i), stream=i % 2 == 0)))
        if i % 3:
            c.sock.settimeout(0.002 * (i % 5))
            try:
                c.sock.recv(1 + 400 * (i % 4))
            except (OSError, BlockingIOError):
                pass
        c.sock.close()
    assert said(s.json("POST", "/v1/responses", ask())) == ANSWER
    assert s.stop() == 143


def test_no_id_tells_another_one(serve):
    """Each is random: they are no steps of one sequence, as splitmix64 would make them."""
    def unmix(z):
        z ^= z >> 31 ^ z >> 62
        z = z * pow(0x94d049bb133111eb, -1, 2**64) % 2**64
        z ^= z >> 27 ^ z >> 54
        z = z * pow(0xbf58476d1ce4e5b9, -1, 2**64) % 2**64
        return z ^ z >> 30 ^ z >> 60
    s = serve()
    ids = [int(s.json("POST", "/v1/responses", ask(max_output_tokens=1))["id"][5:], 16) for _ in range(5)]
    steps = {(unmix(b) - unmix(a)) % 2**64 for a, b in zip(ids, ids[1:])}
    assert len(set(ids)) == 5 and len(steps) == 4


# ---- The official client ----

def test_the_official_client(server):  # noqa: F811
    openai = client_module("openai")
    c = openai.OpenAI(base_url=f"http://{server.host}:{server.port}/v1", api_key="-", max_retries=0)
    how = dict(model="smollm2:135m", temperature=0)
    got = c.responses.create(input="Name the capital of France.", **how)
    assert got.output_text == "The capital of France is Paris." and got.status == "completed" and got.usage.output_tokens == 7
    with c.responses.stream(input="Name the capital of France.", **how) as stream:
        texts = [e.delta for e in stream if e.type == "response.output_text.delta"]
        last = stream.get_final_response()
    assert "".join(texts) == last.output_text == got.output_text and last.usage.input_tokens_details.cached_tokens > 0
    types = [e.type for e in c.responses.create(input="Hi", stream=True, max_output_tokens=3, **how)]
    assert types[0] == "response.created" and types[-1] == "response.incomplete"
    more = c.responses.create(input="And of Italy?", previous_response_id=got.id, **how)
    assert "Rome" in more.output_text and more.previous_response_id == got.id
    assert c.responses.retrieve(got.id).output_text == got.output_text
    assert [i.content[0].text for i in c.responses.input_items.list(got.id)] == ["Name the capital of France."]
    c.responses.delete(got.id)
    with pytest.raises(openai.NotFoundError):
        c.responses.retrieve(got.id)
    with pytest.raises(openai.BadRequestError) as e:
        c.responses.create(input="x", previous_response_id=got.id, **how)
    assert e.value.code == "previous_response_not_found"
