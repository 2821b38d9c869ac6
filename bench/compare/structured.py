#!/usr/bin/env python3
"""Answers of a given form: `hyperlama serve` beside `llama-server`, over HTTP, with the same file and the same schemas.

  structured.py --hyperlama out/release/hyperlama [--llama-server PATH] [--rows ...] [--rounds 5] MODEL.gguf

Both run all the time and are asked in turns; medians of all rounds, ratios of the medians, every value to --tsv.

  object   an object of 20 fields (enumerations, numbers, booleans, texts of at most 12 characters), /v1/chat/completions
           with response_format: time of the whole answer
  onoff    tokens/s of --tokens tokens of text, held to a schema that allows any text, and held to nothing
  same     hyperlama alone: held to a grammar that allows anything, and held to nothing, so that both texts, and what is drafted of them, are the same
  first    first token with a schema of 200 properties that is new, and with one that was seen, less that without one
"""
import argparse, json, http.client, os, random, statistics, sys, time

import serving

KINDS = [lambda i: {"enum": [f"red{i}", f"green{i}", f"dark blue {i}"]}, lambda i: {"type": "integer", "minimum": 0, "maximum": 999},
         lambda i: {"type": "boolean"}, lambda i: {"type": "string", "maxLength": 12}, lambda i: {"type": "number", "minimum": 0, "maximum": 99}]
NAMES = ("name street_address city postal_code country_of_birth is_member account_number favourite_colour number_of_children last_visit "
         "preferred_language shipping_method discount_percent has_newsletter phone_kind invoice_total rating comment_text status priority").split()


def schema_of(n, salt):
    properties = {(NAMES[i] if n == len(NAMES) else f"field_{salt}_{i}"): KINDS[i % len(KINDS)](f"{salt}{i}") for i in range(n)}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def ask(p, prompt, schema=None, max_tokens=900, stream=False, **more):
    """(seconds to the first piece, seconds of all, the answer's text, its tokens)"""
    body = {"model": p.model, "messages": [{"role": "user", "content": prompt}], "max_tokens": max_tokens, "temperature": 0, "stream": stream, **p.extra, **more}
    if stream:
        body["stream_options"] = {"include_usage": True}
    if schema:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=600)
    data = json.dumps(body)
    began = time.perf_counter()
    c.request("POST", "/v1/chat/completions", data, {"Content-Type": "application/json"})
    r = c.getresponse()
    if r.status != 200:
        raise SystemExit(f"{type(p).__name__}: {r.status} {r.read()[:300]}")
    if not stream:
        got = json.loads(r.read())
        all_s = time.perf_counter() - began
        return all_s, all_s, got["choices"][0]["message"]["content"], got["usage"]["completion_tokens"]
    first, said, n = None, [], 0
    for line in r:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        event = json.loads(line[6:])
        piece = event["choices"][0]["delta"].get("content") if event.get("choices") else None
        if piece:
            first = first or time.perf_counter() - began
            said.append(piece)
        n = (event.get("usage") or {}).get("completion_tokens", n)
    return first or 0, time.perf_counter() - began, "".join(said), n


def row_object(p, i, a):
    schema, total, tokens = schema_of(20, ""), 0, 0
    for k in range(a.answers):
        _, s, text, n = ask(p, f"Describe customer number {100 * i + k} as JSON.", schema)
        value = json.loads(text)
        if list(value) != NAMES:
            raise SystemExit(f"{type(p).__name__}: not an object of the schema: {text[:200]}")
        total, tokens = total + s, tokens + n
    return {"object": (1e3 * total / a.answers, "ms"), "object_tokens": (tokens / a.answers, "tokens of an answer")}


def row_onoff(p, i, a):
    """Behind the first token, so that prompts do not count; both texts are as long. At temperature 1, so that neither repeats
    itself, which would be drafted."""
    out = {}
    for name, schema in (("on", {"type": "string", "minLength": 12 * a.tokens}), ("off", None)):
        more = {"temperature": 1, "seed": i, **({} if schema else {"ignore_eos": True})}
        first, s, text, n = ask(p, f"Tell a long story about ship number {i}.", schema, a.tokens, True, **more)
        if n != a.tokens:
            print(f"{type(p).__name__} {name}: {n} tokens instead of {a.tokens}", file=sys.stderr)
        out[name] = ((n - 1) / (s - first), "tokens/s")
    out["on/off"] = (out["on"][0] / out["off"][0], "x")
    return out


