"""pydantic-ai: an agent with a tool, whole and streamed; and an answer of a type, which is a call that must be made."""
import asyncio
import sys

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

URL, ANSWER = sys.argv[1], sys.argv[2]
model = OpenAIChatModel("tiny", provider=OpenAIProvider(base_url=f"{URL}/v1", api_key="-"))
agent = Agent(model)
asked = []


@agent.tool_plain
def get_weather(city: str, days: int) -> str:
    """Weather of a city."""
    asked.append((city, days))
    return f"{city}: rain"


assert agent.run_sync("Weather?").output == ANSWER and sorted(asked) == [("Oslo", 3), ("Rome", 2)], asked


async def streamed():
    async with agent.run_stream("Weather?") as result:
        return await result.get_output()


said = asyncio.run(streamed())  # its stream takes the first text for the result, and runs the tools behind it all the same
assert said in ("I look.", ANSWER) and len(asked) == 4, (said, asked)


class Report(BaseModel):
    dry: bool
    days: bool


assert isinstance(Agent(model, output_type=Report).run_sync("Weather?").output, Report)
print("all is well")
