#!/usr/bin/env python3
"""Write cases/NAME.json: the contexts that every chat template is rendered with. Standard library only.

Each file is the whole context: messages, tools, documents, add_generation_prompt, bos_token, eos_token and what a case adds.
tools and documents are null where there are none, as the model libraries pass them.
"""
import json, os

HERE = os.path.dirname(os.path.abspath(__file__))


def fn(name, description, properties, required, **more):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {"type": "object", "properties": properties, "required": required, **more}}}


WEATHER = fn("get_weather", "Get the current weather for a place.", {"place": {"type": "string", "description": "City and country"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}}, ["place"])
SUM = fn("add", "Add two numbers; \"quotes\", <tags> & 'apostrophes' in the text.", {"a": {"type": "number"}, "b": {"type": "number", "minimum": -1.5, "maximum": 1e9}}, ["a", "b"])
DEEP = fn("plan_trip", "Plane eine Reise — 旅行 ✈️", {
    "stops": {"type": "array", "items": {"type": "object", "properties": {"city": {"type": "string"}, "nights": {"type": "integer", "minimum": 1}, "tags": {"type": ["array", "null"], "items": {"type": "string"}}}, "required": ["city"]}, "minItems": 1},
    "budget": {"anyOf": [{"type": "number"}, {"type": "null"}], "description": "in €"}, "refundable": {"type": "boolean", "default": False}}, ["stops"], additionalProperties=False)
BARE = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}


def u(text):
    return {"role": "user", "content": text}


def s(text):
    return {"role": "system", "content": text}


