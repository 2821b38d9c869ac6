"""Answers that keep to a format: every dialect's words for it, errors before anything runs, and random schemas whose answers are
judged by jsonschema. The tiny model wants to say something else each time; at temperature 2 it says nearly anything."""
import json
import math
import random
import re

import pytest

from store_schemas import STORE, short
from test_serve import PIECES, Server, serve, user  # noqa: F401

PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 6}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
                                           "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 2}},
          "required": ["name", "age", "tags"], "additionalProperties": False}
BAD = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
SCHEMA_FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
HOT = {"temperature": 2, "top_k": 0, "top_p": 1, "min_p": 0, "repeat_penalty": 1}


def check(text, schema=PERSON):
    jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema (Debian: python3-jsonschema)")
    value = json.loads(text)
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


def anthropic(s, **more):
    body = dict(user(), max_tokens=300, temperature=1, **more)
    return "".join(b["text"] for b in s.json("POST", "/v1/messages", body)["content"])


def test_every_dialect_has_its_words_for_it(serve):  # noqa: F811
    s = serve()
    chat = s.json("POST", "/api/chat", dict(user(), format=PERSON, stream=False, options=dict(HOT, seed=1)))
    check(chat["message"]["content"])
    assert chat["done_reason"] == "stop"
    got = s.json("POST", "/api/generate", {"model": "tiny", "prompt": "x", "format": PERSON, "stream": False, "options": dict(HOT, seed=2)})
    check(got["response"])
    got = s.json("POST", "/v1/chat/completions", dict(user(), response_format=SCHEMA_FORMAT, seed=3, **HOT))["choices"][0]
    check(got["message"]["content"])
    assert got["finish_reason"] == "stop"
    text = {"format": {"type": "json_schema", "name": "person", "schema": PERSON}}
    got = s.json("POST", "/v1/responses", {"model": "tiny", "input": "x", "text": text, "temperature": 2, "seed": 4})
    check(got["output"][0]["content"][0]["text"])
    assert got["text"]["format"] == text["format"] and got["status"] == "completed"
    check(anthropic(s, output_format={"type": "json_schema", "schema": PERSON}))
    check(anthropic(s, output_config={"format": {"type": "json_schema", "schema": PERSON}}))
    for more in ({"guided_json": PERSON}, {"guided_json": json.dumps(PERSON)}, {"structured_outputs": {"json": PERSON}}, {"json_schema": PERSON}):
        check(s.json("POST", "/v1/chat/completions", dict(user(), **more, **HOT))["choices"][0]["message"]["content"])
    # the empty format of some clients is none
    for format in ("", None):
        assert s.json("POST", "/api/chat", dict(user(), format=format, stream=False))["message"]["content"] == "".join(PIECES)
    assert s.json("POST", "/v1/chat/completions", dict(user(), response_format={"type": "text"}))["choices"][0]["message"]["content"] == "".join(PIECES)


def test_grammars_expressions_choices_and_any_object(serve):  # noqa: F811
    s = serve()
    say = lambda **more: s.json("POST", "/v1/completions", dict(model="tiny", prompt="x", max_tokens=400, **more, **HOT))["choices"][0]  # noqa: E731
    for seed in range(5):
        assert re.fullmatch(r"[a-c]{2,4}-\d", say(guided_regex=r"[a-c]{2,4}-\d", seed=seed)["text"])
        assert say(guided_choice=["yes", "no"], seed=seed)["text"] in ("yes", "no")
        assert say(structured_outputs={"choice": ["maybe"]}, seed=seed)["text"] == "maybe"
        assert re.fullmatch(r"x(ab)+y", say(grammar='root ::= "x" ("ab")+ "y"', seed=seed)["text"])
        assert re.fullmatch(r"x+z", say(guided_grammar='root ::= "x" root2\nroot2 ::= "x" root2 | "z"', seed=seed)["text"])
        for more in ({"response_format": {"type": "json_object"}}, {"guided_json_object": True}):
            got = say(**more, seed=seed)
            assert got["finish_reason"] == "length" or isinstance(json.loads(got["text"]), dict)
    got = s.json("POST", "/api/chat", dict(user(), format="json", stream=False, options=dict(HOT, num_predict=400)))
    assert got["done_reason"] == "length" or isinstance(json.loads(got["message"]["content"]), dict)


