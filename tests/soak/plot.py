"""The samples of a soak as an SVG: four panels over one time."""

from collections.abc import Sequence
from html import escape

from soak.verdict import LATENCY, MEMORY, MIB, Samples

WIDTH, PANEL, LEFT, TOP, GAP = 960, 150, 70, 50, 46
_PLOT = WIDTH - LEFT - 30
_INK, _GRID, _LINE, _BAR = "#222", "#ddd", "#1f6feb", "#c0392b"
Points = Sequence[tuple[float, float]]


def svg(samples: Samples, title: str) -> str:
    """The document's text."""
    at = samples.at
    panels: list[tuple[str, Points, float | None, bool]] = [
        (
            "resident memory, MiB",
            [(t, y / MIB) for t, y in zip(at, samples.resident, strict=True)],
            MEMORY,
            True,
        ),
        (
            "CPU, % of a core",
            [(t, 100 * y) for t, y in zip(at, samples.cpu, strict=True)],
            None,
            True,
        ),
        ("scrape, ms", [(t, 1000 * y) for t, y in samples.scrapes], None, False),
        ("event to visible metric, s", samples.latencies, LATENCY, False),
    ]
    end = max([t for _, points, _, _ in panels for t, _ in points], default=1.0) or 1.0
    height = TOP + len(panels) * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
        f'<g font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>',
    ]
    for number, (name, points, bar, joined) in enumerate(panels):
        top = TOP + number * (PANEL + GAP)
        parts += _panel(name, points, bar, end, top, joined=joined)
    return "\n".join([*parts, "</g></svg>", ""])


def _panel(
    name: str, points: Points, bar: float | None, end: float, top: float, *, joined: bool
) -> list[str]:
    most = _round_up(max([y for _, y in points] + ([bar] if bar else []), default=1.0) or 1.0)

    def x(t: float) -> float:
        return LEFT + _PLOT * t / end

    def y(value: float) -> float:
        return top + PANEL * (1.0 - min(value, most) / most)

    parts = [f'<text x="{LEFT}" y="{top - 6:.0f}">{escape(name)}</text>']
    for share in (0.0, 0.5, 1.0):
        level = y(share * most)
        parts.append(_line(LEFT, level, LEFT + _PLOT, level, _GRID))
        label = f"{share * most:g}"
        parts.append(f'<text x="{LEFT - 8}" y="{level + 4:.1f}" text-anchor="end">{label}</text>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        label = f"{share * end:.0f} s"
        where = f'x="{x(share * end):.1f}" y="{top + PANEL + 16}"'
        parts.append(f'<text {where} text-anchor="middle" fill="#777">{label}</text>')
    if joined and points:
        path = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="1.5"/>')
    elif points:
        parts += [
            f'<circle cx="{x(t):.1f}" cy="{y(v):.1f}" r="1.6" fill="{_LINE}" fill-opacity="0.6"/>'
            for t, v in points
        ]
    if bar:
        parts.append(_line(LEFT, y(bar), LEFT + _PLOT, y(bar), _BAR, dash=True))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, color: str, *, dash: bool = False) -> str:
    more = ' stroke-dasharray="5 4"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"{more}/>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 and their multiples by ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= value)
