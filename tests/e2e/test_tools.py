"""Tools end to end: a scripted model calls them, every dialect says so in its own way, and the official clients' loops come to
an answer.

The model calls get_weather for Rome and for Oslo, and once it is shown a result it says what it was told to say: its
template ends in another byte then.
"""
import json

import pytest

from tiny_model import CHATML
from test_clients import client_module
from test_npm_clients import need_npm, run_suite
from test_serve import Server

TEMPLATE = ("{% if tools %}<tools>{% for t in tools %}{{ t.function.name }} {% endfor %}</tools>\n{% endif %}"
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>\n"
            "{{ {'name': c.function.name, 'arguments': c.function.arguments} | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant{% if messages[-1].role == 'tool' %}!{% else %}{{ '\\n' }}{% endif %}{% endif %}")
ARGS = ['{"city": "Rome", "days": 2}', '{"city": "Oslo", "days": 3}']
CALLS = ["I look.\n", "\n<tool_call>\n", '{"name": "get_weather", "arguments": {"city": ', '"Rome", "days": 2}}', "\n</tool_call>\n",
         '<tool_call>{"name": "get_weather",', ' "arguments": {"city": "Oslo", "days"', ": 3}}</tool_call>"]
ANSWER = "Rain in both."
SCRIPT = CALLS + ["Rain", " in both."]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": SCHEMA}}]
ASK = {"model": "tiny", "messages": [{"role": "user", "content": "Weather?"}]}


def start(cli, pieces=SCRIPT, answer_at=len(CALLS), template=TEMPLATE, **kw):
    cli.ok("import", cli.model(pieces, template=template, links={answer_at - 1: None, b"!": answer_at}, **kw), "tiny")
    return Server(cli)


@pytest.fixture
def server(cli):
    with start(cli) as s:
        yield s


def weather(city, days=1):
    return f"{city}: rain for {days} days"


# ---- chat completions

def test_a_chat_calls_tools(server):
    got = server.json("POST", "/v1/chat/completions", dict(ASK, tools=TOOLS))["choices"][0]
    message = got["message"]
    assert got["finish_reason"] == "tool_calls" and message["content"] == "I look."
    assert [(c["type"], c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]] == [("function", "get_weather", a) for a in ARGS]
    ids = [c["id"] for c in message["tool_calls"]]
    assert len(set(ids)) == 2 and all(i.startswith("call_") and len(i) >= 13 for i in ids)
    # what it said goes back, with results, and the next answer is one of words
    messages = ASK["messages"] + [message] + [{"role": "tool", "tool_call_id": i, "content": weather("x")} for i in ids]
    last = server.json("POST", "/v1/chat/completions", dict(ASK, messages=messages, tools=TOOLS))["choices"][0]
    assert last["message"]["content"] == ANSWER and last["finish_reason"] == "stop" and "tool_calls" not in last["message"]


