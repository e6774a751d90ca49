"""The benchmarks measure what they say, tell what they lack, and calculate right. How fast anything is, is no test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import create_engine

from benchmarks import __main__ as program
from benchmarks import large
from benchmarks.apps import make_pooled
from benchmarks.bodies import entry
from benchmarks.bodies import SECRET
from benchmarks.databases import sqlite_uri
from benchmarks.figures import Comparison
from benchmarks.figures import Failure
from benchmarks.figures import Goal
from benchmarks.figures import MissingTool
from benchmarks.figures import Row
from benchmarks.figures import Shown
from benchmarks.figures import Spread
from benchmarks.figures import spread
from benchmarks.load import Load
from benchmarks.load import read
from benchmarks.naive import NaiveInbox
from benchmarks.plan import Plan
from benchmarks.plan import SMALLEST
from benchmarks.plot import draw
from benchmarks.record import load
from benchmarks.record import Measured
from benchmarks.record import Record
from benchmarks.report import DOCS
from benchmarks.report import publish
from benchmarks.report import table
from benchmarks.storm import count_spooled
from benchmarks.storm import Storm
from benchmarks.wallet import book
from benchmarks.wallet import connect_receivers
from benchmarks.wallet import count_entries
from benchmarks.wallet import create_wallet
from benchmarks.wallet import refunds_by_player
from flask_pooled import sign_body
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.spool import Spool
from flask_pooled.spool_file import SPOOL_NAME
from flask_pooled.state import state_of

_RATES = Comparison("1", "ours", "theirs", "per s", [10, 40, 20], [10, 20, 40], Goal(at_least=1))
_EXACT = Comparison("8", "ours", "theirs", "µs", [123456.7, 2.0], [3.14159265, 3.0])
_LATE = Comparison("3", "late", "theirs", "ms", [3.0], [2.0], Goal(at_most=1.2))
_ROWS: list[Row] = [
    Shown("9", "storm", "nothing lost", True),
    Failure("5", "a large inbox", "not on this machine: a disk"),
    _LATE,
    _RATES,
]

_WRK = """\
unanswered: 3
Running 1s test @ http://127.0.0.1:5000
  2 threads and 16 connections
  Latency Distribution
     50%  500.00us
     75%    4.20ms
     90%   10.00ms
     99%    1.25s
  2513 requests in 1.00s, 500.00KB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:   2512.55
"""


@pytest.fixture
def any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look at the machine, for which a PostgreSQL starts."""
    monkeypatch.setattr(program, "facts", dict)


def test_quartiles_lie_between_the_figures() -> None:
    assert spread([4, 1, 2, 3, 5]) == Spread(2, 3, 4)
    assert spread([1, 3]) == Spread(1.5, 2, 2.5)
    assert spread([7]) == Spread(7, 7, 7)


def test_a_ratio_is_taken_within_each_round() -> None:
    # Of the medians it would be 1.
    assert _RATES.ratio == spread([1, 2, 0.5])
    assert _RATES.ratio == Spread(0.75, 1, 1.5)


@pytest.mark.parametrize(
    ("goal", "ratio", "met"),
    [
        (Goal(at_least=0.6), 0.6, True),
        (Goal(at_least=0.6), 0.5951, True),  # it is shown as 0.60
        (Goal(at_least=0.6), 0.5949, False),
        (Goal(at_most=1.2), 1.2049, True),
        (Goal(at_most=1.2), 1.2051, False),
        (Goal(at_least=0.9, at_most=1.1), 1.2, False),
    ],
)
def test_a_goal_is_met_by_what_is_shown(goal: Goal, ratio: float, met: bool) -> None:
    assert goal.is_met(ratio) == met


def test_the_table_has_a_line_for_each_row_in_the_order_of_their_numbers() -> None:
    written = table(Record({"Kernel": "Linux 6"}, {"all": Measured("quick", 90, _ROWS)}))
    assert ":Kernel: Linux 6\n:Run, quick: all (90 s)\n" in written
    starts = [line[7:] for line in written.splitlines() if line.startswith("   * - ")]
    assert starts == ["#", "1", "3", "5", "9"]
    assert "     - 1.00 (0.75 to 1.50)\n     - ≥ 1.00: reached\n" in written
    assert "     - 1.50 (1.50 to 1.50)\n     - ≤ 1.20: missed\n" in written
    assert "     - **failed**: not on this machine: a disk\n" in written
    assert "     - nothing lost\n" in written


