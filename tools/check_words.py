#!/usr/bin/env python3
"""Words that were retired for the field's own: one line each, with what to say instead. Logs of what was tried keep theirs."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RETIRED = [  # (pattern, say instead, files where the word means something else)
    (r"\bguess(es|ed|ing)?\b", "draft, drafted, speculative decoding", r"models|store|gguf|gotemplate"),
    (r"\bhl_(luck|pace)\w*", "hl_accept_rates, hl_draft_budget", ""),
    (r"\bluck\b", "acceptance rate; chance", ""),
    (r"\bintruder\b", "interfering prompt", ""),
    (r"\b(max_gap|gap_p\d+)\w*", "inter-token latency: max_itl_ms, itl_p50", ""),
    (r"\bpieces of prompts?\b|\bread in pieces\b", "chunks, chunked prefill", ""),
    (r"\bhand(s|ed)? out tokens?\b", "emit", ""),
    (r"\b(one token|tokens?) behind \d", "at depth", ""),
    (r"\bbids?\b", "proposal", ""),
    (r"\b(disputed|rivals?)\b", "tie, alternative", ""),
    (r"\bsecond_shares\b|\bother ways taken\b", "top-2 candidates, branches", ""),
    (r"\bn_missed\b", "consecutive rejects", ""),
    (r"\bn_pieces\b", "n_planes", r"tokenizer|test_chat_json"),
    (r"\brows_(mixed|alone)\b|\brows of prompts\b", "tokens of prompts, prefill budget", ""),
    (r"\bhl_(run|segment)\b", "hl_seq_span, hl_block_span", ""),
    (r"\bask_(ahead|first)\b", "prefetch", ""),
    (r"\bn_known\b|\bits known blocks\b", "n_cached, cached blocks", ""),
    (r"\bseams?\b", "marker, sentinel", r"core/(base/mem\.c|README)|CONTRIBUTING"),
    (r"\bwhy_stale\b", "why_ended", ""),
    (r"\bhl_loaded\b", "hl_resident", ""),
    (r"\bwide_scale_layers\b", "query_pre_attn_scalar_layers", ""),
    (r"\b(hl_act_kind|HL_ACT_(SWIGLU|GEGLU))\b", "hl_activation", ""),
    (r"\bhl_t(v|n|nk|op|run|tok|def|sym)\b|\bHL_T(K|N|F|TOK|FLOW)_", "hl_tmpl_value, hl_tmpl_node and so on", ""),
    (r"\bhl_kv_type\b|\bHL_KV_(f16|f32|bf16|q8_0)\b", "hl_kv_cache_type", ""),
    (r"\b(the|its|their|a) begin\b", "start", ""),
    (r"\bwho asks\b", "whoever asks", ""),
    (r"\banew\b", "again", ""),
    (r"\bbesides\b", "also; beyond; apart from", ""),
]
SKIP = ("bench/results/", "docs/mutants.md", "tools/check_words.py", "tests/golden/", "tests/fuzz/corpus/")


def main():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    bad = []
    for path in (p for p in listed if p.endswith((".c", ".h", ".def", ".md", ".py", ".mk", ".sh")) and not p.startswith(SKIP)):
        if not (ROOT / path).is_file():
            continue
        for number, line in enumerate((ROOT / path).read_text(errors="replace").split("\n"), 1):
            for pattern, instead, elsewhere in RETIRED:
                hit = re.search(pattern, line)
                if hit and not (elsewhere and re.search(elsewhere, path)):
                    bad.append(f"{path}:{number}: '{hit.group()}' is retired; say {instead}")
    print("\n".join(bad) if bad else f"words: none of {len(RETIRED)} retired ones is left")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