def test_calls_come_in_pieces(server):
    events = server.events("/v1/chat/completions", dict(ASK, tools=TOOLS, stream=True))
    deltas = [e[1]["choices"][0]["delta"] for e in events[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""} and "".join(d.get("content", "") for d in deltas) == "I look."
    steps = [d["tool_calls"][0] for d in deltas if "tool_calls" in d]
    for i, want in enumerate(ARGS):
        mine = [s for s in steps if s["index"] == i]
        assert set(mine[0]) == {"index", "id", "type", "function"} and mine[0]["function"] == {"name": "get_weather", "arguments": ""}
        assert all(set(s) == {"index", "function"} and set(s["function"]) == {"arguments"} for s in mine[1:]) and len(mine) > 2
        assert "".join(s["function"]["arguments"] for s in mine) == want
    assert steps == sorted(steps, key=lambda s: s["index"])
    assert [e[1]["choices"][0]["finish_reason"] for e in events[:-1]] == [None] * (len(events) - 2) + ["tool_calls"]


def test_one_call_is_all_where_others_are_not_wanted(server):
    got = server.json("POST", "/v1/chat/completions", dict(ASK, tools=TOOLS, parallel_tool_calls=False))["choices"][0]
    assert len(got["message"]["tool_calls"]) == 1 and got["finish_reason"] == "tool_calls"


def test_without_tools_calls_are_text(server):
    for more in ({}, {"tools": []}, {"tools": TOOLS, "tool_choice": "none"}):
        got = server.json("POST", "/v1/chat/completions", dict(ASK, **more))["choices"][0]
        assert got["message"]["content"] == "".join(CALLS) and got["finish_reason"] == "stop"


def test_a_call_that_is_cut_says_so(cli):
    with start(cli) as s:
        got = s.json("POST", "/v1/chat/completions", dict(ASK, tools=TOOLS, max_tokens=3))["choices"][0]
        assert got["finish_reason"] == "length" and got["message"]["tool_calls"][0]["function"]["arguments"] == '{"city": '
        got = s.json("POST", "/v1/messages", dict(ASK, max_tokens=3, tools=[{"name": "get_weather", "input_schema": SCHEMA}]))
        assert got["stop_reason"] == "max_tokens" and [b["type"] for b in got["content"]] == ["text"]
        got = s.lines("/api/chat", dict(ASK, tools=TOOLS, options={"num_predict": 3}))
        assert got[-1]["done_reason"] == "length" and not any("tool_calls" in line["message"] for line in got)
        got = s.json("POST", "/v1/responses", {"model": "tiny", "input": "Weather?", "tools": [dict(TOOLS[0]["function"], type="function")], "max_output_tokens": 3})
        assert got["status"] == "incomplete" and got["output"][-1]["status"] == "incomplete" and got["output"][-1]["arguments"] == '{"city": '


def flat(tools):
    return [dict(t["function"], type="function") for t in tools]


def test_what_a_model_has_no_place_for_is_refused_in_every_dialect(cli):
    claude = [{"name": "get_weather", "input_schema": SCHEMA}]
    tools, thinking = '"tiny" does not support tools', '"tiny" does not support thinking'
    with start(cli, template=CHATML) as s:
        ask = {"model": "tiny", "input": "hi"}
        for path, body, want in [
                ("/api/chat", dict(ASK, tools=TOOLS), tools), ("/api/chat", dict(ASK, think=True), thinking),
                ("/api/chat", dict(ASK, think="low", stream=False), thinking),
                ("/api/generate", {"model": "tiny", "prompt": "hi", "think": True}, thinking),
                ("/v1/chat/completions", dict(ASK, tools=TOOLS), tools), ("/v1/chat/completions", dict(ASK, tools=TOOLS, stream=True), tools),
                ("/v1/chat/completions", dict(ASK, functions=[TOOLS[0]["function"]]), tools),
                ("/v1/chat/completions", dict(ASK, reasoning_effort="high"), thinking),
                ("/v1/responses", dict(ask, tools=flat(TOOLS)), tools), ("/v1/responses", dict(ask, reasoning={"effort": "low"}), thinking),
                ("/v1/messages", dict(ASK, max_tokens=9, tools=claude), tools),
                ("/v1/messages", dict(ASK, max_tokens=9, stream=True, thinking={"type": "enabled", "budget_tokens": 1024}), thinking),
                ("/v1/messages/count_tokens", dict(ASK, tools=claude), tools)]:
            got = s.json("POST", path, body, status=400)
            error = got["error"] if path.startswith("/api") else got["error"]["message"]
            assert error.startswith(want + ": its chat template has no place for "), (path, body, got)
            if not path.startswith("/api"):
                assert got["error"]["type"] == "invalid_request_error"
        # what asks for nothing is answered
        for path, body in [("/api/chat", dict(ASK, tools=[], think=False)), ("/api/generate", {"model": "tiny", "prompt": "hi", "think": False}),
                           ("/v1/chat/completions", dict(ASK, tools=[], reasoning_effort="none")), ("/v1/messages", dict(
                               ASK, max_tokens=9, tools=[], thinking={"type": "adaptive"}, output_config={"effort": "high"}))]:
            assert s.ask("POST", path, body)[0] == 200, path
        clients = [(client_module("openai").OpenAI(base_url=f"http://{s.host}:{s.port}/v1", api_key="-"),
                    lambda c: c.chat.completions.create(model="tiny", messages=ASK["messages"], tools=TOOLS), "BadRequestError"),
                   (client_module("anthropic").Anthropic(base_url=f"http://{s.host}:{s.port}", api_key="-"),
                    lambda c: c.messages.create(model="tiny", max_tokens=9, messages=ASK["messages"], tools=claude), "BadRequestError"),
                   (client_module("ollama").Client(f"http://{s.host}:{s.port}"), lambda c: c.chat("tiny", ASK["messages"], tools=TOOLS), "ResponseError")]
        for client, call, kind in clients:
            with pytest.raises(Exception) as caught:
                call(client)
            assert type(caught.value).__name__ == kind and tools in str(caught.value)
        path = cli.folder / "tools.json"
        path.write_text(json.dumps(TOOLS))
        for more in (["--local"], []):
            done = cli("run", "tiny", "--tools", path, *more, "hi", env={"OLLAMA_HOST": f"{s.host}:{s.port}"})
            assert done.returncode == 6 and "does not support tools: its chat template has no place for them" in done.stderr and not done.stdout
            done = cli("run", "tiny", "--think", *more, "hi", env={"OLLAMA_HOST": f"{s.host}:{s.port}"})
            assert done.returncode == 6 and "does not support thinking" in done.stderr and not done.stdout
    for more in (["--tools", path], ["--think"]):
        done = cli("run", "tiny", "--raw", *more, "--local", "hi")
        assert done.returncode == 2 and more[0] in done.stderr
    cli.ok("import", cli.model(SCRIPT, name="none", template=None), "none")
    done = cli("run", "none", "--tools", path, "--local", "hi")
    assert done.returncode == 6 and "does not support tools: it has no chat template" in done.stderr


def test_functions_are_tools_as_they_were_called_before(server):
    old = dict(ASK, functions=[TOOLS[0]["function"]], function_call="auto")
    got = server.json("POST", "/v1/chat/completions", old)["choices"][0]
    assert got["finish_reason"] == "function_call" and got["message"]["function_call"] == {"name": "get_weather", "arguments": ARGS[0]}
    events = server.events("/v1/chat/completions", dict(old, stream=True))
    calls = [e[1]["choices"][0]["delta"]["function_call"] for e in events[:-1] if "function_call" in e[1]["choices"][0]["delta"]]
    assert calls[0] == {"name": "get_weather", "arguments": ""} and "".join(c["arguments"] for c in calls) == ARGS[0]
    messages = ASK["messages"] + [dict(got["message"], content=None), {"role": "function", "name": "get_weather", "content": "rain"}]
    assert server.json("POST", "/v1/chat/completions", dict(old, messages=messages))["choices"][0]["message"]["content"] == ANSWER


@pytest.mark.parametrize("more, status, words", [
    ({"tools": TOOLS + TOOLS}, 400, "tools[1].function.name"), ({"tools": [{"type": "function"}]}, 400, "tools[0].function.name"),
    ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, 400, "tools[0]"), ({"tools": [3]}, 400, "tools[0]"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, 400, "tools[0].function.parameters"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, 400, "tools[0].function.name"),
    ({"tools": TOOLS, "tool_choice": "perhaps"}, 400, "tool_choice"), ({"tool_choice": "required"}, 400, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}}, 400, "'x'"),
    ({"tools": TOOLS, "tool_choice": 3}, 400, "tool_choice"),
    ({"tools": TOOLS, "functions": [{"name": "f"}]}, 400, "functions")])
