"""/openapi.json is true: every route and field is in it, and bodies made from it never end in a failure of the server."""
import json
import pathlib
import random
import re

import pytest

from test_serve import serve  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "integer": int, "number": float}
ROUTE = re.compile(r'^HL_ROUTE\((\w+), *"([^"]+)", *(\w+), *(\w+), *([\w |]+)\)', re.M)


def conforms(value, schema):
    """Enough of JSON schema for what the document holds."""
    if "const" in schema:
        return value == schema["const"]
    types = schema.get("type", [])
    if types and not any(value is None if t == "null" else isinstance(value, TYPES[t]) for t in ([types] if isinstance(types, str) else types)):
        return False
    return all(k in value for k in schema.get("required", [])) and all(conforms(value[k], s) for k, s in schema.get("properties", {}).items() if k in value)


def test_every_route_and_method_is_described(serve):
    document = serve().json("GET", "/openapi.json")
    assert document["openapi"] == "3.1.0" and document["info"]["title"] == "hyperlama"
    routes = ROUTE.findall((ROOT / "server/routes.def").read_text())
    assert len(routes) > 30
    described = {(m.upper(), p): (p, o) for p, methods in document["paths"].items() for m, o in methods.items()}
    assert set(described) == {(m, p.replace("...", "")) for m, p, *_ in routes}
    assert len({o["operationId"] for _, o in described.values()}) == len(described)
    for method, path, handler, dialect, flags in routes:
        operation = described[method, path.replace("...", "")][1]
        assert operation["tags"] == [dialect] and ("requestBody" in operation) == ("HL_R_BODY" in flags or "HL_R_UPLOAD" in flags), path
        assert [p["name"] for p in operation["parameters"] if p["in"] == "path"] == re.findall(r"\{(\w+)", path)
        assert "200" in operation["responses"], handler
        ref = operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"]
        assert ref.split("/")[-1] == f"error_{dialect}" and ref.split("/")[-1] in document["components"]["schemas"]


def test_every_field_that_a_handler_reads_is_described():
    described = set(re.findall(r"^HL_(?:FIELD|RANGE|WORDS|OPTION)\(\w+, (\w+),", (ROOT / "server/body_fields.def").read_text(), re.M))
    missing = set()
    for path in [*(ROOT / "server/api").glob("*.c"), ROOT / "server/completion.c"]:
        for name in re.findall(r'(?:hl_field_\w+|json_object_get|hl_completion_set_budget|hl_json_text)\((?:c, )?(?:c->body|\(\*ret\)->body|\*ret_body|body), "(\w+)"', path.read_text()):
            missing |= {(path.name, name)} - {(path.name, d) for d in described}
    assert not missing


