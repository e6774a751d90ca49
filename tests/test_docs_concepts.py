"""docs/concepts.rst: its example is what happens, and its words are those of the code."""

from __future__ import annotations

import re
from itertools import count

from casino import Casino
from casino import entry
from casino import refund
from doc_pages import Page

from flask_pooled.inbox.listing import STATES

PAGE = Page("concepts.rst")


def _example() -> list[tuple[str, int, int, str]]:
    """What arrives, the entries and payments that are known then, and what it becomes."""
    table = PAGE.source.split("One player with three entries:\n")[1].split("\n\nThe third refund")[
        0
    ]
    rows = [re.split(r"\n     - ", row) for row in table.split("   * - ")[2:]]
    return [
        (what.strip("`").split("`")[0], int(entries), int(paid), state.strip().strip("`"))
        for what, entries, paid, state in rows
    ]


def test_refunds_are_counted_as_the_example_says(casino: Casino) -> None:
    numbers = count(1)
    rows = _example()
    assert [what for what, *_ in rows].count("pool.entry") == 3
    for what, entries, paid, state in rows:
        casino.post_all(entry(tx_id=f"tx-{next(numbers)}") if what == "pool.entry" else refund())
        [recorded] = casino.sql("SELECT max(id) AS id FROM pooled_event")
        casino.drain()
        now = casino.sql("SELECT state FROM pooled_event WHERE id = :id", id=recorded.id)
        assert now[0].state == state, what
        assert casino.rows("kind").count("pool.entry") == entries
        assert casino.balance() == paid * 100


def test_words_are_those_of_the_code() -> None:
    explained = re.findall(r"^   (\w+)$", PAGE.source.split(".. glossary::")[1], re.MULTILINE)
    assert set(STATES) < set(explained)
    assert len(explained) == len(set(explained))
