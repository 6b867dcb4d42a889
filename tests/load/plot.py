"""A picture of what a reader costs as readers grow many: a few lines of SVG, drawn here so that nothing need be installed.

`bench --scale` writes it beside the table.
"""

from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 190, 56, 40, 36
INKS = ("#1b6ca8", "#b8451f", "#3d7a37", "#7a4e9c", "#8a6d00", "#444444")
PANELS = [  # figure, what it is
    ("socket_kb", "memory of a reader, KB"),
    ("connect_rate", "arrivals a second"),
    ("open_p99", "slowest of 100 waits, ms"),
    ("closed_rate", "acknowledgements a second"),
]


def picture(series: dict[str, list[tuple[int, dict[str, float]]]]) -> str:
    """Return an SVG with a panel for each figure; `series` is {server: [(readers, figures)…]}."""
    shown = [(name, title) for name, title in PANELS if any(name in found for line in series.values() for _, found in line)]
    width = len(shown) * (WIDTH + GAP) + GAP
    height = TOP + HEIGHT + 60 + 18 * len(series)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
             f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>']
    for place, (name, title) in enumerate(shown):
        lines = {label: [(readers, found[name]) for readers, found in line if name in found]
                 for label, line in series.items()}
        parts += _panel(GAP + place * (WIDTH + GAP), title, lines)
    for place, label in enumerate(series):
        y = TOP + HEIGHT + 52 + 18 * place
        parts.append(f'<rect x="{GAP}" y="{y - 9}" width="14" height="4" fill="{INKS[place % len(INKS)]}"/>'
                     f'<text x="{GAP + 22}" y="{y - 3}">{escape(label.replace("`", ""))}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(x: float, title: str, lines: dict[str, list[tuple[int, float]]]) -> list[str]:
    most = 1.15 * max(value for line in lines.values() for _, value in line)
    readers = sorted({count for line in lines.values() for count, _ in line})
    left, right, bottom = x + LEFT, x + WIDTH, TOP + HEIGHT

    def at(count: float, value: float) -> str:
        return f"{left + (right - left) * count / readers[-1]:.1f},{bottom - HEIGHT * value / most:.1f}"

    parts = [f'<text x="{x}" y="{TOP - 16}" font-weight="bold">{escape(title)}</text>',
             f'<path d="M{left},{TOP} V{bottom} H{right}" fill="none" stroke="#888"/>']
    for share in (0, 0.5, 1):
        value = most * share / 1.15
        y = bottom - HEIGHT * value / most
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    for count in readers:
        column = at(count, 0).partition(",")[0]
        parts.append(f'<text x="{column}" y="{bottom + 16}" text-anchor="middle">{count:,}</text>')
    for ink, line in zip(INKS * 2, lines.values(), strict=False):
        points = " ".join(at(*point) for point in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{ink}" stroke-width="2"/>')
        parts += [f'<circle cx="{point.partition(",")[0]}" cy="{point.partition(",")[2]}" r="3" fill="{ink}"/>'
                  for point in (at(*pair) for pair in line)]
    return parts