def test_bad_tools_are_named(server, more, status, words):
    assert words in server.json("POST", "/v1/chat/completions", dict(ASK, **more), status=status)["error"]["message"]


# ---- calls that must be made: whatever the model would rather say, and there are only so many of them

LOTS = {"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9},
                                         "where": {"$ref": "#/$defs/W"}}, "required": ["city", "days", "where"], "$defs": {"W": {"enum": ["N", "S"]}}}
FORCED = [{"type": "function", "function": {"name": "pick", "parameters": LOTS}}, {"type": "function", "function": {"name": "ping"}}]


def is_valid(call):
    args = json.loads(call["arguments"])
    if call["name"] == "ping":
        return args == {}
    return (call["name"] == "pick" and set(args) == set(LOTS["properties"]) and args["city"] in ("Rome", "Oslo") and
            args["where"] in ("N", "S") and args["days"] in range(1, 10))


FAMILIES = {"hermes": "", "qwen3_coder": "<tool_call><function=<parameter=", "mistral": "[TOOL_CALLS]", "glm": "<arg_key><arg_value>",
            "lfm2": "<|tool_list_start|>", "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>", "deepseek": "tool▁calls▁begin```json",
            "minimax": "<minimax:tool_call>", "llama": "<|start_header_id|>ipython", "cohere": "<|START_ACTION|><|START_THINKING|>",
            "dsml": "dsml_token DSML function_calls", "apertus": "<|tools_prefix|>", "gemma_4": "<|tool_call>call:",
            "functiongemma": "<start_function_call>", "minimax_m3": "]<]minimax[>[<tool_call><invoke name="}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_call_that_must_be_made_is_made_and_valid(cli, family):
    with start(cli, template=TEMPLATE + "{# " + FAMILIES[family] + " #}") as s:
        for seed in range(3):
            ask = dict(ASK, tools=FORCED, parallel_tool_calls=False, temperature=1, seed=seed, max_tokens=300)
            got = s.json("POST", "/v1/chat/completions", dict(ask, tool_choice="required"))["choices"][0]
            calls = got["message"].get("tool_calls") or []
            assert len(calls) == 1 and is_valid(calls[0]["function"]) and got["finish_reason"] == "tool_calls" and got["message"]["content"] is None, got
            got = s.json("POST", "/v1/chat/completions", dict(ask, tool_choice={"type": "function", "function": {"name": "pick"}}))["choices"][0]
            assert [c["function"]["name"] for c in got["message"]["tool_calls"]] == ["pick"] and is_valid(got["message"]["tool_calls"][0]["function"])


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_of_a_required_call_is_shown_that_is_cut_off(cli, family):
    with start(cli, template=TEMPLATE + "{# " + FAMILIES[family] + " #}") as s:
        for n in (1, 2, 3, 4, 6, 9):
            ask = dict(ASK, tools=FORCED, tool_choice="required", temperature=0, max_tokens=n)
            got = s.json("POST", "/v1/chat/completions", ask)["choices"][0]
            assert got["finish_reason"] in ("length", "tool_calls") and not got["message"]["content"], (n, got)
            tools = [{"name": t["function"]["name"], "input_schema": t["function"].get("parameters", {"type": "object"})} for t in FORCED]
            got = s.json("POST", "/v1/messages", dict(ask, tools=tools, tool_choice={"type": "any"}))
            assert not [b["text"] for b in got["content"] if b["type"] == "text" and b["text"]], (n, got)