def test_the_picture_has_a_bar_for_each_ratio() -> None:
    picture = ElementTree.fromstring(draw(_ROWS))
    space = "{http://www.w3.org/2000/svg}"
    assert len(picture.findall(f"{space}circle")) == 2
    assert len(picture.findall(f"{space}polygon")) == 2


def test_what_a_run_did_not_measure_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "_static").mkdir()
    publish(Record({"Kernel": "Linux 6"}, {"a": Measured("full", 9, [_RATES])}), tmp_path)
    publish(Record({"Kernel": "Linux 7"}, {"b": Measured("quick", 1, _ROWS[:3])}), tmp_path)
    kept = load(tmp_path / "_static" / "performance.json")
    assert kept.machine == {"Kernel": "Linux 7"}
    assert kept.groups == {
        "a": Measured("full", 9, [_RATES]),
        "b": Measured("quick", 1, _ROWS[:3]),
    }
    assert (tmp_path / "performance_table.rst").read_text() == table(kept)


def test_table_and_data_agree_to_the_last_digit(tmp_path: Path) -> None:
    (tmp_path / "_static").mkdir()
    publish(Record({}, {"a": Measured("full", 9, [_EXACT])}), tmp_path)
    kept = load(tmp_path / "_static" / "performance.json")
    assert (tmp_path / "performance_table.rst").read_text() == table(kept)
    assert (tmp_path / "_static" / "performance.svg").read_text() == draw(kept.rows())


def test_the_documentation_shows_the_figures_that_it_offers() -> None:
    known = load(DOCS / "_static" / "performance.json")
    assert (DOCS / "performance_table.rst").read_text() == table(known)
    assert (DOCS / "_static" / "performance.svg").read_text() == draw(known.rows())


def test_the_documentation_explains_each_row_that_it_shows() -> None:
    shown = {row.number for row in load(DOCS / "_static" / "performance.json").rows()}
    page = (DOCS / "performance.rst").read_text()
    assert shown == set(re.findall(r"^   \* - (\d+)$", page, re.MULTILINE))
    assert shown == {group.numbers for group in program.GROUPS.values()} | {"3", "4"}


def test_the_commands_of_the_documentation_are_understood() -> None:
    page = (DOCS / "performance.rst").read_text()
    commands = re.findall(r"^   \.venv/bin/python -m benchmarks (.*)$", page, re.MULTILINE)
    assert commands == ["--quick iframe drain", "--help"]
    assert program.read_words(commands[0].split()).groups == ["iframe", "drain"]
    with pytest.raises(SystemExit) as asked:
        program.read_words(commands[1].split())
    assert asked.value.code == 0


def test_a_group_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        program.read_words(["iframe", "speed"])
    assert refused.value.code == 2
    assert "no such group: speed. There are iframe, " in capsys.readouterr().err


def test_the_report_of_wrk_is_read() -> None:
    assert read(_WRK) == Load(2512.55, 0.5, 1250, 2513, 10)
    with pytest.raises(RuntimeError, match="no figures"):
        read("unable to connect")


