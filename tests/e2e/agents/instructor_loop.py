"""instructor: Pydantic models by a call that must be made and by a schema, whole, streamed in parts, and asked again where a check fails."""
import sys
from typing import Iterable

import instructor
import openai
from pydantic import BaseModel, field_validator

URL, ANSWER = sys.argv[1], sys.argv[2]
raw = openai.OpenAI(base_url=f"{URL}/v1", api_key="-", max_retries=0)
n_checked = 0


class get_weather(BaseModel):
    """Weather of a city, as the model wants to ask for it."""
    city: str
    days: int


class Report(BaseModel):
    dry: bool
    days: bool


class Checked(Report):
    @field_validator("dry")
    def is_refused_once(cls, value):
        global n_checked
        n_checked += 1
        if n_checked == 1:
            raise ValueError("look again")
        return value


# one call an answer: a model as dull as this one would make them without an end
for mode, more in ((instructor.Mode.TOOLS, {"parallel_tool_calls": False}), (instructor.Mode.JSON_SCHEMA, {})):
    client = instructor.from_openai(raw, mode=mode)
    ask = dict(model="tiny", messages=[{"role": "user", "content": "Weather?"}], temperature=0, **more)
    assert isinstance(client.create(response_model=Report, max_retries=0, **ask), Report), mode
    *parts, last = client.create_partial(response_model=Report, max_retries=0, **ask)
    assert None not in (last.dry, last.days) and any(p.days is None for p in parts), (mode, parts, last)
    n_checked = 0
    assert isinstance(client.create(response_model=Checked, max_retries=2, **ask), Checked) and n_checked == 2, (mode, n_checked)
# its Ollama provider speaks OpenAI's dialect, too: there is nothing of it for /api
client = instructor.from_provider("ollama/tiny", base_url=f"{URL}/v1", mode=instructor.Mode.JSON_SCHEMA)
assert isinstance(client.create(response_model=Report, max_retries=0, messages=[{"role": "user", "content": "Weather?"}], temperature=0), Report)
several = instructor.from_openai(raw, mode=instructor.Mode.PARALLEL_TOOLS)
asked = [*several.create(response_model=Iterable[get_weather], model="tiny", messages=[{"role": "user", "content": "Weather?"}], max_retries=0)]
assert [(a.city, a.days) for a in asked] == [("Rome", 2), ("Oslo", 3)], asked
print("all is well")
