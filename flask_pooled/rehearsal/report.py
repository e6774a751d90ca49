"""What came of a rehearsal: for a person, for a script, and as JUnit XML for CI."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from ..money import from_cents


class Failed(Exception):
    """A test of the rehearsal failed. The message says what was seen, and what to mend."""


@dataclass(frozen=True, slots=True)
class Line:
    """One test.

    :param group: ``guide`` or ``hostile``; ``start`` for the one line of an app that does not start, ``isolation`` for
        that of a wallet that was moved although it was to be left alone.
    :param problem: what was seen and what to mend; ``None`` when it passed.
    """

    group: str
    name: str
    problem: str | None
    seconds: float

    def as_rows(self) -> str:
        """For a person: how it went, and in a second row what to mend."""
        row = f"{'FAIL' if self.problem else 'ok  '}  {self.name}  ({self.seconds:.1f} s)"
        return f"{row}\n      {self.problem}" if self.problem else row


@dataclass(frozen=True, slots=True)
class Report:
    """All tests, and what the player's wallet held before and after, in cents; ``None`` if it was never looked at.

    :param why_not: why the wallet was not isolated; ``None``: it was, and the app's own is as it was before.
    """

    lines: tuple[Line, ...]
    before: int | None = None
    after: int | None = None
    why_not: str | None = None

    @property
    def failed(self) -> list[Line]:
        """The tests that failed."""
        return [line for line in self.lines if line.problem is not None]

    def as_table(self) -> str:
        """Lines for a person."""
        return "\n".join([*(line.as_rows() for line in self.lines), "", self.summary])

    @property
    def summary(self) -> str:
        """How many passed, what the wallet held, and whose it was."""
        passed = len(self.lines) - len(self.failed)
        return f"{passed} of {len(self.lines)} passed.{self._sums()}"

    def _sums(self) -> str:
        if self.before is None or self.after is None:
            return ""
        before, after = from_cents(self.before), from_cents(self.after)
        where = (
            "It was a copy: the app's own databases are as they were."
            if self.why_not is None
            else f"It was the app's own, because {self.why_not}."
        )
        return f" The wallet held ${before} before and ${after} after.\n{where}"

    def as_facts(self) -> dict[str, Any]:
        """Facts for a script."""
        return {
            "passed": len(self.lines) - len(self.failed),
            "failed": len(self.failed),
            "wallet_before_cents": self.before,
            "wallet_after_cents": self.after,
            "isolated": self.why_not is None,
            "not_isolated_because": self.why_not,
            "tests": [asdict(line) for line in self.lines],
        }

    def as_junit(self) -> str:
        """JUnit XML."""
        cases = []
        for line in self.lines:
            failure = f"<failure message={_attribute(line.problem)}/>" if line.problem else ""
            cases.append(
                f'<testcase classname="rehearsal.{line.group}" name={_attribute(line.name)} '
                f'time="{line.seconds:.3f}">{failure}</testcase>'
            )
        counts = f'tests="{len(self.lines)}" failures="{len(self.failed)}"'
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f'<testsuite name="flask pooled rehearse" {counts}>\n'
            + "\n".join(cases)
            + "\n</testsuite>\n"
        )


def not_started(problem: str) -> Report:
    """The report of an app that refuses to start.

    :param problem: what it says, and what to mend.
    """
    return Report((Line("start", "The app starts with its settings", problem, 0),))


def _attribute(text: str | None) -> str:
    # XML knows no control characters, whatever a stranger's code raised.
    return quoteattr("".join(letter for letter in text or "" if letter.isprintable()))
