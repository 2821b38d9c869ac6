"""LangChain: tools bound to a chat model, the loop by hand, streamed; and an answer of a type by a call that must be made."""
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

URL, ANSWER = sys.argv[1], sys.argv[2]
chat = ChatOpenAI(model="tiny", base_url=f"{URL}/v1", api_key="-", max_retries=0)
asked = []


@tool
def get_weather(city: str, days: int) -> str:
    """Weather of a city."""
    asked.append((city, days))
    return f"{city}: rain"


for streams in (False, True):
    messages = [HumanMessage("Weather?")]
    while True:
        bound = chat.bind_tools([get_weather])
        if streams:
            said = None
            for chunk in bound.stream(messages):
                said = chunk if said is None else said + chunk
        else:
            said = bound.invoke(messages)
        messages.append(said)
        if not said.tool_calls:
            break
        messages += [ToolMessage(get_weather.invoke(c["args"]), tool_call_id=c["id"]) for c in said.tool_calls]
    assert said.content == ANSWER, said
assert asked == [("Rome", 2), ("Oslo", 3)] * 2, asked
schema = {"title": "report", "description": "d", "type": "object", "properties": {"dry": {"type": "boolean"}}, "required": ["dry"]}
got = chat.with_structured_output(schema, method="function_calling").invoke("Weather?")
assert got["dry"] in (True, False)
print("all is well")
