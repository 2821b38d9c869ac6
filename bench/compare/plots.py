"""Tokens/s over depth and over rows, a panel for each model: SVG written by hand."""
import html, math

COLOURS = {"hyperlama": "#0b62a4", "llama.cpp": "#d1495b", "ik_llama.cpp": "#2a9134", "llama-bench": "#c77d0a", "llama-server": "#7b4bb3"}
W, H, LEFT, RIGHT, TOP, BOTTOM = 420, 270, 58, 16, 36, 44  # one panel
KINDS = {"depth": ("decode", "tokens of context", "Decoding behind a context"),
         "rows": ("rows", "tokens in one pass", "Several tokens in one pass, together")}


def nice_top(value):
    """The next number that is 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten."""
    base = 10 ** math.floor(math.log10(value))
    return next(k * base for k in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if k * base >= value)


def text(x, y, s, anchor="middle", size=11, colour="#333", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}" '
            f'font-weight="{weight}">{html.escape(str(s))}</text>')


def panel(model, lines, x_label, x0, y0):
    """lines: {engine: [(n, value)]}. The x axis gives every size the same room: they double."""
    ticks = sorted({n for points in lines.values() for n, _ in points})
    top = nice_top(max(v for points in lines.values() for _, v in points))
    w, h = W - LEFT - RIGHT, H - TOP - BOTTOM
    x = {n: x0 + LEFT + (w * i / (len(ticks) - 1) if len(ticks) > 1 else w / 2) for i, n in enumerate(ticks)}
    bottom = y0 + TOP + h
    out = [text(x0 + LEFT, y0 + 20, model, "start", 13, "#111", "bold")]
    for i in range(5):
        y = bottom - h * i / 4
        out.append(f'<line x1="{x0 + LEFT}" x2="{x0 + LEFT + w}" y1="{y:.1f}" y2="{y:.1f}" stroke="#{"888" if i == 0 else "ddd"}"/>')
        out.append(text(x0 + LEFT - 6, y + 4, f"{top * i / 4:g}", "end"))
    for n in ticks:
        out.append(f'<line x1="{x[n]:.1f}" x2="{x[n]:.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="#888"/>')
        out.append(text(x[n], bottom + 17, n))
    out.append(text(x0 + LEFT + w / 2, bottom + 34, x_label, size=11, colour="#666"))
    out.append(f'<g transform="translate({x0 + 14},{y0 + TOP + h / 2}) rotate(-90)">{text(0, 0, "tokens/s", colour="#666")}</g>')
    for engine, points in lines.items():
        colour = COLOURS.get(engine, "#555")
        at = [(x[n], bottom - h * v / top) for n, v in sorted(points)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in at]
    return out


def figure(title, x_label, panels):
    """panels: {model: {engine: [(n, value)]}}"""
    columns = min(2, len(panels))
    height = 64 + H * math.ceil(len(panels) / columns)
    width = max(W * columns, 460)
    engines = sorted({e: 0 for lines in panels.values() for e in lines}, key=lambda e: e != "hyperlama")
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif">', f'<rect width="{width}" height="{height}" fill="white"/>',
           text(16, 26, title, "start", 16, "#111", "bold")]
    at = 16
    for e in engines:
        out.append(f'<line x1="{at}" x2="{at + 22}" y1="48" y2="48" stroke="{COLOURS.get(e, "#555")}" stroke-width="3"/>')
        out.append(text(at + 28, 52, e, "start", 12))
        at += 48 + 7 * len(e)
    for i, (model, lines) in enumerate(panels.items()):
        out += panel(model, lines, x_label, W * (i % columns), 64 + H * (i // columns))
    return "\n".join(out + ["</svg>"]) + "\n"


def draw(medians):
    """{kind: svg} for the kinds that have at least two sizes of a model."""
    out = {}
    for kind, (metric, x_label, title) in KINDS.items():
        panels = {}
        for model, engines in medians.items():
            lines = {e: [(n, v[0]) for (m, n), v in values.items() if m == metric] for e, values in engines.items()}
            lines = {e: points for e, points in lines.items() if len(points) > 1}
            if lines:
                panels[model.rsplit(".gguf", 1)[0]] = lines
        if panels:
            out[kind] = figure(title, x_label, panels)
    return out
