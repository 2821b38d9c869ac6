#!/usr/bin/env python3
"""Write splits/FAMILY.json: the pieces into which each pre-tokenizer cuts the strings of corpus.json.

A family is a list of patterns applied one after the other: every piece that exists so far is cut at each match of the
next pattern; the matches become pieces, and so does what lies between them. PATTERNS.md says where each comes from.
The pieces are computed with the Python `regex` module and, where the published tokenizer.json pipeline can be written
down for the `tokenizers` library, checked against it; a difference ends the program.

  make_splits.py            # needs: regex, tokenizers
"""
import json, os
import regex
from tokenizers import Regex, pre_tokenizers as pt

HERE = os.path.dirname(os.path.abspath(__file__))

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join([rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SHORT}", rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SHORT}",
                  r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"])
TEKKEN = O200K.replace(SHORT, "").replace(r"\p{N}{1,3}", r"\p{N}")
DS_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377"
    "\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-"
    "\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-"
    "\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-"
    "\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115"
    "\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-"
    "\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-"
    "\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-"
    "\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943")
DS_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
V3_MAIN = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
           r"""|\s*[\r\n]+|\s+(?!\S)|\s+""")

BLOOM = r" ?[^(\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
BAILING = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
JAIS2 = LLAMA3[:-len(r"\s+(?!\S)|\s+")] + "".join(rf"\s{{{n}}}(?!\S)|" for n in (512, 256, 128, 64, 32, 16, 8, 4, "1,2")) + r"\s{1}"
YOUTU = ("[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+"
         "|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+")
EXAONE_MOE = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"
              r"|\s*[\r\n]|\s+(?!\S)|\s+")
K_UPPER, K_LOWER = (rf"(?:(?!\p{{Script=Han}}){letters})" for letters in (UPPER, LOWER))
KIMI = "|".join([r"\p{Script=Han}+", rf"[^\r\n\p{{L}}\p{{N}}]?{K_UPPER}*{K_LOWER}+{SHORT}", rf"[^\r\n\p{{L}}\p{{N}}]?{K_UPPER}+{K_LOWER}*{SHORT}",
                 r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"])
CHAMELEON = [r"<sentinel:[0-9]+>", r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2]

FAMILIES = {
    "gpt-2": [GPT2],
    "llama3": [LLAMA3],
    "qwen2": [QWEN2],
    "gpt-4o": [O200K],
    "tekken": [TEKKEN],
    "smollm": [r"\p{N}", GPT2],
    "deepseek-llm": [r"[\r\n]", rf"\s?[{DS_LETTERS}]+", r"\s?" + "[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$", DS_CJK, r"\p{N}"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DS_CJK, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", V3_MAIN],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
}
FAMILIES.update({
    "seed-coder": [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "bloom": [BLOOM],
    "viking": [BLOOM, r"\p{N}"],
    "bailingmoe": [BAILING],
    "laguna": [r"[^\n]+|[\n]+", QWEN2],
    "jais-2": [JAIS2],
    "youtu": [YOUTU, O200K.replace(r"\p{N}{1,3}", r"\p{N}")],
    "exaone-moe": [EXAONE_MOE],
    "kimi-k2": [KIMI],
    "chameleon": CHAMELEON,
})
FAMILIES["command-r"] = FAMILIES["starcoder"] = FAMILIES["smollm"]


def cut(patterns, text):
    pieces = [text] if text else []
    for p in patterns:
        rx, out = regex.compile(p), []
        for piece in pieces:
            at = 0
            for m in rx.finditer(piece):
                if m.end() == m.start():
                    continue
                if m.start() > at:
                    out.append(piece[at:m.start()])
                out.append(m.group())
                at = m.end()
            if at < len(piece):
                out.append(piece[at:])
        pieces = out
    return pieces


def split(p):
    return pt.Split(Regex(p), "isolated")


def byte_level(use_regex):
    return pt.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def digits():
    return pt.Digits(individual_digits=True)


# the published pipelines, as their tokenizer.json has them
PUBLISHED = {
    "gpt-2": [byte_level(True)],
    "llama3": [split(LLAMA3), byte_level(False)],
    "qwen2": [split(QWEN2), byte_level(False)],
    "gpt-4o": [split(O200K), byte_level(False)],
    "tekken": [split(TEKKEN), byte_level(False)],
    "smollm": [digits(), byte_level(True)],
    "command-r": [digits(), byte_level(True)],
    "starcoder": [digits(), byte_level(True)],
    "deepseek-llm": [split(p) for p in FAMILIES["deepseek-llm"][:5]] + [digits(), byte_level(False)],
    "deepseek-coder": [split(p) for p in FAMILIES["deepseek-coder"][:4]] + [digits(), byte_level(False)],
    "deepseek-v3": [split(p) for p in FAMILIES["deepseek-v3"]] + [byte_level(False)],
    # without its third step, Digits(individual_digits=False): see PATTERNS.md
    "falcon": [pt.Punctuation("contiguous"), byte_level(True), split(r"[0-9][0-9][0-9]")],
}


def main():
    texts = json.load(open(os.path.join(HERE, "corpus.json")))
    os.makedirs(os.path.join(HERE, "splits"), exist_ok=True)
    for name, patterns in FAMILIES.items():
        # kimi-k2 is published for tiktoken, whose syntax `tokenizers` does not read; the others as a list of splits
        if name == "kimi-k2":
            pipeline = None
        else:
            pipeline = pt.Sequence(PUBLISHED.get(name) or [split(p) for p in patterns] + [byte_level(False)])
        pieces = []
        for text in texts:
            mine = cut(patterns, text)
            assert "".join(mine) == text, (name, text)
            theirs = [text[a:b] for _, (a, b) in pipeline.pre_tokenize_str(text)] if text and pipeline else []
            assert mine == theirs or not pipeline, (name, text, mine, theirs)
            pieces.append([len(p.encode()) for p in mine])
        print(f"{name}: {len(texts)} strings")
        with open(os.path.join(HERE, "splits", name + ".json"), "w", encoding="utf-8") as f:
            f.write("{\n" + f'"family": {json.dumps(name)},\n"patterns": {json.dumps(patterns)},\n'
                    f'"piece_bytes": [\n' + ",\n".join(json.dumps(p, separators=(",", ":")) for p in pieces) + "\n]\n}\n")


if __name__ == "__main__":
    main()