class Maker:
    """Bodies by the schema of a route: of the right types, or with one field of a wrong one."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def anything(self, depth=0):
        r = self.random
        kinds = [lambda: None, lambda: r.random() < 0.5, lambda: r.randint(-3, 50), lambda: r.uniform(-2, 2), self.text,
                 lambda: [self.anything(depth + 1) for _ in range(r.randint(0, 3))],
                 lambda: {self.text(): self.anything(depth + 1) for _ in range(r.randint(0, 3))},
                 lambda: {"type": r.choice(["text", "function", "message", "x"]), "role": r.choice(["user", "assistant", "tool", "king"]),
                          "content": self.anything(depth + 1), "name": self.text()}]
        return r.choice(kinds[:5] if depth > 3 else kinds)()

    def text(self):
        return "".join(self.random.choice("ab \n\0\"\\{%<|é\U0001f600") for _ in range(self.random.randint(0, 9)))

    def value(self, types):
        kind = self.random.choice(types)
        if kind == "array":
            return [self.anything() for _ in range(self.random.randint(0, 3))]
        if kind == "object":
            return {self.random.choice(["type", "effort", "max_tokens", "content", self.text()]): self.anything() for _ in range(self.random.randint(0, 3))}
        return {"null": None, "boolean": self.random.random() < 0.5, "integer": self.random.randint(-2, 30), "number": self.random.uniform(-1, 2),
                "string": self.text()}[kind]

    def body(self, schema, path):
        body = {}
        for name, field in schema["properties"].items():
            types = field.get("type", list(TYPES))
            if name in schema["required"] or self.random.random() < 0.2:
                body[name] = self.value([types] if isinstance(types, str) else types)
        return {**body, **sane(path, schema)}


def sane(path, schema):
    """What keeps the rest alive: a model that is there, an answer that ends, a model that stays."""
    known = {"model": "none" if path == "/api/delete" else "tiny", "max_tokens": 9, "max_output_tokens": 9, "destination": "copy", "keep_alive": 60, "n": 2,
             "num_ctx": 512, "source": "tiny"}
    also = {"messages": [{"role": "user", "content": "hi"}]} if path != "/api/show" else {}
    return {k: v for k, v in {**known, **also}.items() if k in schema["properties"]} | ({"name": "none"} if path == "/api/delete" else {})


def bodies_of(document):
    return [(m.upper(), p, o["requestBody"]["content"]["application/json"]["schema"], document["components"]["schemas"]["error_" + o["tags"][0]])
            for p, methods in document["paths"].items() for m, o in methods.items() if "application/json" in o.get("requestBody", {}).get("content", {})]


@pytest.mark.parametrize("seed", range(4))
def test_bodies_of_the_right_types_never_end_in_a_failure(serve, seed):
    s, make = serve(), Maker(seed)
    for method, path, schema, error in bodies_of(s.json("GET", "/openapi.json")):
        for i in range(12):
            body = make.body(schema, path)
            if i % 2 == 0 and "messages" in schema["properties"]:
                body["messages"] = make.value(["array"])
            status, data, headers = s.ask(method, path, body)
            assert status in (200, 400, 404, 413, 501), (status, path, body, data)
            if status >= 400:
                assert headers["Content-Type"].startswith("application/json") and conforms(json.loads(data), error), (path, body, data)
            elif headers["Content-Type"].startswith("application/json") and data:
                json.loads(data)
    assert s.json("GET", "/health") == {"status": "ok"}


def test_a_field_of_another_type_is_named(serve):
    s, n = serve(), 0
    for method, path, schema, error in bodies_of(s.json("GET", "/openapi.json")):
        for name, field in schema["properties"].items():
            types = field.get("type")
            if not types:
                continue
            for wrong in ([1], {"x": 1}, True, 3, "text"):
                allowed = {dict: "object", list: "array", bool: "boolean", int: "integer", str: "string"}[type(wrong)]
                if allowed in types or ("integer" in types or "number" in types) and allowed in ("integer", "string"):
                    continue
                status, data, _ = s.ask(method, path, {**sane(path, schema), name: wrong})
                assert status == 400 and conforms(json.loads(data), error), (path, name, wrong, status, data)
                assert name in data.decode(), (path, name, wrong, data)
                n += 1
    assert n > 200


def limited(schema, path=()):
    """(keys to it, schema) of every field that has words or a range, those of objects and lists of objects included."""
    for name, field in schema.get("properties", {}).items():
        if "enum" in field or "minimum" in field:
            yield (*path, name), field
        yield from limited(field, (*path, name))
        yield from limited(field.get("items", {}), (*path, name, 0))


def nested(keys, value):
    """The body's field that has the value at the end of these keys: messages, 0, role."""
    for key in reversed(keys[1:]):
        value = [{"content": "hi", **value}] if key == 0 else {key: value}
    return {keys[0]: value}


def test_ranges_and_words_are_what_it_says(serve):
    s, n = serve(), 0
    for method, path, schema, error in bodies_of(s.json("GET", "/openapi.json")):
        for keys, field in limited(schema):
            ask = lambda value: s.ask(method, path, {**sane(path, schema), **nested(keys, value)})
            where = ".".join(str(k) for k in keys).replace(".0", "[0]")
            words = [w for w in field.get("enum", []) if w is not None]
            wrong = ["wizard", "", words[0] + "x", 3] if words else [field["minimum"] - 1, field["maximum"] + 1, [1]]
            for value in wrong:
                status, data, _ = ask(value)
                assert status == 400 and conforms(json.loads(data), error) and where in data.decode(), (path, where, value, status, data)
                n += 1
            null = [None] if "null" in field["type"] else []
            for value in [*words, *(w.upper() for w in words[:1]), *null] if words else [field["minimum"], *null]:
                status, data, _ = ask(value)
                assert not re.search(rf'"{re.escape(where)}: .*(out of range|expected one of)', data.decode()), (path, where, value, data)
    assert n > 150


def test_bodies_that_are_no_objects_are_refused(serve):
    s = serve()
    for method, path, _, error in bodies_of(s.json("GET", "/openapi.json")):
        for body in ("", "[]", "3", "{", '{"model": "tiny"', "null", "\xff", '{"a": 1} x'):
            status, data, _ = s.ask(method, path, body.encode("latin-1"))
            assert status in (400, 501) and conforms(json.loads(data), error), (path, body, data)
