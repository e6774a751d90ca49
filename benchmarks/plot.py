"""The picture of the ratios, as SVG: where the middle half of the rounds lies, and where the goal is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from html import escape

from benchmarks.figures import Comparison
from benchmarks.figures import Row

_WIDTH = 900
_LEFT = 430
_RIGHT = 30
_LINE = 34
_TOP = 44
_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_COLOURS = {True: "#1a7f4b", False: "#b3261e", None: "#4a5b6c"}

_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.small{font-size:11px;fill:#52606d}"
    ".grid{stroke:#d9e2ec}.one{stroke:#7b8794;stroke-dasharray:4 3}"
)


def draw(rows: Sequence[Row]) -> str:
    """The picture of all rows that have a ratio."""
    compared = [row for row in rows if isinstance(row, Comparison)]
    height = _TOP + _LINE * len(compared) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Ratios of Flask-Pooled to its baselines, with their goals</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *_grid(height),
    ]
    for at, row in enumerate(compared):
        parts += _bar(row, _TOP + _LINE * at + _LINE / 2)
    legend = "Bar: middle half of the rounds. Dot: median. Open triangle: goal, pointing to where it is reached."
    parts.append(_text(10, height - 8, legend, "small"))
    return "\n".join([*parts, "</svg>", ""])


def _grid(height: float) -> Iterator[str]:
    for tick in _TICKS:
        x, kind = _x(tick), "one" if tick == 1 else "grid"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{height - 26}"/>'
        yield _text(x, _TOP - 14, f"{tick:g}", "small", anchor="middle")
    yield _text(10, _TOP - 14, "ratio, ours to baseline", "small")


def _bar(row: Comparison, y: float) -> Iterator[str]:
    ratio, colour = row.ratio, _COLOURS[row.met]
    low, middle, high = (_x(each) for each in (ratio.low, ratio.middle, ratio.high))
    yield _text(10, y - 1, f"{row.number}  {row.what.replace('``', '')}")
    yield _text(26, y + 12, f"against {row.against.replace('``', '')}: {ratio.middle:.2f}", "small")
    yield (
        f'<rect x="{low}" y="{y - 6}" width="{max(high - low, 1):.1f}" height="12" '
        f'fill="{colour}" opacity="0.35"/>'
    )
    yield f'<circle cx="{middle}" cy="{y}" r="5" fill="{colour}"/>'
    if row.goal is None:
        return
    for bound, way in ((row.goal.at_least, 1), (row.goal.at_most, -1)):
        if bound is not None:
            x = _x(bound)
            points = f"{x},{y - 9} {x},{y + 9} {x + 9 * way},{y}"
            yield f'<polygon points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _x(ratio: float) -> float:
    """Where a ratio stands on an axis of logarithms; beyond its ends, at them."""
    low, high = math.log(_TICKS[0]), math.log(_TICKS[-1])
    share = (math.log(max(ratio, _TICKS[0])) - low) / (high - low)
    return round(_LEFT + min(share, 1) * (_WIDTH - _LEFT - _RIGHT), 1)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