@pytest.mark.parametrize("path, body, words", [
    ("/api/chat", dict(user(), format=BAD), "#/properties/a/uniqueItems"),
    ("/api/chat", dict(user(), format="yaml"), 'expected "json"'), ("/api/chat", dict(user(), format=[1]), 'expected "json"'),
    ("/api/generate", {"model": "tiny", "prompt": "x", "format": {"type": "text"}}, "#/type"),
    ("/v1/chat/completions", dict(user(), response_format={"type": "json_schema", "json_schema": {"schema": BAD}}), "#/properties/a/uniqueItems"),
    ("/v1/chat/completions", dict(user(), response_format={"type": "json_schema", "json_schema": {"name": "x"}}), "json_schema.schema"),
    ("/v1/chat/completions", dict(user(), response_format={"type": "xml"}), "'xml'"),
    ("/v1/chat/completions", dict(user(), guided_regex="(a"), "byte 3"), ("/v1/chat/completions", dict(user(), guided_regex=3), "guided_regex"),
    ("/v1/chat/completions", dict(user(), guided_choice=[]), "choice"),
    ("/v1/chat/completions", dict(user(), grammar="x"), "line 1"), ("/v1/chat/completions", dict(user(), structured_outputs={"structural_tag": {}}), "structural_tag"),
    ("/v1/chat/completions", dict(user(), guided_regex="a", guided_choice=["a"]), "another format"),
    ("/v1/responses", {"model": "tiny", "input": "x", "text": {"format": {"type": "json_schema", "schema": BAD}}}, "#/properties/a/uniqueItems"),
    ("/v1/messages", dict(user(), max_tokens=9, output_format={"type": "json_schema", "schema": BAD}), "#/properties/a/uniqueItems"),
    ("/v1/messages", dict(user(), max_tokens=9, output_config={"format": {"type": "x"}}), "output_config.format.type")])
def test_what_cannot_be_enforced_is_an_error_before_anything_runs(serve, path, body, words):  # noqa: F811
    s = serve()
    error = s.json("POST", path, body, status=400)["error"]
    assert words in (error if isinstance(error, str) else error["message"])


def test_streams_several_answers_logprobs_and_stop_strings(serve):  # noqa: F811
    s = serve()
    body = dict(user(), response_format=SCHEMA_FORMAT, seed=7, **HOT)
    whole = s.json("POST", "/v1/chat/completions", dict(body, n=3, logprobs=True, top_logprobs=2))["choices"]
    assert [c["index"] for c in whole] == [0, 1, 2]
    for c in whole:
        check(c["message"]["content"])
        assert bytes(b for t in c["logprobs"]["content"] for b in t["bytes"]).decode() == c["message"]["content"]
    parts = [e for _, e in s.events("/v1/chat/completions", dict(body, stream=True)) if e != "[DONE]"]
    assert "".join(p["choices"][0]["delta"].get("content") or "" for p in parts) == whole[0]["message"]["content"]
    cut = s.json("POST", "/v1/chat/completions", dict(body, stop=['"age"']))["choices"][0]["message"]["content"]
    assert whole[0]["message"]["content"].startswith(cut) and '"age"' not in cut


def test_neighbours_and_drafts_change_nothing(serve):  # noqa: F811
    s = serve()
    body = dict(user(), format=PERSON, stream=False)
    alone = [s.json("POST", "/api/chat", dict(body, options=dict(HOT, seed=i)))["message"]["content"] for i in range(6)]
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        jobs = [pool.submit(s.json, "POST", "/api/chat", dict(body, options=dict(HOT, seed=i % 6))) for i in range(6)]
        free = [pool.submit(s.json, "POST", "/api/chat", dict(user(), stream=False)) for _ in range(6)]
        assert [j.result()["message"]["content"] for j in jobs] == alone
        assert {j.result()["message"]["content"] for j in free} == {"".join(PIECES)}


