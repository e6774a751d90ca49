"""The report: a table for the terminal, and for the documentation a table and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Comparison
from benchmarks.figures import Failure
from benchmarks.figures import Row
from benchmarks.figures import Shown
from benchmarks.figures import Spread
from benchmarks.figures import spread
from benchmarks.plot import draw
from benchmarks.record import load
from benchmarks.record import Record
from benchmarks.record import save

DOCS = Path(__file__).parent.parent / "docs"

_HEADINGS = ("#", "Measured", "Ours", "Baseline", "Theirs", "Ratio", "Goal")
_WIDTHS = (4, 24, 15, 20, 15, 13, 13)


def line_of(row: Row) -> str:
    """A row for the terminal."""
    if isinstance(row, Failure):
        return f"{row.number:>3}  {row.what}: FAILED: {row.why}"
    if isinstance(row, Shown):
        return f"{row.number:>3}  {row.what}: {row.found}{_verdict(row.met)}"
    return (
        f"{row.number:>3}  {row.what}: {_middle(row, ours=True)}; {row.against}: {_middle(row, ours=False)}; "
        f"ratio {_ratio(row.ratio)}{'' if row.goal is None else f', goal {row.goal}'}{_verdict(row.met)}"
    )


def publish(record: Record, docs: Path = DOCS) -> None:
    """Write what the documentation shows: the figures, the table and the picture.

    What *record* did not measure stays as it was measured before.
    """
    data = docs / "_static" / "performance.json"
    known = load(data)
    save(Record(record.machine, known.groups | record.groups), data)
    # With as many digits as are kept.
    whole = load(data)
    (docs / "_static" / "performance.svg").write_text(draw(whole.rows()))
    (docs / "performance_table.rst").write_text(table(whole))


def table(record: Record) -> str:
    """The table of the documentation, in reStructuredText."""
    return "\n".join([".. Written by make bench.", "", *_machine(record), "", *_rows(record), ""])


def _machine(record: Record) -> Iterator[str]:
    for name, fact in record.machine.items():
        yield f":{name}: {fact}"
    plans: dict[str, list[str]] = {}
    for name, group in record.groups.items():
        plans.setdefault(group.plan, []).append(f"{name} ({_duration(group.seconds)})")
    for plan, names in plans.items():
        yield f":Run, {plan}: {', '.join(names)}"


def _rows(record: Record) -> Iterator[str]:
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield f"   :widths: {' '.join(map(str, _WIDTHS))}"
    yield ""
    yield from _cells(_HEADINGS)
    for row in record.rows():
        if isinstance(row, Comparison):
            goal = "" if row.goal is None else f"{row.goal}{_verdict(row.met)}"
            sides = (_middle(row, ours=True), row.against, _middle(row, ours=False))
            yield from _cells((row.number, row.what, *sides, _ratio(row.ratio), goal))
        elif isinstance(row, Shown):
            yield from _cells((row.number, row.what, row.found, "", "", "", _verdict(row.met)[2:]))
        else:
            yield from _cells(
                (row.number, row.what, f"**failed**: {row.why}", "", "", "", "not measured")
            )


def _cells(cells: tuple[str, ...]) -> Iterator[str]:
    for at, cell in enumerate(cells):
        yield f"   {' ' if at else '*'} - {cell}".rstrip()


def _middle(row: Comparison, *, ours: bool) -> str:
    found = spread(row.ours if ours else row.theirs)
    middle, low, high = (_figure(each) for each in (found.middle, found.low, found.high))
    return f"{middle} {row.unit} ({low} to {high})"


def _ratio(ratio: Spread) -> str:
    return f"{ratio.middle:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _figure(figure: float) -> str:
    """As many digits as mean something."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}"


def _verdict(met: bool | None) -> str:
    return "" if met is None else ": reached" if met else ": missed"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