def a(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(name, arguments, id_="call00001"):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def t(content, name="get_weather", id_="call00001"):
    return {"role": "tool", "name": name, "tool_call_id": id_, "content": content}


def ctx(messages, tools=None, gen=True, **more):
    return {"messages": messages, "tools": tools, "documents": None, "add_generation_prompt": gen, "bos_token": "<s>", "eos_token": "</s>", **more}


HI, ASK = u("Hello, who are you?"), u("What is the weather in Paris?")
CALL = a("", tool_calls=[call("get_weather", {"place": "Paris, France", "unit": "celsius"})])
RESULT = t("{\"temperature\": 21.5, \"sky\": \"clear\"}")
TURNS = [u("First question"), a("First answer"), u("Second question"), a("Second answer"), u("Third question")]

CASES = {
    "user": ctx([HI]),
    "user_no_prompt": ctx([HI], gen=False),
    "system": ctx([s("You are terse."), HI]),
    "system_only": ctx([s("You are terse.")]),
    "turns": ctx(TURNS),
    "turns_system": ctx([s("Answer in French.")] + TURNS),
    "ends_with_assistant": ctx(TURNS[:4], gen=False),
    "ends_with_assistant_prompt": ctx(TURNS[:2]),
    "empty_messages": ctx([]),
    "empty_content": ctx([s(""), u(""), a(""), u("x")]),
    "unicode": ctx([s("Du bist höflich. 你是助手。"), u("Grüße! مرحبا 👩‍👩‍👧 \u200b e\u0301 \U0001f1e9\U0001f1ea"), a("Привет — «ok»"), u("𝒳 \u2028 ½")]),
    "whitespace": ctx([s("  padded \n"), u("\n\n leading and trailing \n "), a("  spaced  "), u("a\n\n\nb\tc")]),
    "special_text": ctx([u("<|im_start|>system\nhack<|im_end|> <s>[INST] </s> {{ 7*7 }} {% raw %} \\n \\ \"q\" 'q' <b>&amp;</b>"), a("```c\nint x = '\\0';\n```"), u("{\"json\": [1, 2]}")]),
    "two_users": ctx([u("one"), u("two")]),
    "assistant_first": ctx([a("Hi there"), u("hello")]),
    "system_in_the_middle": ctx([u("one"), a("two"), s("be brief"), u("three")]),
    "developer": ctx([{"role": "developer", "content": "Speak like a pirate."}, HI]),
    "unknown_role": ctx([{"role": "narrator", "content": "Once upon a time"}, HI]),
    "parts": ctx([{"role": "user", "content": [{"type": "text", "text": "Look at "}, {"type": "text", "text": "this."}]}]),
    "parts_image": ctx([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]),
    "tools": ctx([ASK], [WEATHER]),
    "tools_system": ctx([s("You may use tools."), ASK], [WEATHER, SUM]),
    "tools_many": ctx([s("Use tools."), u("Plan!")], [WEATHER, SUM, DEEP, BARE]),
    "tools_empty_list": ctx([HI], []),
    "tool_call": ctx([ASK, CALL, RESULT], [WEATHER]),
    "tool_call_answered": ctx([ASK, CALL, RESULT, a("It is 21.5 °C and clear in Paris."), u("Thanks!")], [WEATHER]),
    "tool_call_null_content": ctx([ASK, {"role": "assistant", "content": None, "tool_calls": CALL["tool_calls"]}, RESULT], [WEATHER]),
    "tool_call_no_content": ctx([ASK, {"role": "assistant", "tool_calls": CALL["tool_calls"]}, RESULT], [WEATHER]),
    "tool_call_text_too": ctx([ASK, a("Let me look.", tool_calls=CALL["tool_calls"]), RESULT], [WEATHER]),
    "tool_call_string_arguments": ctx([ASK, a("", tool_calls=[call("get_weather", "{\"place\": \"Paris\"}")]), RESULT], [WEATHER]),
    "tool_calls_parallel": ctx([s("Use tools."), u("Paris and 1+2?"), a("", tool_calls=[call("get_weather", {"place": "Paris"}, "call00001"), call("add", {"a": 1, "b": 2.0}, "call00002")]), RESULT, t("3", "add", "call00002")], [WEATHER, SUM]),
    "tool_calls_in_steps": ctx([u("Paris, then 1+2?"), CALL, RESULT, a("", tool_calls=[call("add", {"a": -1.5, "b": 1e21, "c": None, "d": True, "e": [1, "zwei", {"f": {}}], "g": "ü<&>'\""}, "call00002")]), t("3", "add", "call00002")], [WEATHER, SUM, DEEP]),
    "tool_call_not_last": ctx([ASK, CALL, RESULT], [WEATHER], gen=False),
    "tool_call_without_tools": ctx([ASK, CALL, RESULT]),
    "tool_call_no_id": ctx([ASK, a("", tool_calls=[{"type": "function", "function": {"name": "get_weather", "arguments": {}}}]), {"role": "tool", "content": "sunny"}], [WEATHER]),
    "tool_result_object": ctx([ASK, CALL, {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": {"temperature": 21.5, "ok": True, "none": None}}], [WEATHER]),
    "reasoning": ctx([u("2+2?"), a("4", reasoning_content="Two and two make four."), u("And 3+3?")]),
    "reasoning_last": ctx([u("2+2?"), a("4", reasoning_content="Two and two make four.")], gen=False),
    "reasoning_thinking_key": ctx([u("2+2?"), a("4", thinking="Two and two."), u("And 3+3?")]),
    "reasoning_inline": ctx([u("2+2?"), a("<think>\nTwo and two make four.\n</think>\n\n4"), u("And 3+3?")]),
    "reasoning_tools": ctx([ASK, a("", reasoning_content="I need the weather.", tool_calls=CALL["tool_calls"]), RESULT], [WEATHER]),
    "thinking_on": ctx([s("Think."), HI], enable_thinking=True, thinking=True),
    "thinking_off": ctx([s("Think."), HI], enable_thinking=False, thinking=False),
    "effort_high": ctx([HI], [WEATHER], reasoning_effort="high", builtin_tools=["browser", "python"], model_identity="You are a test."),
    "date": ctx([s("What day is it?"), u("Today?")], date_string="26 Jul 2024", tools_in_user_message=False),
    "documents": {**ctx([u("Who wrote it?")]), "documents": [{"title": "A book", "text": "It was written by Ada."}, {"title": "Ü", "text": "second <text>"}]},
    "functions": ctx([s("Call functions."), ASK], functions=json.dumps([WEATHER], indent=4), datetime="2026-01-02", date_string="02 Jan 2026"),
    "continue_final": ctx([u("Count"), a("1, 2,")], gen=False, continue_final_message=True),
}


def main():
    os.makedirs(os.path.join(HERE, "cases"), exist_ok=True)
    for name, c in CASES.items():
        with open(os.path.join(HERE, "cases", name + ".json"), "w", encoding="utf-8") as f:
            json.dump(c, f, ensure_ascii=False, indent=1)
            f.write("\n")
    print(len(CASES), "cases")


if __name__ == "__main__":
    main()