def test_run_keeps_to_it_alone_and_through_a_server(cli):
    model, schema, grammar = cli.model(PIECES), cli.folder / "person.json", cli.folder / "x.gbnf"
    schema.write_text(json.dumps(PERSON))
    grammar.write_text('root ::= "a" [bc]{3}')
    hot = [x for k, v in dict(HOT, seed=5).items() for x in ("-o", f"{k}={v}")]
    cli.ok("import", model, "tiny")
    alone = cli.ok("run", "tiny", "--local", "--format", schema, "hi", *hot)
    check(alone)
    assert cli.ok("run", "tiny", "--local", "--format", json.dumps(PERSON), "hi", *hot) == alone
    assert re.fullmatch(r"a[bc]{3}\n", cli.ok("run", "tiny", "--local", "--format", grammar, "hi", *hot))
    with Server(cli) as s:
        through = dict(HYPERLAMA_SERVER_HOST=f"{s.host}:{s.port}")
        assert cli.ok("run", "tiny", "--format", schema, "hi", *hot, env=through) == alone
        assert re.fullmatch(r"a[bc]{3}\n", cli.ok("run", "tiny", "--format", grammar, "hi", *hot, env=through))
        refused = cli("run", "tiny", "--format", json.dumps(BAD), "hi", env=through)
        assert refused.returncode == 2 and "#/properties/a/uniqueItems" in refused.stderr
    refused = cli("run", "tiny", "--local", "--format", json.dumps(BAD), "hi")
    assert refused.returncode == 2 and "#/properties/a/uniqueItems" in refused.stderr
    assert cli("run", "tiny", "--local", "--format", "/none.json", "hi").returncode == 7