def test_what_is_asked_of_texts_holds_in_every_way_to_write_them(cli):
    """Quotes of its own, tags and JSON: a pattern, a format, lengths, and keys and values at any depth."""
    pick = {"type": "object", "properties": {
        "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}, "day": {"type": "string", "format": "date"},
        "note": {"type": "string", "minLength": 2, "maxLength": 4}, "odd key": {"enum": ["a b", 7, None]},
        "deep": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "object", "properties": {
            "x": {"type": "number", "minimum": 0.5, "maximum": 3, "multipleOf": 0.5}, "ok": {"type": "boolean"}}, "required": ["x"]}}},
            "required": ["code", "day", "note", "deep"]}
    tools = [{"type": "function", "function": {"name": "pick", "parameters": pick}}]
    jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema (Debian: python3-jsonschema)")
    for family in ("gemma_4", "functiongemma", "minimax_m3", "qwen3_coder", "hermes", "glm"):
        with start(cli, template=TEMPLATE + "{# " + FAMILIES[family] + " #}") as s:
            for seed in range(3):
                got = s.json("POST", "/v1/chat/completions", dict(ASK, tools=tools, tool_choice="required", parallel_tool_calls=False, temperature=1,
                                                                  seed=seed, max_tokens=900))["choices"][0]
                args = json.loads(got["message"]["tool_calls"][0]["function"]["arguments"])
                jsonschema.Draft202012Validator(pick, format_checker=jsonschema.FormatChecker()).validate(args)


