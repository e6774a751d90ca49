"""``flask pooled retry``, ``release`` and ``discard``: by number and by filter, asked and unasked, and what is told."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from click.testing import _NamedTextIOWrapper
from click.testing import Result
from flask import Flask
from sqlalchemy.exc import OperationalError

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.cli import pooled
from flask_pooled.inbox.bulk import decide_all
from flask_pooled.inbox.decisions import Decisions

WHO = ["--who", "dana", "--why", "checked by phone"]


def _run(casino: Casino, *arguments: object, answer: str = "") -> Result:
    words = [str(each) for each in arguments]
    return casino.app.test_cli_runner().invoke(pooled, words, input=answer)


def _trail(casino: Casino) -> list[Any]:
    return casino.sql("SELECT event_id, actor, action, reason FROM pooled_audit ORDER BY id")


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino with two wins above its limit, of two players."""
    casino = make_casino(POOLED_HOLD_OVER=500, POOLED_MAX_ATTEMPTS=1)
    casino.connect()
    casino.post_all(win(), win(pool_id="pool-2", winner_id="other"))
    return casino


@pytest.mark.both_databases
def test_released_by_number(casino: Casino) -> None:
    first, second = casino.rows("id")
    result = _run(casino, "release", first, "--yes", *WHO)
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "1 of 1 event(s) released.\n",
        "",
    )
    assert casino.drain() == 1
    assert [casino.balance(), casino.balance("other")] == [100_000, 0]
    assert _trail(casino) == [(first, "dana", "release", "checked by phone")]
    assert casino.states() == ["done", "held"]
    # Named twice it is decided about once, and what cannot be decided stops no other.
    result = _run(casino, "release", first, second, second, 999, "--yes", *WHO)
    assert (result.exit_code, result.stdout) == (1, "1 of 3 event(s) released.\n")
    assert result.stderr.splitlines() == [
        f"Not released: event {first} is done: only a held event, or a refund that waits for an entry, can be "
        "released",
        "Not released: there is no event 999: look its number up in the list of events",
    ]
    assert casino.drain() == 1
    assert casino.balance("other") == 100_000


@pytest.mark.both_databases
def test_discarded_by_filter(casino: Casino) -> None:
    result = _run(casino, "discard", "--player", "other", "-y", *WHO)
    assert (result.exit_code, result.output) == (0, "1 of 1 event(s) discarded.\n")
    assert casino.states() == ["held", "discarded"]
    assert casino.drain() == 0


@pytest.mark.both_databases
def test_retried_by_filter(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)
    casino.connect()
    broken = [True]

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        if broken:
            raise LookupError

    casino.post_all(*(win(pool_id=f"pool-{number}") for number in range(10)))
    casino.drain()
    broken.clear()
    assert casino.states() == ["dead"] * 10
    casino.post_all(win(pool_id="pool-pending"))
    result = _run(casino, "retry", "--since", "1h", "--yes", "--who", "dana")
    assert (result.exit_code, result.output) == (0, "10 of 10 event(s) retried.\n")
    # What was pending was not decided about.
    assert [action for _, _, action, _ in _trail(casino) if action == "retry"] == ["retry"] * 10
    assert casino.drain() == 11
    assert casino.balance() == 1_100_000


def test_pending_is_retried_where_it_is_asked_for(casino: Casino) -> None:
    casino.post_all(entry())
    result = _run(casino, "retry", "--state", "pending", "-y")
    assert (result.exit_code, result.stdout) == (0, "1 of 1 event(s) retried.\n")