class Schemas:
    """Random schemas of what people write: small, so that answers end."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def text(self):
        r = self.r
        return r.choice([{"type": "string", "maxLength": r.randint(0, 8)}, {"enum": ["red", "greenish", "b\"l\\u", "é"]}, {"const": "on"},
                         {"type": "string", "minLength": 2, "maxLength": 5}, {"type": "string", "pattern": "^[a-f]{1,3}(-[0-9]+)?$", "maxLength": 9},
                         {"type": "string", "format": r.choice(["date", "time", "date-time", "uuid", "ipv4"])}])

    def number(self):
        r = self.r
        low = r.randint(-300, 300)
        return r.choice([{"type": "integer", "minimum": low, "maximum": low + r.randint(0, 1000)}, {"type": "number", "exclusiveMinimum": low + 0.125, "maximum": low + 2},
                         {"type": "integer", "multipleOf": r.randint(1, 30)}, {"type": "integer"}, {"enum": [1, 2.5, -3]}])

    def schema(self, depth=0):
        r = self.r
        kind = r.choice(["text", "number", "word", "object", "array", "any", "all"][:3 if depth > 2 else 7])
        if kind in ("text", "number"):
            return getattr(self, kind)()
        if kind == "word":
            return r.choice([{"type": "boolean"}, {"type": "null"}, {"type": ["boolean", "null"]}])
        if kind == "array":
            low = r.randint(0, 2)
            return {"type": "array", "items": self.schema(depth + 1), "minItems": low, "maxItems": low + r.randint(0, 2)}
        if kind == "any":
            return {"anyOf": [self.schema(depth + 1) for _ in range(r.randint(1, 3))]}
        names = r.sample(["a", "ab", "b c", "é", 'q"', "n\\", "long_name"], r.randint(0, 4))
        got = {"type": "object", "properties": {n: self.schema(depth + 1) for n in names}, "required": [n for n in names if r.random() < 0.6]}
        if kind == "all":
            return {"allOf": [got, {"properties": {n: True for n in names[:1]}, "required": names[:1]}]}
        if r.random() < 0.3:
            got["additionalProperties"] = False
        return got


def test_answers_to_random_schemas_are_what_they_ask_for(serve):  # noqa: F811
    s = serve()
    ended = 0
    for seed in range(60):
        schema = Schemas(seed).schema()
        got = s.json("POST", "/api/chat", dict(user(), format=schema, stream=False, options=dict(HOT, seed=seed, num_predict=600)))
        if got["done_reason"] == "stop":
            ended += 1
            check(got["message"]["content"], schema)
    assert ended > 40


def test_answers_to_schemas_of_well_known_files_are_what_they_ask_for(serve):  # noqa: F811
    jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema (Debian: python3-jsonschema)")
    s, ended = serve(), {}
    for name, schema in STORE.items():
        judge = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
        for seed in range(3):
            got = s.json("POST", "/v1/chat/completions", dict(user(), response_format={"type": "json_schema", "json_schema": {"name": "f", "schema": short(schema)}}, max_tokens=900, seed=seed, **HOT))
            if got["choices"][0]["finish_reason"] == "stop":
                judge.validate(json.loads(got["choices"][0]["message"]["content"]))
                ended[name] = ended.get(name, 0) + 1
    assert set(STORE) - set(ended) == set(), ended


def test_under_a_grammar_the_distribution_is_the_models_renormalised(serve):  # noqa: F811
    """At temperature 1: counts of what is drawn against the model's own probabilities of what is allowed. Biases make these
    differ; the seeds are fixed, so it is the same draw each time."""
    s = serve()
    bias = {"x": 1.2, "y": 0.3, "z": -1.1, "w": 0}
    ids = {c: s.json("POST", "/v1/tokenize", {"model": "tiny", "content": c, "add_special": False})["tokens"][0] for c in bias}
    n, counts = 0, dict.fromkeys(bias, 0)
    for seed in range(30):
        got = s.json("POST", "/v1/chat/completions", user(max_tokens=3, temperature=1, top_p=1, seed=seed, n=20, guided_choice=list(bias),
                                                         logit_bias={str(ids[c]): b for c, b in bias.items()}))
        for choice in got["choices"]:
            counts[choice["message"]["content"]] += 1
            n += 1
    weights = {c: math.exp(b) for c, b in bias.items()}  # the model itself likes all four alike
    expected = {c: n * w / sum(weights.values()) for c, w in weights.items()}
    chi2 = sum((counts[c] - expected[c]) ** 2 / expected[c] for c in bias)
    assert n == 600 and chi2 < 16.3, (counts, expected)  # three degrees of freedom: one draw in a thousand is further away


NUMBERS = {"type": "number", "minimum": 0.5, "maximum": 70.5, "multipleOf": 0.25}
TOO_LARGE = [({"type": "string", "pattern": "^a{100000}$"}, "#/pattern: ", "states"),
             ({"properties": {f"p{i}": {"type": "string"} for i in range(20010)}}, "#/properties/p19999: ", "20000 different values"),
             ({"properties": {f"p{i}": {"type": "string", "pattern": f"^a{i}$"} for i in range(1001)}}, "#/properties/p1000/pattern: ", "1000 different patterns"),
             ({"allOf": [{"anyOf": [{"properties": {f"a{j}{i}": {"type": "null"}}} for i in range(10)]} for j in range(10)]}, "#/allOf/", "20000 cases"),
             ({"properties": {f"p{i}": dict(NUMBERS, minimum=i + 0.5, maximum=3 * i + 70) for i in range(3000)}}, "#/properties/p", "400000 states"),
             ({"enum": ["x" * 5000] * 1000}, "schema: ", "at most 4194304")]


@pytest.mark.parametrize("schema, place, limit", TOO_LARGE)
def test_a_format_that_is_too_large_says_where_and_what_the_limit_is(serve, schema, place, limit):  # noqa: F811
    s = serve()
    error = s.json("POST", "/v1/chat/completions", user(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}), status=400)["error"]
    assert error["code"] != "context_length_exceeded" and place in error["message"] and limit in error["message"] and error["message"].count("schema, #") < 2


def test_a_large_format_is_not_too_large(serve):  # noqa: F811
    s = serve()
    schema = {"type": "object", "properties": {f"p{i}": {"type": "string", "format": "date"} for i in range(3000)}, "required": ["p2999"]}
    got = s.json("POST", "/v1/chat/completions", user(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}, max_tokens=9))
    assert got["choices"][0]["message"]["content"].lstrip().startswith("{")