def test_a_message_of_gpt_oss_is_a_call_or_reasoning(cli):
    with start(cli, template=TEMPLATE + "{# <|channel|> #}") as s:
        n = 0
        for seed in range(8):
            ask = dict(ASK, tools=FORCED, temperature=1, seed=seed, max_tokens=200)
            got = s.json("POST", "/v1/chat/completions", dict(ask, tool_choice="required"))["choices"][0]
            message = got["message"]
            if not message.get("tool_calls"):  # it may think for ever, and this one says anything
                assert got["finish_reason"] == "length" and message["reasoning_content"] and not message["content"], got
                continue
            n += 1
            assert len(message["tool_calls"]) == 1 and is_valid(message["tool_calls"][0]["function"]) and got["finish_reason"] == "tool_calls", got
        assert n >= 2


def test_every_dialect_can_make_a_model_call(server):
    claude = [{"name": t["function"]["name"], "input_schema": t["function"].get("parameters", {"type": "object"})} for t in FORCED]
    got = server.json("POST", "/v1/messages", dict(ASK, max_tokens=200, tools=claude, tool_choice={"type": "tool", "name": "pick", "disable_parallel_tool_use": True}))
    assert [b["type"] for b in got["content"]] == ["tool_use"] and is_valid({"name": "pick", "arguments": json.dumps(got["content"][0]["input"])})
    got = server.json("POST", "/v1/messages", dict(ASK, max_tokens=200, tools=claude, tool_choice={"type": "any", "disable_parallel_tool_use": True}))
    assert got["stop_reason"] == "tool_use"
    for choice in ("required", {"type": "function", "name": "pick"}, {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "ping"}]}):
        got = server.json("POST", "/v1/responses", {"model": "tiny", "input": "hi", "tools": flat(FORCED), "tool_choice": choice, "parallel_tool_calls": False})
        assert [i["type"] for i in got["output"]] == ["function_call"] and is_valid(got["output"][0])
    assert got["output"][0]["name"] == "ping"
    old = server.json("POST", "/v1/chat/completions", dict(ASK, functions=[t["function"] for t in FORCED], function_call={"name": "ping"}))["choices"][0]
    assert old["message"]["function_call"] == {"name": "ping", "arguments": "{}"} and old["finish_reason"] == "function_call"


def test_a_call_that_the_model_begins_is_held_to_the_schema(server):
    # the script calls for 2 and 3 days; the schema wants more
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer", "minimum": 5, "maximum": 7}}, "required": ["city", "days"]}}}]
    got = server.json("POST", "/v1/chat/completions", dict(ASK, tools=tools, parallel_tool_calls=False, max_tokens=200))["choices"][0]
    args = json.loads(got["message"]["tool_calls"][0]["function"]["arguments"])
    assert args["city"] in ("Rome", "Oslo") and args["days"] in (5, 6, 7)
    # a schema that cannot be enforced leaves calls to the model, unless one must be made
    odd = [{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "pattern": "(?<=a)b"}}}}}]
    got = server.json("POST", "/v1/chat/completions", dict(ASK, tools=odd))["choices"][0]
    assert [c["function"]["arguments"] for c in got["message"]["tool_calls"]] == ARGS
    assert "pattern" in server.json("POST", "/v1/chat/completions", dict(ASK, tools=odd, tool_choice="required"), status=400)["error"]["message"]


# ---- the other dialects

