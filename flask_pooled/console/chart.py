"""How many deliveries came when, as the bars of a chart: pure figures, drawn by a template as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: The drawing's own units; a page scales it.
WIDTH, HEIGHT = 600, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 4, 22, 20

#: Part of a bar's place that stays free.
_GAP = 0.22


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar."""

    x: float
    y: float
    width: float
    height: float
    #: When, and how many.
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A time on the axis below."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart."""

    title: str
    #: What it shows, for those who do not see it.
    summary: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    #: The value of the line at the top.
    top: int
    top_y: float
    bottom_y: float
    width: int = WIDTH
    height: int = HEIGHT


def draw(title: str, counts: Sequence[int], labels: Sequence[str], *, every: int) -> Chart:
    """A chart with a bar for each count, oldest first.

    :param labels: the time at which each bar's begins.
    :param every: a label is written below each so-many-th bar.
    """
    place = (WIDTH - _LEFT - _RIGHT) / len(counts)
    top = round_up(max(counts))
    room = HEIGHT - _TOP - _BOTTOM
    bars = []
    for number, (count, label) in enumerate(zip(counts, labels, strict=True)):
        # What is there is seen, however little it is.
        height = max(count / top * room, 2.0) if count else 0.0
        x = _LEFT + number * place + place * _GAP / 2
        y = HEIGHT - _BOTTOM - height
        bars.append(
            Bar(
                round(x, 2),
                round(y, 2),
                round(place * (1 - _GAP), 2),
                round(height, 2),
                label,
                count,
            )
        )
    marks = tuple(Mark(bar.x, bar.label) for bar in bars[::every])
    return Chart(
        title, _summary(bars), tuple(bars), marks, top, float(_TOP), float(HEIGHT - _BOTTOM)
    )


def round_up(count: int) -> int:
    """The next round number that is not below a count."""
    step = 1
    while True:
        for tenths in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80):
            if tenths * step % 10 == 0 and tenths * step // 10 >= count:
                return tenths * step // 10
        step *= 10


def _summary(bars: Sequence[Bar]) -> str:
    total = sum(bar.count for bar in bars)
    if not total:
        return "None."
    most = max(bars, key=lambda bar: bar.count)
    return f"{total:,} in all; most of them, {most.count:,}, from {most.label} on."
