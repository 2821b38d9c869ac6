"""LangChain's Ollama class: tools bound to a chat model over /api/chat, the loop by hand, whole and streamed; and an answer of a type by its schema."""
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from pydantic import BaseModel

URL, ANSWER = sys.argv[1], sys.argv[2]
chat = ChatOllama(model="tiny", base_url=URL, temperature=0)
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


class Report(BaseModel):
    dry: bool
    days: bool


typed = chat.with_structured_output(Report, method="json_schema")
assert isinstance(typed.invoke("Weather?"), Report)
*_, last = typed.stream("Weather?")
assert isinstance(last, Report), last
print("all is well")
