"""LangChain: tools bound so that one must be called, whole and streamed; and answers of a type by a call and by a schema."""
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from trip import ASK, MODELS, SCHEMA, URL, Trip, book

TOOLS = [{"type": "function", "function": {"name": n, "description": "Book a trip.", "parameters": SCHEMA}} for n in ("book", "reserve")]
for model in MODELS:
    chat = ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key="-", max_retries=0, temperature=1, max_tokens=300)
    for streams in (False, True):
        messages, called = [HumanMessage(ASK)], []
        for choice in ("required", "reserve"):
            bound = chat.bind_tools(TOOLS, tool_choice=choice, parallel_tool_calls=False)
            said = None
            for chunk in bound.stream(messages) if streams else [bound.invoke(messages)]:
                said = chunk if said is None else said + chunk
            assert len(said.tool_calls) == 1 and not said.invalid_tool_calls, said
            messages += [said] + [ToolMessage(book(k["args"]), tool_call_id=k["id"]) for k in said.tool_calls]
            called += [k["name"] for k in said.tool_calls]
        assert called[1] == "reserve"
    for method in ("function_calling", "json_schema"):
        assert isinstance(chat.with_structured_output(Trip, method=method).invoke(ASK), Trip), method
print("all is well")