@pytest.mark.both_databases
def test_surplus_refunds_of_a_pool_are_released_in_bulk(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.connect()
    casino.post_all(entry(), refund(), refund(), refund(user_id="other"), refund(user_id="other"))
    casino.post_all(win(pool_id="pool-2"), win(pool_id="pool-2"))
    casino.drain()
    assert casino.states() == ["done", "done", "duplicate", "done", "held", "done", "duplicate"]
    # Most often such a refund is a repeat: it is not swept along.
    result = _run(casino, "release", "--since", "1d", "--player", "player_abc123", "--yes", *WHO)
    assert (result.exit_code, result.stdout) == (1, "Nothing found.\n")
    result = _run(casino, "release", "--kind", "refund", "--pool", "pool-1", *WHO, answer="y\n")
    assert (result.exit_code, result.stdout) == (0, "2 of 2 event(s) released.\n")
    assert result.stderr.splitlines() == [
        "Release in royal-casino:",
        "  1 pool.refund duplicate (surplus)",
        "  1 pool.refund held (no_entries)",
        "2 event(s), 2.00 USD. Go on? [y/N]: y",
    ]
    assert casino.drain() == 2
    assert [casino.balance(), casino.balance("other")] == [100_200, 200]


def test_surplus_by_its_state(casino: Casino) -> None:
    casino.post_all(entry(pool_id="3"), refund(pool_id="3"), refund(pool_id="3"))
    assert _run(casino, "discard", "--state", "duplicate", "--yes", *WHO).exit_code == 0
    assert casino.states()[-1] == "discarded"


@pytest.mark.parametrize("action", ["release", "retry", "discard"])
def test_filter_always_asks(
    make_casino: Callable[..., Casino], action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    casino = make_casino(POOLED_DEMO=True, POOLED_TENANT="demo", POOLED_HOLD_OVER=500)
    casino.post_all(win())
    casino.sql(
        "UPDATE pooled_event SET state = :state", state="dead" if action == "retry" else "held"
    )
    for answer in ("n\n", "\n", ""):
        result = _run(casino, action, "--kind", "pool.win", *WHO, answer=answer)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "1 event(s), 1,000.00 USD. Go on? [y/N]" in result.stderr
        assert _trail(casino) == []


@pytest.mark.parametrize(
    ("action", "more", "asks"),
    [
        ("release", {}, True),
        ("release", {"debug": True}, False),
        ("release", {"POOLED_DEMO": True, "POOLED_TENANT": "demo"}, False),
        ("retry", {}, True),
        ("discard", {}, False),
    ],
)
def test_real_money_asks_first(
    make_casino: Callable[..., Casino],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    more: dict[str, Any],
    asks: bool,
) -> None:
    # The command line tells an app whether it is in debug, whatever its configuration says.
    monkeypatch.setenv("FLASK_DEBUG", str(more.get("debug", False)))
    casino = make_casino(POOLED_HOLD_OVER=500, **more)
    casino.post_all(win())
    if action == "retry":
        casino.sql("UPDATE pooled_event SET state = 'dead'")
    [event_id] = casino.rows("id")
    result = _run(casino, action, event_id, *WHO)
    assert (result.exit_code, len(_trail(casino))) == ((1, 0) if asks else (0, 1))
    if asks:
        assert "Nothing was done." in _run(casino, action, event_id, *WHO, answer="n\n").stderr
        assert _run(casino, action, event_id, *WHO, answer="y\n").exit_code == 0
        assert len(_trail(casino)) == 1


def test_who_is_the_systems_user_unless_the_environment_or_an_option_says_another(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = casino.rows("id")
    monkeypatch.setattr(getpass, "getuser", lambda: "unix-user")
    _run(casino, "release", first, "--yes")
    monkeypatch.setenv("POOLED_OPERATOR", "erin")
    _run(casino, "release", second, "--yes")
    assert _trail(casino) == [
        (first, "unix-user", "release", None),
        (second, "erin", "release", None),
    ]
    monkeypatch.delenv("POOLED_OPERATOR")

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    result = _run(casino, "discard", first, "--reason", "twice")
    assert result.exit_code == 2
    assert "give --who, or set POOLED_OPERATOR" in result.stderr


def test_json(casino: Casino) -> None:
    first, second = casino.rows("id")
    result = _run(casino, "release", second, 999, "--json", "--yes")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert facts == {
        "released": [second],
        "refused": [
            {"id": 999, "why": "there is no event 999: look its number up in the list of events"}
        ],
        "outage": None,
    }
    nothing = _run(casino, "retry", "--kind", "win", "--json", "--yes")
    assert nothing.exit_code == 1
    assert json.loads(nothing.stdout) == {"retried": [], "refused": [], "outage": None}
    assert first == casino.rows("id")[0]


def test_senders_text_cannot_steer_the_terminal(casino: Casino) -> None:
    casino.post_all({"event": "\x1b[2J"})
    casino.sql("UPDATE pooled_event SET state = 'dead' WHERE pool_id IS NULL")
    result = _run(casino, "retry", "--state", "dead", answer="y\n")
    assert "  1 \\x1b[2J dead" in result.stderr


def test_bar_on_a_terminal(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda stream: True)
    result = _run(casino, "release", "--state", "held", "--yes")
    assert "100%" in result.stderr
    assert result.stdout == "2 of 2 event(s) released.\n"


def test_database_that_goes_away_meanwhile(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Decisions.release
    first = casino.rows("id")[0]

    def release(self: Decisions, event_id: int, *, who: str, why: str | None = None) -> Any:
        if event_id != first:
            raise OperationalError("SELECT", {}, Exception("postgresql://casino:a-password@x"))
        return real(self, event_id, who=who, why=why)

    monkeypatch.setattr(Decisions, "release", release)
    result = _run(casino, "release", "--state", "held", "--yes")
    assert (result.exit_code, result.stdout) == (1, "1 of 2 event(s) released.\n")
    assert result.stderr == (
        "Error: the database could not be reached (OperationalError); 1 event(s) were not decided about\n"
    )


def test_progress_ends_with_the_last() -> None:
    parts: list[float] = []
    outcome = decide_all(lambda event_id: None, [4, 2], parts.append)
    assert (outcome.done, parts) == ([4, 2], [0.5, 1.0])


def test_body_that_cannot_be_read_any_more_stops_no_other(casino: Casino) -> None:
    first = casino.rows("id")[0]
    casino.sql("UPDATE pooled_event SET body = :body WHERE id = :id", body=b"{", id=first)
    result = _run(casino, "release", "--state", "held", "--yes", *WHO)
    assert (result.exit_code, result.stdout) == (1, "1 of 2 event(s) released.\n")
    assert f"the body of event {first} cannot be read" in result.stderr
    assert casino.states() == ["held", "pending"]


def test_without_a_database(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    result = _run(casino, "release", "--state", "held", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the database refused what was asked" in result.stderr
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


@pytest.mark.parametrize(
    "arguments",
    [
        ["release"],
        ["release", "x"],
        ["release", "0"],
        ["release", "1", "--kind", "win"],
        ["release", str(2**63)],
        ["release", "--state", "done"],
        ["release", "--state", "dead"],
        ["retry", "--state", "held"],
        ["retry", "1", "--since", "yesterday"],
        ["retry", "--player", "\ud800"],
        ["release", "1", "--who", " "],
        ["release", "1", "--who", "da\x1bna"],
        ["discard", "1"],
        ["discard", "1", "--reason", " "],
        ["discard", "--all"],
    ],
)
def test_wrong_usage(casino: Casino, arguments: list[str]) -> None:
    result = _run(casino, *arguments, answer="y\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert _trail(casino) == []


def test_app_that_is_set_up_wrongly(make_app: Callable[..., Flask]) -> None:
    runner = make_app().test_cli_runner()
    assert runner.invoke(pooled, ["release", "1"]).exit_code == 2


def test_any_inbox(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    result = app.test_cli_runner().invoke(pooled, ["release", "7", "--yes"])
    assert (result.exit_code, result.stdout) == (1, "0 of 1 event(s) released.\n")


def test_numbers_and_a_filter_are_one_too_many(casino: Casino) -> None:
    result = _run(casino, "retry", "1", "--state", "dead")
    assert result.exit_code == 2
    assert "give numbers of events or a filter, not both" in result.stderr


def test_nobody_answers(casino: Casino) -> None:
    """As in a script, where standard input has an end."""
    casino.sql("UPDATE pooled_event SET state = 'held', reason = 'over_limit'")
    before = casino.states()
    result = _run(casino, "release", casino.rows("id")[0], answer="")
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "Nobody answered: in a script, answer with --yes.\nNothing was done.\n"
    )
    assert casino.states() == before