def row_same(p, i, a):
    """What the grammar itself costs: the two texts are compared."""
    out, texts = {}, set()
    if not isinstance(p, serving.Hyperlama):
        return out
    for name, more in (("held", {"guided_grammar": "root ::= %free"}), ("free", {}))[::1 if i % 2 == 0 else -1]:
        first, s, text, n = ask(p, f"Tell a long story about ship number {i}.", None, a.tokens, True, temperature=1, seed=i, ignore_eos=True, **more)
        out[f"same_{name}"] = ((n - 1) / (s - first), "tokens/s")
        texts.add(text)
    if len(texts) != 1:
        raise SystemExit("a grammar that allows anything changed the text")
    out["same held/free"] = (out["same_held"][0] / out["same_free"][0], "x")
    return out


def row_first(p, i, a):
    prompt = "Describe a customer as JSON."
    times = {"none": [], "new": [], "known": []}
    ask(p, prompt, schema_of(200, "w"), 1, True)
    for k in range(6):
        salt = f"{os.getpid()}_{i}_{k}_{p.port}"
        times["none"].append(ask(p, prompt, None, 6, True)[0])
        times["new"].append(ask(p, prompt, schema_of(200, salt), 6, True)[0])
        times["known"].append(ask(p, prompt, schema_of(200, salt), 6, True)[0])
    m = {k: 1e3 * statistics.median(v) for k, v in times.items()}
    return {"first_none": (m["none"], "ms"), "first_new": (m["new"] - m["none"], "ms more"), "first_known": (m["known"] - m["none"], "ms more")}


ROWS = {"object": row_object, "onoff": row_onoff, "same": row_same, "first": row_first}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperlama", required=True)
    parser.add_argument("--llama-server")
    parser.add_argument("--rows", default="object,onoff,first")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--answers", type=int, default=2, help="of each round of `object`")
    parser.add_argument("--tokens", type=int, default=128, help="of each text of `onoff`")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--tsv")
    parser.add_argument("model")
    a = parser.parse_args()
    a.tiny = None
    programs = {"hyperlama": serving.Hyperlama(a)}
    values = {}
    try:
        if a.llama_server:
            programs["llama-server"] = serving.LlamaServer(a)
        for p in programs.values():
            ask(p, "Hello", None, 2)
        for row in a.rows.split(","):
            for i in range(a.rounds):
                for who in list(programs)[::1 if i % 2 == 0 else -1]:
                    for name, (value, unit) in ROWS[row](programs[who], i, a).items():
                        values.setdefault((name, unit), {}).setdefault(who, []).append(value)
                        print(f"{name}\t{who}\t{i}\t{value:.3f}\t{unit}", file=sys.stderr, flush=True)
    finally:
        for p in programs.values():
            p.stop()
    if a.tsv:
        with open(a.tsv, "a") as f:
            for (name, unit), sides in values.items():
                for who, each in sides.items():
                    f.writelines(f"{os.path.basename(a.model)}\t{name}\t{who}\t{i}\t{x:.4f}\t{unit}\n" for i, x in enumerate(each))
    print(f"\n| {os.path.basename(a.model)} | " + " | ".join(programs) + (" | hyperlama / llama-server |" if len(programs) > 1 else " |"))
    print("| --- |" + " --- |" * (len(programs) + (len(programs) > 1)))
    for (name, unit), sides in values.items():
        m = {who: statistics.median(x) for who, x in sides.items()}
        cells = [f"{m[w]:.2f}" if w in m else "-" for w in programs]
        if len(programs) > 1 and len(m) < 2:
            cells.append("-")
        elif len(programs) > 1:
            cells.append(f"{m['hyperlama'] / m['llama-server']:.2f}" if m["llama-server"] else "-")
        print(f"| {name}, {unit} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    sys.exit(main())
