"""instructor: a type by a call that must be made and by a schema, also as its Ollama provider asks (which speaks OpenAI's dialect, not /api)."""
import instructor
import openai
from trip import ASK, MODELS, URL, Trip

raw = openai.OpenAI(base_url=f"{URL}/v1", api_key="-", max_retries=0)
for model in MODELS:
    ask = dict(model=model, messages=[{"role": "user", "content": ASK}], response_model=Trip, max_retries=0, temperature=1, max_tokens=300)
    assert isinstance(instructor.from_openai(raw, mode=instructor.Mode.TOOLS).create(**ask, parallel_tool_calls=False), Trip)
    assert isinstance(instructor.from_openai(raw, mode=instructor.Mode.JSON_SCHEMA).create(**ask), Trip)
    client = instructor.from_provider(f"ollama/{model}", base_url=f"{URL}/v1", mode=instructor.Mode.JSON_SCHEMA)
    assert isinstance(client.create(**ask), Trip)
print("all is well")
