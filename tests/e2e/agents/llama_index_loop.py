"""LlamaIndex: its OpenAI class over /v1 and its Ollama class over /api, each in a loop with a tool, whole and streamed; and an answer of a type."""
import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel

URL, ANSWER = sys.argv[1], sys.argv[2]
asked = []


class OurModel(OpenAI):
    """It knows OpenAI's own models alone by their names: that ours takes tools, and how long its context is, is said here."""

    @property
    def metadata(self):
        from llama_index.core.llms import LLMMetadata
        return LLMMetadata(context_window=4096, num_output=256, is_chat_model=True, is_function_calling_model=True, model_name=self.model)


def get_weather(city: str, days: int) -> str:
    """Weather of a city."""
    asked.append((city, days))
    return f"{city}: rain"


class Report(BaseModel):
    dry: bool
    days: bool


tool = FunctionTool.from_defaults(get_weather)
for llm in (OurModel(model="tiny", api_base=f"{URL}/v1", api_key="-", max_retries=0), Ollama(model="tiny", base_url=URL, request_timeout=60)):
    for streams in (False, True):
        messages = [ChatMessage("Weather?", role="user")]
        while True:
            said = llm.chat_with_tools([tool], chat_history=messages, allow_parallel_tool_calls=True) if not streams else \
                [*llm.stream_chat_with_tools([tool], chat_history=messages, allow_parallel_tool_calls=True)][-1]
            messages.append(said.message)
            calls = llm.get_tool_calls_from_response(said, error_on_no_tool_call=False)
            if not calls:
                break
            messages += [ChatMessage(str(tool(**c.tool_kwargs)), role="tool", additional_kwargs={"tool_call_id": c.tool_id}) for c in calls]
        assert said.message.content == ANSWER, said
    assert asked == [("Rome", 2), ("Oslo", 3)] * 2, (llm, asked)
    asked.clear()
    typed = llm.as_structured_llm(Report)
    assert isinstance(typed.complete("Weather?").raw, Report), llm
print("all is well")
