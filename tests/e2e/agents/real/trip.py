"""What the agents of this folder want of a real model: the tool, what a valid call of it is, and what they were started with."""
import sys
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

URL, MODELS = sys.argv[1], sys.argv[2:]
ASK = "Book a train to Rome for two people, 3 days."
DONE = "booked"


class Trip(BaseModel):
    """Book a trip."""
    model_config = ConfigDict(extra="forbid", strict=True)
    city: Literal["Rome", "Oslo", "Lima"]
    days: Annotated[int, Field(ge=1, le=14)]
    by: Literal["train", "plane"]
    note: Annotated[str, Field(max_length=12)]
    stops: Annotated[list[Literal["a", "b", "c"]], Field(max_length=3)]


SCHEMA = {"type": "object", "required": ["city", "days", "by", "note", "stops"], "additionalProperties": False, "properties": {
    "city": {"enum": ["Rome", "Oslo", "Lima"]}, "days": {"type": "integer", "minimum": 1, "maximum": 14}, "by": {"enum": ["train", "plane"]},
    "note": {"type": "string", "maxLength": 12}, "stops": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3}}}


def book(arguments):
    """Raises where the arguments are not valid; a dict, or its JSON."""
    trip = Trip.model_validate_json(arguments) if isinstance(arguments, str) else Trip.model_validate(arguments)
    return f"{trip.city}: {DONE}"
