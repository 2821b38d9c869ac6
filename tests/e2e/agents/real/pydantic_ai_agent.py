"""pydantic-ai: an answer of a type is a call that must be made, beside a tool that may be called; it ends, and asks nothing again."""
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits
from trip import ASK, MODELS, URL, Trip

for name in MODELS:
    model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key="-"))
    for output in (Trip, NativeOutput(Trip)):
        agent = Agent(model, output_type=output, retries=0, model_settings={"temperature": 1, "max_tokens": 300, "seed": 5, "parallel_tool_calls": False})
        assert isinstance(agent.run_sync(ASK, usage_limits=UsageLimits(request_limit=1)).output, Trip)
print("all is well")
