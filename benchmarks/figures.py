"""What a run has found, and the arithmetic of it: medians, quartiles, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the middle half of some figures lies: first quartile, median, third quartile."""

    low: float
    middle: float
    high: float


def spread(figures: Sequence[float]) -> Spread:
    """Median and quartiles, the figures themselves included: with three of them, halfway to the outer ones."""
    if len(figures) == 1:
        return Spread(figures[0], figures[0], figures[0])
    low, middle, high = statistics.quantiles(figures, n=4, method="inclusive")
    return Spread(low, middle, high)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio is to reach."""

    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        bounds = (("≥", self.at_least), ("≤", self.at_most))
        return ", ".join(f"{sign} {bound:.2f}" for sign, bound in bounds if bound is not None)

    def is_met(self, ratio: float) -> bool:
        """Whether it does, as it is shown: with two places."""
        shown = round(ratio, 2)
        return (self.at_least is None or shown >= self.at_least) and (
            self.at_most is None or shown <= self.at_most
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row with a ratio: one figure of ours and one of the baseline from each round.

    :param number: of the row.
    :param what: was measured.
    :param against: the baseline.
    :param unit: of both figures.
    :param goal: of the ratio of ours to the baseline's.
    """

    number: str
    what: str
    against: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    goal: Goal | None = None

    @property
    def ratio(self) -> Spread:
        """Of the ratios of each round: what disturbs a round disturbs both sides of it."""
        return spread([ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)])

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None: there is none."""
        return None if self.goal is None else self.goal.is_met(self.ratio.middle)


@dataclass(frozen=True, slots=True)
class Shown:
    """A row without a ratio: what was seen.

    :param met: whether it is what was to be shown; None: nothing was.
    """

    number: str
    what: str
    found: str
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows that could not be measured."""

    number: str
    what: str
    why: str


Row = Comparison | Shown | Failure


class MissingTool(Exception):
    """Something that a row needs is not on this machine; the message says how to get it."""
