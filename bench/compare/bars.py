"""What is to be reached, against whom: the rows that the report checks.

A row: the metric and where it is taken, the models it is for, and what must hold. The first row that fits counts.
Models are told by their file names: NAME-TYPE.gguf.
"""
LLAMA, IK = "llama.cpp", "ik_llama.cpp"

# (metric, sizes it holds for: None all, types: None all, a word in the model's name or "", demands)
# A demand: (what, factor): at least `factor` times `what`, or "ms" at most so many.
BARS = [
    ("prefill", (128, 256, 512), None, "moe", [(LLAMA, 3.0), (IK, 1.15)]),
    ("prefill", (128, 256, 512), {"q4_k_m"}, "", [(LLAMA, 3.0), (IK, 1.5)]),
    ("prefill", (128, 256, 512), {"q5_k_m", "q6_k", "q8_0", "q4_0", "q4_1"}, "", [("best", 1.5)]),
    ("prefill", (128, 256, 512), {"iq4_xs", "iq4_nl", "mxfp4"}, "", [(IK, 1.15)]),
    ("prefill", (128, 256, 512), {"bf16"}, "", [(LLAMA, 1.6)]),
    ("prefill", (128, 256, 512), {"f16"}, "", [(LLAMA, 1.25)]),
    ("prefill", (1024, 2048, 4096), None, "", [(LLAMA, 4.0), (IK, 1.4)]),
    ("decode", (0,), {"q4_k_m"}, "8b", [("limit", 0.9), ("best", 1.0)]),
    ("decode", (0,), {"q4_k_m", "q5_k_m"}, "1b", [("limit", 0.9), ("best", 1.2)]),
    ("decode", (0,), {"q6_k", "iq4_xs", "q8_0"}, "1b", [("limit", 0.9), ("best", 1.1)]),
    ("decode", (0,), None, "", [("limit", 0.9)]),
    ("decode", (1024, 2048, 4096), None, "", [("best", 1.3)]),
    ("rows", (8,), {"q4_k_m"}, "1b", [("best", 3.0), ("one_row", 4.0)]),
    ("rows", (8,), {"q4_k_m"}, "8b", [("best", 3.0), ("one_row", 4.0)]),
    ("start", (16,), None, "1b", [("ms", 150.0)]),
    ("peak", (0,), None, "", [("plan", 1.0), (LLAMA, 1.0)]),
    ("kept_prefill", None, None, "", [("self", 0.45)]),
    ("kept_decode", None, None, "", [("self", 0.45)]),
    ("decode_q8_0", (1024, 2048, 4096), None, "", [("f16", 1.0)]),
]
WORDS = {"best": "the better peer", "limit": "of the streaming read", "one_row": "one row", "plan": "file + cache + 64 MiB",
         "self": "of the speed alone", "f16": "f16 cache"}


def find(metric, n, model):
    """The demands on a value, [] when there are none."""
    stem = model.rsplit(".", 1)[0].lower()
    kind = stem.rsplit("-", 1)[-1]
    for m, sizes, types, word, demands in BARS:
        if m == metric and (sizes is None or n in sizes) and (types is None or kind in types) and word in stem:
            return demands
    return []


def check(demands, value, against):
    """[(text, met: True, False or None when there is nothing to compare with)]; `against`: what -> value."""
    out = []
    for what, factor in demands:
        if what == "ms":
            out.append((f"<= {factor:.0f} ms", value <= factor))
            continue
        at_most = what == "plan" or against.get("is_less_better")
        base = against.get(what)
        text = f"{'<=' if at_most else '>='} {factor:g} x {WORDS.get(what, what)}"
        if what in ("limit", "self"):
            text = f">= {factor * 100:.0f} % {WORDS[what]}"
        out.append((text, None if base is None else value <= factor * base if at_most else value >= factor * base))
    return out