def test_messages_have_blocks_of_calls(server):
    ask = dict(ASK, max_tokens=100, tools=[{"name": "get_weather", "input_schema": SCHEMA}])
    got = server.json("POST", "/v1/messages", ask)
    assert got["stop_reason"] == "tool_use" and got["content"][0] == {"type": "text", "text": "I look."}
    blocks = got["content"][1:]
    assert [(b["type"], b["name"], b["input"]) for b in blocks] == [("tool_use", "get_weather", json.loads(a)) for a in ARGS]
    assert all(b["id"].startswith("toolu_") for b in blocks) and blocks[0]["id"] != blocks[1]["id"]
    events = server.events("/v1/messages", dict(ask, stream=True))
    kinds = [(d["type"], d.get("index")) for _, d in events if d["type"].startswith("content_block_st")]
    assert kinds == [(f"content_block_{k}", i) for i in range(3) for k in ("start", "stop")]
    starts = [d["content_block"] for _, d in events if d["type"] == "content_block_start"]
    assert starts[1]["type"] == "tool_use" and starts[1]["name"] == "get_weather" and starts[1]["input"] == {}
    for i, want in enumerate(ARGS, 1):
        assert "".join(d["delta"]["partial_json"] for _, d in events if d["type"] == "content_block_delta" and d["index"] == i) == want
    assert events[-2][1]["delta"]["stop_reason"] == "tool_use"
    back = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": b["id"], "content": "rain"} for b in blocks]}
    last = server.json("POST", "/v1/messages", dict(ask, messages=ask["messages"] + [{"role": "assistant", "content": got["content"]}, back]))
    assert last["content"] == [{"type": "text", "text": ANSWER}] and last["stop_reason"] == "end_turn"
    one = server.json("POST", "/v1/messages", dict(ask, tool_choice={"type": "auto", "disable_parallel_tool_use": True}))
    assert [b["type"] for b in one["content"]] == ["text", "tool_use"]
    none = server.json("POST", "/v1/messages", dict(ask, tool_choice={"type": "none"}))
    assert none["content"] == [{"type": "text", "text": "".join(CALLS)}] and none["stop_reason"] == "end_turn"
    assert none["usage"]["input_tokens"] + none["usage"]["cache_read_input_tokens"] == got["usage"]["input_tokens"] + got["usage"]["cache_read_input_tokens"]
    assert "input_schema" in server.json("POST", "/v1/messages", dict(ask, tools=[{"name": "x"}]), status=400)["error"]["message"]


def test_responses_have_items_of_calls(server):
    ask = {"model": "tiny", "input": "Weather?", "tools": [dict(TOOLS[0]["function"], type="function")]}
    got = server.json("POST", "/v1/responses", ask)
    assert got["status"] == "completed" and [i["type"] for i in got["output"]] == ["message", "function_call", "function_call"]
    calls = got["output"][1:]
    assert [(c["name"], c["arguments"], c["status"]) for c in calls] == [("get_weather", a, "completed") for a in ARGS]
    assert len({c["id"] for c in calls} | {c["call_id"] for c in calls}) == 4 and all(c["id"].startswith("fc_") for c in calls)
    events = server.events("/v1/responses", dict(ask, stream=True))
    assert [e for e, _ in events if "delta" not in e] == (
        ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.done",
         "response.content_part.done", "response.output_item.done"] +
        ["response.output_item.added", "response.function_call_arguments.done", "response.output_item.done"] * 2 + ["response.completed"])
    assert [d["sequence_number"] for _, d in events] == list(range(len(events)))
    output = events[-1][1]["response"]["output"]
    for i, want in enumerate(ARGS, 1):
        mine = [(e, d) for e, d in events if d.get("output_index") == i]
        assert mine[0][1]["item"] == dict(output[i], arguments="", status="in_progress") and mine[-1][1]["item"] == output[i]
        assert "".join(d["delta"] for e, d in mine if e == "response.function_call_arguments.delta") == want == mine[-2][1]["arguments"]
        assert {d["item_id"] for _, d in mine[1:-1]} == {output[i]["id"]}
    results = [{"type": "function_call_output", "call_id": c["call_id"], "output": "rain"} for c in calls]
    last = server.json("POST", "/v1/responses", dict(ask, input=results, previous_response_id=got["id"]))
    assert [i["type"] for i in last["output"]] == ["message"] and last["output"][0]["content"][0]["text"] == ANSWER
    again = server.json("POST", "/v1/responses", dict(ask, input=[{"role": "user", "content": "Weather?"}] + got["output"] + results))
    assert again["output"][0]["content"][0]["text"] == ANSWER


