"""anthropic: a loop of calls that must be made, any and by name, whole and streamed, results handed back; then a word without one."""
import anthropic
from trip import ASK, MODELS, SCHEMA, URL, book

c = anthropic.Anthropic(base_url=URL, api_key="-", max_retries=0)
TOOLS = [{"name": n, "description": "Book a trip.", "input_schema": SCHEMA} for n in ("book", "reserve")]
for model in MODELS:
    for streams in (False, True):
        messages, called = [{"role": "user", "content": ASK}], []
        for choice in ({"type": "any", "disable_parallel_tool_use": True}, {"type": "tool", "name": "reserve", "disable_parallel_tool_use": True}, {"type": "none"}):
            ask = dict(model=model, messages=messages, tools=TOOLS, tool_choice=choice, extra_body={"temperature": 1}, max_tokens=300 if choice["type"] != "none" else 20)
            if streams:
                with c.messages.stream(**ask) as stream:
                    got = stream.get_final_message()
            else:
                got = c.messages.create(**ask)
            calls = [b for b in got.content if b.type == "tool_use"]
            assert len(calls) == (choice["type"] != "none") and (got.stop_reason == "tool_use") == bool(calls), got
            called += [k.name for k in calls]
            messages.append({"role": "assistant", "content": [b.model_dump(include={"type", "id", "name", "input", "text"}) for b in got.content] or "-"})
            if calls:
                messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": k.id, "content": book(k.input)} for k in calls]})
        assert called[0] in ("book", "reserve") and called[1:] == ["reserve"], messages
print("all is well")
