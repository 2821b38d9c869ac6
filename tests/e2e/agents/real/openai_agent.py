"""openai: a loop of calls that must be made, any and by name, whole and streamed; then a word without one; and an answer by a schema."""
import openai
from trip import ASK, MODELS, SCHEMA, URL, book

c = openai.OpenAI(base_url=f"{URL}/v1", api_key="-", max_retries=0)
TOOLS = [{"type": "function", "function": {"name": n, "description": "Book a trip.", "parameters": SCHEMA}} for n in ("book", "reserve")]
for model in MODELS:
    for seed, streams in ((1, False), (2, True)):
        messages, called = [{"role": "user", "content": ASK}], []
        for choice in ("required", {"type": "function", "function": {"name": "reserve"}}, "none"):
            ask = dict(model=model, messages=messages, tools=TOOLS, tool_choice=choice, temperature=1.5, seed=seed, max_tokens=300 if choice != "none" else 20,
                       parallel_tool_calls=False)
            if streams and choice != "none":  # its helper takes a text that ends with the limit for a failure
                with c.chat.completions.stream(**ask) as stream:
                    for _ in stream:
                        pass
                    got = stream.get_final_completion().choices[0]
            else:
                got = c.chat.completions.create(**ask).choices[0]
            calls = got.message.tool_calls or []
            assert len(calls) == (choice != "none") and (got.finish_reason == "tool_calls") == bool(calls), got
            called += [k.function.name for k in calls]
            messages.append({"role": "assistant", "content": got.message.content, "tool_calls": [
                {"id": k.id, "type": "function", "function": {"name": k.function.name, "arguments": k.function.arguments}} for k in calls]} if calls else
                {"role": "assistant", "content": got.message.content})
            messages += [{"role": "tool", "tool_call_id": k.id, "content": book(k.function.arguments)} for k in calls]
        assert called[0] in ("book", "reserve") and called[1:] == ["reserve"] and isinstance(messages[-1]["content"], str), messages
    got = c.responses.create(model=model, input=ASK, tools=[{"type": "function", "name": "book", "parameters": SCHEMA}], tool_choice="required", temperature=1,
                             parallel_tool_calls=False, max_output_tokens=300)
    (item,) = got.output
    assert item.type == "function_call" and book(item.arguments), got
    got = c.chat.completions.create(model=model, messages=[{"role": "user", "content": ASK}], temperature=2, seed=3, max_tokens=300,
                                    response_format={"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": SCHEMA}})
    assert book(got.choices[0].message.content)
print("all is well")