def test_ollama_has_whole_calls(server):
    ask = dict(ASK, tools=TOOLS)
    got = server.json("POST", "/api/chat", dict(ask, stream=False))
    assert got["message"]["content"] == "I look." and got["done_reason"] == "stop"
    assert [c["function"] for c in got["message"]["tool_calls"]] == [
        {"index": i, "name": "get_weather", "arguments": json.loads(a)} for i, a in enumerate(ARGS)]
    lines = server.lines("/api/chat", ask)
    calls = [line["message"]["tool_calls"] for line in lines if "tool_calls" in line["message"]]
    assert [c[0]["function"] for c in calls] == [c["function"] for c in got["message"]["tool_calls"]] and [len(c) for c in calls] == [1, 1]
    assert all(line["message"]["content"] == "" for line in lines if "tool_calls" in line["message"]) and lines[-1]["done"]
    results = [{"role": "tool", "tool_name": "get_weather", "content": "rain"}] * 2
    last = server.json("POST", "/api/chat", dict(ask, messages=ask["messages"] + [got["message"]] + results, stream=False))
    assert last["message"]["content"] == ANSWER


# ---- loops of the official clients

def test_the_loop_of_openai(server):
    openai = client_module("openai")
    c = openai.OpenAI(base_url=f"http://{server.host}:{server.port}/v1", api_key="-")
    messages, asked = list(ASK["messages"]), []
    while True:
        with c.chat.completions.stream(model="tiny", messages=messages, tools=TOOLS) as stream:
            kinds = {e.type for e in stream}
            message = stream.get_final_completion().choices[0].message
        messages.append(message)
        if not message.tool_calls:
            break
        assert "tool_calls.function.arguments.delta" in kinds and "tool_calls.function.arguments.done" in kinds
        for call in message.tool_calls:
            args = json.loads(call.function.arguments)
            asked.append(args)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": weather(**args)})
    assert asked == [json.loads(a) for a in ARGS] and message.content == ANSWER
    # and of its responses
    tools, given, previous = [dict(TOOLS[0]["function"], type="function", strict=False)], "Weather?", None
    while True:
        with c.responses.stream(model="tiny", input=given, tools=tools, **({"previous_response_id": previous} if previous else {})) as stream:
            for _ in stream:
                pass
            r = stream.get_final_response()
        calls = [i for i in r.output if i.type == "function_call"]
        if not calls:
            break
        previous = r.id
        given = [{"type": "function_call_output", "call_id": i.call_id, "output": weather(**json.loads(i.arguments))} for i in calls]
    assert previous and r.output_text == ANSWER


def test_the_loop_of_anthropic(server):
    anthropic = client_module("anthropic")
    c = anthropic.Anthropic(base_url=f"http://{server.host}:{server.port}", api_key="-")
    messages, asked = list(ASK["messages"]), []
    tools = [{"name": "get_weather", "description": "d", "input_schema": SCHEMA}]
    while True:
        with c.messages.stream(model="tiny", max_tokens=200, messages=messages, tools=tools) as stream:
            kinds = {e.type for e in stream}
            message = stream.get_final_message()
        messages.append({"role": "assistant", "content": message.content})
        if message.stop_reason != "tool_use":
            break
        assert "input_json" in kinds
        calls = [b for b in message.content if b.type == "tool_use"]
        asked += [b.input for b in calls]
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": b.id, "content": weather(**b.input)} for b in calls]})
    assert asked == [json.loads(a) for a in ARGS] and message.content[0].text == ANSWER
    # its own runner of tools
    @anthropic.beta_tool
    def get_weather(city: str, days: int) -> str:
        """Weather of a city.

        Args:
            city: its name
            days: how many
        """
        return weather(city, days)

    last = c.beta.messages.tool_runner(model="tiny", max_tokens=200, messages=ASK["messages"], tools=[get_weather]).until_done()
    assert last.content[0].text == ANSWER


