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

    :param group: ``guide`` or ``hostile``.
    :param problem: what was seen and what to mend; ``None`` when it passed.
    """

    group: str
    name: str
    problem: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """All tests, and what the player's wallet held before and after, in cents."""

    lines: tuple[Line, ...]
    before: int
    after: int

    @property
    def failed(self) -> list[Line]:
        """The tests that failed."""
        return [line for line in self.lines if line.problem is not None]

    def as_table(self) -> str:
        """Lines for a person."""
        rows = []
        for line in self.lines:
            rows.append(
                f"{'FAIL' if line.problem else 'ok  '}  {line.name}  ({line.seconds:.1f} s)"
            )
            rows += [f"      {line.problem}"] if line.problem else []
        passed = len(self.lines) - len(self.failed)
        sums = f"The wallet held ${from_cents(self.before)} before and ${from_cents(self.after)} after."
        return "\n".join([*rows, "", f"{passed} of {len(self.lines)} passed. {sums}"])

    def as_facts(self) -> dict[str, Any]:
        """Facts for a script."""
        return {
            "passed": len(self.lines) - len(self.failed),
            "failed": len(self.failed),
            "wallet_before_cents": self.before,
            "wallet_after_cents": self.after,
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


def _attribute(text: str | None) -> str:
    # XML knows no control characters, whatever a stranger's code raised.
    return quoteattr("".join(letter for letter in text or "" if letter.isprintable()))
