#!/usr/bin/env python3
"""Who may include whom: the table of ARCHITECTURE.md, checked. No exceptions file."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)
OTHERS = {  # libraries that are not libc, by what their headers begin with
    "jansson": r"jansson\.h", "crypto": r"openssl/", "zlib": r"zlib\.h", "zstd": r"zstd\.h", "curl": r"curl/",
    "pcre2": r"pcre2", "utf8proc": r"utf8proc", "sqlite": r"sqlite3\.h", "inih": r"ini\.h", "libedit": r"histedit\.h",
    "microhttpd": r"microhttpd\.h"}
# folder: (our headers it may include beyond its own folder, libraries)
RULES = {
    "include/hyperlama": (["hyperlama/"], []),
    "core/base": (["hyperlama/base.h", "hyperlama/status.def"], []),
    "core/gguf": (["core/base/", "hyperlama/base.h"], []),
    "core": (["core/", "hyperlama/base.h"], ["jansson", "crypto", "zlib", "zstd", "curl", "inih"]),
    # Inside engine, bottom-up; what a header brings along counts as its includer's.
    "engine/quant": (["core/gguf/types", "core/base/mem.h", "hyperlama/base.h"], []),
    "engine/pack": (["engine/quant/", "engine/kernels/cpu.h", "core/gguf/types", "core/base/mem.h", "hyperlama/base.h"], []),
    "engine/quantize": (["engine/pack/", "engine/quant/", "engine/parallel/", "engine/model_priv.h", "core/base/", "core/gguf/", "hyperlama/base.h", "hyperlama/engine.h", "hyperlama/quantize.h"], []),
    "engine/arch": (["core/base/", "core/gguf/", "hyperlama/base.h"], []),
    "engine/parallel": (["engine/kernels/", "engine/quant/", "core/base/", "core/gguf/", "hyperlama/base.h"], []),
    "engine/kv": (["engine/kernels/", "engine/parallel/", "core/base/", "core/gguf/", "hyperlama/base.h"], []),
    "engine/forward": (["engine/arch/", "engine/kernels/", "engine/quant/", "engine/parallel/", "engine/kv/", "engine/model_priv.h", "engine/lora.h", "engine/expert_pages.h", "engine/capacities.def", "core/base/",
                        "core/gguf/", "hyperlama/base.h", "hyperlama/engine.h"], []),
    "engine/speculate": (["engine/forward/", "engine/kv/", "engine/model_priv.h", "engine/capacities.def", "core/base/", "hyperlama/base.h", "hyperlama/engine.h"], []),
    "engine/sched": (["engine/build_commit.h", "engine/forward/", "engine/kv/", "engine/speculate/", "engine/sampler/", "engine/model_priv.h", "engine/lora.h", "engine/capacities.def", "engine/admit.h", "engine/trace.h", "core/base/",
                      "hyperlama/"], []),
    "engine/tokenizer": (["core/base/", "core/gguf/", "hyperlama/base.h", "hyperlama/tokenizer.h"], ["pcre2", "utf8proc"]),
    "engine/template": (["core/base/", "core/data/json.h", "hyperlama/base.h"], ["jansson", "utf8proc"]),
    "engine/gotemplate": (["core/base/", "core/data/json.h", "hyperlama/base.h"], ["jansson", "utf8proc"]),
    "engine/toolcalls": (["core/base/", "core/data/json.h", "hyperlama/base.h"], ["jansson"]),
    "engine/sampler": (["core/base/", "hyperlama/base.h", "hyperlama/sampler.h", "hyperlama/sampler.def"], []),
    "engine/grammar": (["core/base/", "core/data/json.h", "hyperlama/base.h", "hyperlama/format.h"], ["jansson", "utf8proc"]),
    "engine/runner": (["engine/", "runner/runner_ops.h", "core/base/", "core/gguf/", "core/data/json.h", "hyperlama/"], ["jansson"]),
    "engine/kernels": (["engine/quant/", "core/gguf/types", "core/base/mem.h", "hyperlama/base.h", "hyperlama/kv_cache_type.h"], []),
    "runner": (["runner/", "core/base/", "hyperlama/"], []),
    # Its own files: engine, model, session.
    "engine": (["engine/model_priv.h", "engine/lora.h", "engine/expert_pages.h", "engine/capacities.def", "engine/admit.h", "engine/trace.h", "engine/arch/", "engine/forward/", "engine/kernels/", "engine/kv/",
                "engine/parallel/", "engine/quant/", "engine/tokenizer/", "core/base/", "core/gguf/", "hyperlama/base.h", "hyperlama/engine.h", "hyperlama/adapter.h", "hyperlama/experts.h"], []),
    "cli/term": (["cli/app.h", "core/base/", "hyperlama/"], ["libedit"]),
    "models": (["models/", "core/", "hyperlama/base.h"], ["sqlite", "jansson"]),
    "host": (["host/", "core/", "runner/runner_ops.h", "models/models.h", "models/registry.h", "models/convert/convert.h", "hyperlama/"], ["jansson"]),
    "server": (["server/", "core/", "hyperlama/", "models/models.h", "models/registry.h", "host/host.h", "host/create.h", "host/resident.h", "host/options.h", "host/conversation.h", "host/remote/usage_fields.def", "host/remote/remote_model.h"], ["jansson", "microhttpd", "zlib", "zstd"]),
    "bench/lib": (["bench/lib/", "core/", "hyperlama/", "models/models.h", "models/registry.h", "host/host.h"], []),
    "cli": (["cli/", "bench/lib/", "core/", "hyperlama/", "models/models.h", "models/registry.h", "host/host.h", "host/create.h", "host/resident.h", "host/options.h", "host/conversation.h", "host/remote/runner_server.h", "host/remote/supervisor.h", "host/remote/remote_model.h", "server/server.h"], ["libedit"]),
}

# Headers for some files of their component alone: (who may include it).
NARROW = {"engine/kv/kv_host.h": ["engine/kv/kv_host.c", "engine/forward/"], "engine/forward/device.h": ["engine/engine.c", "engine/forward/"],
          "engine/forward/forward_priv.h": ["engine/forward/"]}


def rule_of(path):
    best = max((f for f in RULES if path.startswith(f + "/")), key=len, default=None)
    return best, RULES.get(best)


def main():
    bad = []
    for suffix in ("*.c", "*.h", "*.def"):
        for file in ROOT.rglob(suffix):
            path = file.relative_to(ROOT).as_posix()
            folder, rule = rule_of(path)
            if not rule:
                continue
            ours, libraries = rule
            for name in INCLUDE.findall(file.read_text(errors="replace")):
                if "/" not in name and (file.parent / name).exists():
                    continue
                if not any(path.startswith(who) for who in NARROW.get(name, [""])):
                    bad.append(f"{path}: only {', '.join(NARROW[name])} may include {name}")
                if re.match(r"(core|engine|runner|models|host|server|cli|bench|hyperlama)/", name):
                    full = name if not name.startswith("hyperlama/") else "include/" + name
                    if not (full.startswith(folder + "/") or any(name.startswith(o) for o in ours)):
                        bad.append(f"{path}: {folder} must not include {name}")
                    continue
                for library, pattern in OTHERS.items():
                    if re.match(pattern, name) and library not in libraries:
                        bad.append(f"{path}: {folder} must not use {library} ({name})")
    print("\n".join(sorted(bad)) if bad else "layers: every include points the right way")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