def test_the_smallest_run_measures_what_needs_no_load(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--smallest", "iframe", "drain", "drain-postgres"]) == 0
    told = capsys.readouterr().out
    assert "PostgreSQL: " in told
    assert "fsync of 4 KB: " in told
    assert [line[:3] for line in told.splitlines() if "ratio" in line] == ["  8", *["  7"] * 4]


@pytest.mark.usefixtures("any_machine")
def test_the_smallest_run_of_celery(capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("needs Redis: apt-get install redis-server")
    assert program.main(["--smallest", "celery"]) == 0
    assert "Celery and Redis" in capsys.readouterr().out


@pytest.mark.usefixtures("any_machine")
def test_a_missing_tool_is_named_and_takes_nothing_else_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert program.main(["--smallest", "serving", "node", "celery", "iframe"]) == 1
    told = capsys.readouterr().out
    assert "not on this machine: wrk sends the load: sudo apt-get install wrk" in told
    assert "not on this machine: Node serves" in told or told.count("wrk sends the load") == 2
    assert "not on this machine: Redis is Celery's broker" in told
    assert "pooled_iframe" in told


@pytest.mark.usefixtures("any_machine")
def test_what_fails_half_way_keeps_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(plan: Plan) -> Iterator[Row]:
        yield _RATES
        raise ZeroDivisionError("no rounds")

    def lack(plan: Plan) -> Iterator[Row]:
        raise MissingTool("a disk")
        yield

    groups = {
        "fails": program.Group("1", "half", measure),
        "lacks": program.Group("5", "none", lack),
    }
    monkeypatch.setattr(program, "GROUPS", groups)
    record = program.measure(["fails", "lacks"], SMALLEST)
    assert record.rows() == [
        _RATES,
        Failure("1", "half", "ZeroDivisionError: no rounds"),
        Failure("5", "none", "not on this machine: a disk"),
    ]
    assert program.main(["fails", "lacks"]) == 1


def test_a_storm_owes_what_the_inbox_pays(tmp_path: Path) -> None:
    uri = sqlite_uri(tmp_path, "casino")
    create_wallet(uri)
    app, pooled = make_pooled(uri, folder=str(tmp_path))
    connect_receivers(app)
    client, storm = app.test_client(), Storm(50)
    with app.app_context():
        for bodies in (storm.entries(), storm.refunds()):
            for body in bodies:
                headers = {"X-Pooled-Signature": sign_body(body, SECRET)}
                client.post("/pooled/webhook", data=body, headers=headers)
            pooled.drain()
        assert pooled.stats()["states"] == {"done": 101, **storm.unpaid()}
    state_of(app).dispatcher.close()
    with create_engine(uri).connect() as connection:
        assert count_entries(connection) == 50
        assert refunds_by_player(connection) == storm.owed()


def test_storm_counts_what_went_by_the_spool(tmp_path: Path) -> None:
    assert count_spooled(tmp_path) == 0
    spool = Spool(tmp_path / "works" / SPOOL_NAME)
    for number in range(3):
        spool.put(accept(entry(number), number))
    assert spool.drain(lambda deliveries: None, lambda error: False) == 3
    assert count_spooled(tmp_path) == 3


if shutil.which("wrk"):  # nothing else needs it, so a machine without it lacks nothing

    @pytest.mark.usefixtures("any_machine")
    def test_the_smallest_run_of_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
        assert program.main(["--smallest", "steps"]) == 0
        told = [line for line in capsys.readouterr().out.splitlines() if "ratio" in line]
        assert [line.split(": ")[0] for line in told] == [
            "  1  Webhook, each batch one statement into one table",
            "  1  Webhook, a pause of 0.5 ms instead of writing",
            "  1  Webhook, nothing written",
        ]

    @pytest.mark.usefixtures("any_machine")
    def test_the_smallest_storm_is_sent_once_and_settled(
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert program.main(["--smallest", "storm"]) == 0
        told = capsys.readouterr().out
        assert "; 0 webhooks went by the spool, 0 requests failed: " in told
        assert (
            "100 entries and 101 refunds booked, of which 100 and 101 were owed; 3 refunds beyond the entries not "
            "paid, 1 without entries held: reached"
        ) in told


def test_the_large_inbox_has_its_rows_and_takes_more(tmp_path: Path) -> None:
    large._fill(tmp_path, 1000)
    app, pooled = make_pooled(folder=str(tmp_path))
    body = entry(1)
    headers = {"X-Pooled-Signature": sign_body(body, SECRET)}
    answer = app.test_client().post("/pooled/webhook", data=body, headers=headers)
    assert answer.status_code == 200
    with app.app_context():
        states = pooled.stats()["states"]
    assert sum(states.values()) == 1001
    assert states["pending"] == 1


def test_the_baseline_books_each_event_once(tmp_path: Path) -> None:
    for name in ("core", "driver"):
        uri = sqlite_uri(tmp_path, name)
        create_wallet(uri)
        inbox = NaiveInbox(uri)
        inbox.create()
        for number in [1, 2, 2, *range(3, 251), 1]:
            inbox.record(entry(number))
        drained = inbox.drain_by_core(book) if name == "core" else inbox.drain_by_driver()
        assert drained == 250
        with create_engine(uri).connect() as connection:
            assert count_entries(connection) == 250
            states = "SELECT state, count(*) FROM naive_event GROUP BY state"
            assert connection.exec_driver_sql(states).all() == [("done", 250)]