def test_the_loop_of_ollama(server):
    ollama = client_module("ollama")
    c = ollama.Client(f"http://{server.host}:{server.port}")
    messages, asked = list(ASK["messages"]), []

    def get_weather(city: str, days: int = 1) -> str:
        """Weather of a city.

        Args:
          city: its name
          days: how many
        """
        return weather(city, days)

    while True:
        message = c.chat("tiny", messages, tools=[get_weather]).message
        messages.append(message)
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            asked.append(dict(call.function.arguments))
            messages.append({"role": "tool", "tool_name": call.function.name, "content": get_weather(**call.function.arguments)})
    assert asked == [json.loads(a) for a in ARGS] and message.content == ANSWER


def test_the_loops_of_javascript_clients(cli, request):
    need_npm()
    said = run_suite(cli, request.getfixturevalue("server"), "tools_ai_sdk")
    assert said.splitlines()[:-1] == ["steps", "steps, streamed", "OpenAI's runner of tools", "Anthropic's loop"]


# ---- the command line

LINES = "".join('{"name":"get_weather","arguments":%s}\n' % a for a in ARGS)


def test_run_prints_calls_line_by_line(cli):
    tools = cli.folder / "tools.json"
    tools.write_text(json.dumps(TOOLS))
    with start(cli) as s:
        for more in (["--local"], []):  # the second time the server answers, and is asked for the same
            assert cli.ok("run", "tiny", "--tools", tools, *more, "Weather?", env={"OLLAMA_HOST": f"{s.host}:{s.port}"}) == "I look.\n" + LINES
        got = json.loads(cli.ok("run", "tiny", "--tools", tools, "--json", "--local", "Weather?"))
        assert got["response"] == "I look." and got["tool_calls"] == [{"name": "get_weather", "arguments": json.loads(a)} for a in ARGS]
        cut = cli.ok("run", "tiny", "--tools", tools, "--local", "-o", "num_predict=3", "Weather?").splitlines()
        assert json.loads(cut[-1]) == {"name": "get_weather", "arguments": '{"city": ', "is_cut": True}
    tools.write_text("")
    assert "expected a JSON array of tools" in cli("run", "tiny", "--tools", tools, "--local", "hi").stderr
    tools.write_text('{"a": 1}')
    assert "tools: expected a list" in cli("run", "tiny", "--tools", tools, "--local", "hi").stderr


def test_doctor_says_what_a_model_can_do_with_tools(cli):
    cli.ok("import", cli.model(SCRIPT, template=TEMPLATE, links={len(CALLS) - 1: None, b"!": len(CALLS)}), "tiny")
    rows = {r["check"]: r for r in json.loads(cli.ok("doctor", "--tools", "tiny", "--json"))}
    assert rows["template"]["text"] == "shows tools: yes, calls: yes, several: yes, results: yes, thinking: no switch" and rows["format"]["text"] == "hermes"
    assert rows["parallel"]["result"] == "ok" and rows["streaming"]["result"] == "ok" and "Oslo" in rows["parallel"]["text"]
    assert rows["calls"]["result"] == "warn" and "Rome" in rows["calls"]["text"]  # Paris was asked for
    assert rows["results"]["text"] == "said: " + ANSWER and rows["restraint"]["result"] == "warn"
    lines = cli.ok("doctor", "--tools", "tiny").splitlines()
    assert lines[0].startswith("ok    template") and lines[-1] == "usable"
    assert cli("doctor", "--tools", "nobody").returncode != 0
    # one that makes no call, and one that is never told of tools
    cli.ok("import", cli.model(("Hello", " there."), name="mute", template=TEMPLATE), "mute")
    cli.ok("import", cli.model(SCRIPT, name="deaf", template=CHATML), "deaf")
    cli.ok("import", cli.model(SCRIPT, name="bare", template=None), "bare")
    for name, check, words in (("mute", "verdict", "no call came"), ("deaf", "template", "no place for tools"), ("bare", "template", "no chat template")):
        done = cli("doctor", "--tools", name)
        assert done.returncode == 6 and done.stdout.splitlines()[-1] == "not usable with tools" and "usable\n" not in done.stdout, done.stdout
        rows = {r["check"]: r for r in json.loads(cli("doctor", "--tools", name, "--json").stdout)}
        assert rows[check]["result"] == "fail" and words in rows[check]["text"]
