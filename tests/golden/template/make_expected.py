#!/usr/bin/env python3
"""Render every chat template with every context in cases/, as the model libraries do, and record text or error.

  make_expected.py DIR_OF_JINJA_FILES [MODEL.gguf ...]     # writes expected/NAME.json and features_expected.json

Needs: jinja2; gguf for models. The clock stands at 2026-01-02T03:04:05 UTC.
"""
import datetime, glob, hashlib, json, os, sys
import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)


class Generation(jinja2.ext.Extension):
    """{% generation %}...{% endgeneration %}: marks what the assistant said; prints its body."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: NOW.strftime(form)
    return env


def render(source, context):
    try:
        return {"output": environment().from_string(source).render(**context)}
    except jinja2.exceptions.TemplateSyntaxError as e:
        return {"error": e.message, "kind": "syntax", "line": e.lineno}
    except jinja2.exceptions.TemplateError as e:
        return {"error": str(e), "kind": type(e).__name__}
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, ZeroDivisionError, IndexError, SyntaxError) as e:
        return {"error": str(e), "kind": type(e).__name__}


def write(path, head, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.write("{\n" + "".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)},\n" for k, v in head.items())
                + '"cases": {\n' + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in rows.items()) + "\n}\n}\n")


def main():
    sources = {}
    for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.jinja"))):
        sources[os.path.basename(path)[:-6]] = open(path, encoding="utf-8", newline="").read()
    for path in sys.argv[2:]:
        from gguf import GGUFReader
        field = GGUFReader(path).fields.get("tokenizer.chat_template")
        if field:
            sources[os.path.basename(path)[:-5]] = str(bytes(field.parts[-1]), "utf-8")
    cases = {os.path.basename(p)[:-5]: json.load(open(p, encoding="utf-8")) for p in sorted(glob.glob(os.path.join(HERE, "cases", "*.json")))}
    os.makedirs(os.path.join(HERE, "expected"), exist_ok=True)
    for name, source in sources.items():
        rows = {c: render(source, context) for c, context in cases.items()}
        write(os.path.join(HERE, "expected", name + ".json"), {"template": name, "sha256": hashlib.sha256(source.encode()).hexdigest()}, rows)
        print(f"{name}: {sum('output' in r for r in rows.values())} rendered, {sum('error' in r for r in rows.values())} errors",
              sorted({r["kind"] + ": " + r["error"][:50] for r in rows.values() if "error" in r and r["kind"] not in ("TemplateError",)})[:6])
    features = os.path.join(HERE, "features.json")
    if os.path.exists(features):
        given = json.load(open(features, encoding="utf-8"))
        rows = [{"template": f, **render(f, given["context"])} for f in given["templates"]]
        with open(os.path.join(HERE, "features_expected.json"), "w", encoding="utf-8") as f:
            f.write('{\n"context": ' + json.dumps(given["context"], ensure_ascii=False) + ',\n"templates": [\n'
                    + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]\n}\n")
        print(len(rows), "features,", sum("error" in r for r in rows), "errors")


if __name__ == "__main__":
    main()
