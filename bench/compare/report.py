"""From the file of values to tables (Markdown, medians TSV) and plots (SVG), beside the file."""
import os, statistics, sys

import bars, plots

COLUMNS = ("date run commit machine threads load model engine version piece round metric n value unit share").split()
ORDER = ("prefill", "decode", "decode_q8_0", "rows", "kept_prefill", "kept_decode", "start", "ttft_http", "peak")
FALLING = ("start", "ttft_http", "peak")  # less is better


def read(path):
    """Rows as dicts; those of older files, without run and round, are left out."""
    with open(path) as f:
        head = f.readline().rstrip("\n").split("\t")
        rows = [dict(zip(head, line.rstrip("\n").split("\t"))) for line in f]
    return [r for r in rows if len(r) == len(COLUMNS) and "run" in r]


def medians(rows):
    """{model: {engine: {(metric, n): (value, unit, share)}}} over rounds."""
    seen = {}
    for r in rows:
        metric, n = r["metric"], int(r["n"])
        if r["piece"] == "depth-q8":
            if metric != "decode":
                continue
            metric = "decode_q8_0"
        if metric in ("peak", "kv"):  # of the piece that fills the cache, where that was measured
            metric = (metric + "_deep") if r["piece"] == "depth" else metric if r["piece"] == "core" else "other"
            n = 0
        seen.setdefault(r["model"], {}).setdefault(r["engine"], {}).setdefault((metric, n), []).append(r)
    out = {}
    for model, engines in seen.items():
        for engine, values in engines.items():
            m = {k: (statistics.median(float(r["value"]) for r in v), v[0]["unit"],
                     statistics.median(float(r["share"]) for r in v)) for k, v in values.items()}
            out.setdefault(model, {})[engine] = derive(m)
    return out


def derive(m):
    for deep, plain in (("peak_deep", "peak"), ("kv_deep", "kv")):
        if (deep, 0) in m:
            m[plain, 0] = m[deep, 0]
    for metric, n in [k for k in m if k[0].startswith("beside_")]:
        alone = m.get(("alone_" + metric[7:], n))
        if alone and alone[0] > 0:
            m["kept_" + metric[7:], n] = (m[metric, n][0] / alone[0], "of alone", 0.0)
    return m


def against(engines, key):
    """What the bars compare hyperlama's value with."""
    own, less = engines["hyperlama"], key[0] in FALLING
    out = {e: m[key][0] for e, m in engines.items() if e != "hyperlama" and key in m}
    peers = [out[e] for e in (bars.LLAMA, bars.IK) if e in out]
    if peers:
        out["best"] = min(peers) if less else max(peers)
    value, _, share = own[key]
    out["is_less_better"] = less
    out["self"] = 1.0
    if share > 0:
        out["limit"] = value / share
    if ("rows", 1) in own:
        out["one_row"] = own["rows", 1][0]
    if ("file", 0) in own and ("kv", 0) in own:
        out["plan"] = own["file", 0][0] + own["kv", 0][0] + 64
    if ("decode", key[1]) in own:
        out["f16"] = own["decode", key[1]][0]
    return out


def number(value, unit):
    return f"{value:.2f}" if unit == "of alone" else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def table(model, engines, missed):
    """Lines of Markdown; the bars that are missed are appended to `missed`, all are counted."""
    names = sorted(engines, key=lambda e: e != "hyperlama")
    peers = names[1:] if "hyperlama" in engines else names
    lines = ["| measure | unit | " + " | ".join(names) + " | " + "".join(f"/ {p} | " for p in peers if p != names[0]) + "bar | met |"]
    lines.append("|" + " --- |" * (lines[0].count("|") - 1))
    keys = sorted({k for m in engines.values() for k in m if k[0] in ORDER}, key=lambda k: (ORDER.index(k[0]), k[1]))
    n_bars = 0
    for key in keys:
        unit = next(m[key][1] for m in engines.values() if key in m)
        cells = [f"{key[0]} {key[1]}" if key[1] or key[0] == "decode" else key[0], unit]
        cells += [number(engines[e][key][0], unit) if key in engines[e] else "-" for e in names]
        own = engines.get("hyperlama", {}).get(key)
        for p in peers:
            if p != names[0]:
                there = own and key in engines[p] and engines[p][key][0] > 0
                cells.append(f"{own[0] / engines[p][key][0]:.2f}" if there else "-")
        checks = bars.check(bars.find(key[0], key[1], model), own[0], against(engines, key)) if own else []
        n_bars += sum(met is not None for _, met in checks)
        missed += [f"{model}: {cells[0]} {number(own[0], unit)}, bar {text}" for text, met in checks if met is False]
        cells.append(", ".join(text for text, _ in checks) or "")
        cells.append(", ".join({True: "yes", False: "**no**", None: "?"}[met] for _, met in checks))
        if own and own[2] > 0 and key[0] in ("decode", "prefill"):
            cells[2] += f" ({own[2] * 100:.0f} %)"
        lines.append("| " + " | ".join(cells) + " |")
    return lines, n_bars


def failures(rows):
    out = []
    for r in rows:
        text = f"{r['engine']} on {r['model']}, {r['piece']}: {r['unit']}"
        if r["metric"] == "failed" and "does not measure" not in r["unit"] and text not in out:
            out.append(text)
    return out


def markdown(rows, run):
    all_medians, missed, n_bars, body = medians(rows), [], 0, []
    for model, engines in all_medians.items():
        lines, n = table(model, engines, missed)
        n_bars += n
        rounds = max(int(r["round"]) for r in rows if r["model"] == model)
        body += ["", f"### {model}", "", *lines, "", f"Median of {rounds} round{'s' if rounds > 1 else ''}."]
    last = rows[-1]
    versions = sorted({f"{r['engine']} {r['version']}" for r in rows if r["version"]})
    head = [f"## Run {run}, {rows[0]['date'][:10]}", "",
            f"{last['machine']}, {last['threads']} threads, commit {last['commit']}; {'; '.join(versions)}.",
            "Percent: of streaming reads (decode) and of int8 arithmetic (prefill), measured in the same run.", "",
            f"{n_bars - len(missed)} of {n_bars} bars met."]
    tail = [""] + ["* " + m for m in missed] if missed else []
    fails = failures(rows)
    return head + tail + body + (["", "### Could not be had", ""] + ["* " + f for f in fails] if fails else [])


def write(path, run):
    """Print the report of a run (the file's last when none is named), and put it and the plots beside the file."""
    rows = read(path)
    run = run or (rows[-1]["run"] if rows else "")
    rows = [r for r in rows if r["run"] == run]
    if not rows:
        print(f"{path}: no values of run '{run}'", file=sys.stderr)
        return 1
    text = "\n".join(markdown(rows, run)) + "\n"
    base = os.path.splitext(path)[0] + "-" + run
    with open(base + ".md", "w") as f:
        f.write(text)
    for kind, svg in plots.draw(medians(rows)).items():
        with open(f"{base}-{kind}.svg", "w") as f:
            f.write(svg)
    print(text)
    return 0
