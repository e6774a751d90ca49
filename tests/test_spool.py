"""The spool's file: what it takes is on the disk, and leaves in order, once."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import cast

import pytest
from casino import win
from forks import start
from forks import was_killed
from sqlalchemy.exc import OperationalError

from flask_pooled.inbox import spool as spool_module
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Delivery
from flask_pooled.inbox.intake import Intake
from flask_pooled.inbox.spool import Spool
from flask_pooled.inbox.spool import SpoolError


def _delivery(number: int) -> Delivery:
    return accept(json.dumps(win(pool_id=str(number))).encode(), 1_800_000_000_000 + number)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool in a folder that is not there yet."""
    return Spool(tmp_path / "folder" / "spool.sqlite")


def test_nothing_is_made_before_it_is_needed(spool: Spool, tmp_path: Path) -> None:
    assert spool.is_empty()
    assert spool.facts().waiting == 0
    assert spool.drain(_never, _refusal) == 0
    assert list(tmp_path.iterdir()) == []


def test_file_in_place_of_its_folder_is_an_empty_spool(spool: Spool) -> None:
    spool.path.parent.write_text("no folder")
    assert not spool.is_there()
    assert (spool.is_empty(), spool.oldest()) == (True, None)


def test_deliveries_come_out_as_they_went_in(spool: Spool) -> None:
    deliveries = [_delivery(number) for number in range(250)]
    for delivery in deliveries:
        spool.put(delivery)
    facts = spool.facts()
    assert (facts.waiting, facts.refused, facts.oldest) == (250, 0, 1_800_000_000_000)
    drained: list[Delivery] = []
    assert spool.drain(drained.extend, _refusal) == 250
    assert drained == deliveries
    assert spool.is_empty()


def test_body_that_is_no_event_is_kept_as_well(spool: Spool) -> None:
    spool.put(accept(b"\xff{", 1))
    drained: list[Delivery] = []
    spool.drain(drained.extend, _refusal)
    assert [(each.body, each.event) for each in drained] == [(b"\xff{", None)]


def test_what_is_handed_over_together_is_of_one_hour(spool: Spool) -> None:
    """One transaction counts what it credits in one hour."""
    hour = 3_600_000
    times = [1, *(hour - 2 + number for number in range(50)), 3 * hour, 2 * hour]
    for time in times:
        spool.put(accept(b"{", time))
    drained: list[list[int]] = []
    spool.drain(lambda together: drained.append([each.received_at for each in together]), _refusal)
    assert [time for together in drained for time in together] == times
    assert all(len({time // hour for time in together}) == 1 for together in drained)
    assert [len(together) for together in drained] == [3, 20, 20, 8, 1, 1]


def test_outage_in_the_middle_leaves_the_rest_in_order(spool: Spool) -> None:
    for number in range(5):
        spool.put(_delivery(number))
    drained: list[int] = []

    def record(deliveries: Sequence[Delivery]) -> None:
        if len(drained) + len(deliveries) > 2:
            raise OperationalError("", {}, Exception("gone"))
        drained.extend(delivery.received_at for delivery in deliveries)

    with pytest.raises(OperationalError):
        spool.drain(record, _refusal)
    assert spool.facts().waiting == 3
    rest: list[Delivery] = []
    spool.drain(rest.extend, _refusal)
    assert [each.received_at - 1_800_000_000_000 for each in rest] == [2, 3, 4]


@pytest.mark.parametrize("count", [2, 3])
def test_refused_row_is_set_aside_and_blocks_nobody(spool: Spool, count: int) -> None:
    for number in range(count):
        spool.put(_delivery(number))
    drained: list[int] = []

    def record(deliveries: Sequence[Delivery]) -> None:
        times = [delivery.received_at for delivery in deliveries]
        if 1_800_000_000_001 in times:
            raise ValueError("this one, never")
        drained.extend(times)

    assert spool.drain(record, _refusal) == count - 1
    facts = spool.facts()
    assert (facts.waiting, facts.refused) == (0, 1)
    with sqlite3.connect(spool.path) as connection:
        [(reason, body)] = connection.execute("SELECT refused, body FROM spool").fetchall()
    connection.close()
    assert reason == "ValueError: this one, never"
    assert json.loads(body)["pool_id"] == "1"
    assert spool.is_empty()


def test_same_receipt_is_kept_once(spool: Spool) -> None:
    delivery = _delivery(1)
    spool.put(delivery)
    spool.put(delivery)
    assert spool.facts().waiting == 1


def test_full_spool_says_so_and_has_room_again_when_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite", limit=100_000)
    put = 0
    while spool.facts().size < 100_000:
        spool.put(_delivery(put))
        put += 1
    assert 50 < put < 1000
    with pytest.raises(SpoolError, match="full"):
        spool.put(_delivery(put))
    assert spool.drain(lambda deliveries: None, _refusal) == put
    spool.put(_delivery(0))


def test_limit_is_the_most_that_it_takes(spool: Spool) -> None:
    spool.put(_delivery(1))
    size = spool.facts().size
    with pytest.raises(SpoolError) as told:
        Spool(spool.path, limit=size).put(_delivery(2))
    assert str(told.value) == (
        f"the spool {spool.path} is full: bring the database back, so that it can be drained"
    )
    Spool(spool.path, limit=size + 1).put(_delivery(2))
    assert spool.facts().waiting == 2


def test_folders_are_made_as_well(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "one" / "in another" / "spool.sqlite")
    spool.put(_delivery(1))
    assert spool.facts().waiting == 1


def test_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("no folder")
    with pytest.raises(SpoolError, match="POOLED_SPOOL"):
        Spool(tmp_path / "folder" / "spool.sqlite").put(_delivery(1))
    (tmp_path / "garbage").write_bytes(b"this is no database" * 1000)
    with pytest.raises(SpoolError) as told:
        Spool(tmp_path / "garbage").put(_delivery(1))
    assert str(told.value) == (
        f"the spool {tmp_path / 'garbage'} cannot be written (file is not a database): see to its disk and "
        "permissions, or set POOLED_SPOOL to a file that can be"
    )


def test_commits_are_synced(spool: Spool) -> None:
    spool.put(_delivery(1))
    with spool._connect(1) as connection:
        # EXTRA: the folder as well, after the journal is gone.
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)


_WRITER = """
import sys
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.spool import Spool
spool = Spool(sys.argv[1])
for number in range(100):
    spool.put(accept(b'{"event": "pool.unheard", "by": %d, "number": %d}' % (int(sys.argv[2]), number), number))
"""


def test_processes_write_at_once(spool: Spool) -> None:
    spool.path.parent.mkdir()
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, spool.path, str(by)], env={**os.environ})
        for by in range(3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    drained: list[Delivery] = []
    assert spool.drain(drained.extend, _refusal) == 300
    assert len({delivery.body for delivery in drained}) == 300


@contextmanager
def _reader(spool: Spool) -> Iterator[None]:
    """Somebody who is in the middle of reading the file: others may begin to write, and not commit."""
    connection = sqlite3.connect(spool.path)
    cursor = connection.execute("SELECT * FROM spool")
    cursor.fetchone()
    yield
    connection.close()


def test_file_that_somebody_else_reads_takes_nothing_and_stays_free(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_WAIT", 0.2)
    for number in range(3):
        spool.put(_delivery(number))
    with _reader(spool):
        with pytest.raises(SpoolError, match="locked"):
            spool.put(_delivery(3))
        # No transaction was left open.
        other = sqlite3.connect(spool.path, timeout=0)
        other.execute("BEGIN IMMEDIATE")
        other.close()
    spool.put(_delivery(4))
    assert spool.facts().waiting == 4


def test_what_could_not_be_forgotten_is_handed_over_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_WAIT", 0.2)
    for number in range(3):
        spool.put(_delivery(number))
    first: list[Delivery] = []
    with _reader(spool), pytest.raises(sqlite3.OperationalError):
        spool.drain(first.extend, _refusal)
    again: list[Delivery] = []
    assert spool.drain(again.extend, _refusal) == 3
    assert again == first
    assert spool.is_empty()


def test_facts_tell_which_spool_it_is(spool: Spool) -> None:
    facts = spool.facts()
    assert (facts.path, facts.limit) == (str(spool.path), 512 * 1024 * 1024)
    assert Spool(spool.path, limit=1000).facts().limit == 1000


def test_facts_tell_of_the_disk(spool: Spool) -> None:
    before = spool.facts()
    spool.put(_delivery(1))
    facts = spool.facts()
    assert (before.size, facts.size > 0) == (0, True)
    assert os.path.ismount(facts.disk)
    assert spool.path.is_relative_to(facts.disk)
    assert 0 < facts.free < shutil.disk_usage(facts.disk).total
    # Only Linux tells.
    assert (facts.filesystem is None) == (sys.platform != "linux")
    assert (before.disk, before.filesystem) == (facts.disk, facts.filesystem)


def test_file_without_its_table_is_an_empty_spool(spool: Spool) -> None:
    """All that a full disk may leave room for."""
    spool.path.parent.mkdir()
    spool.path.touch()
    assert (spool.is_empty(), spool.facts().waiting) == (True, 0)
    assert spool.drain(_never, _refusal) == 0
    assert spool.path.stat().st_size == 0
    spool.put(_delivery(1))
    assert spool.facts().waiting == 1


def _never(deliveries: Sequence[Delivery]) -> None:
    raise AssertionError("there is nothing to record")


def _refusal(error: Exception) -> bool:
    return isinstance(error, ValueError)


def test_folder_that_nobody_may_look_into_is_told(spool: Spool) -> None:
    spool.put(_delivery(1))
    spool.path.parent.chmod(0)

    def look() -> None:
        # Permissions do not bind root, so a child process becomes somebody else first.
        if os.geteuid() == 0:
            os.setuid(65534)
        for each in (spool.facts, spool.oldest, spool.is_empty):
            with pytest.raises(SpoolError, match="cannot be read"):
                each()
        # Something may wait; no store is asked.
        assert Intake(cast(Any, None), spool, may_hang=lambda: False).has_spooled()

    child = start(look)
    try:
        was_killed(child)
    finally:
        spool.path.parent.chmod(0o700)


def test_file_that_is_none_is_told(spool: Spool) -> None:
    spool.path.parent.mkdir(parents=True, exist_ok=True)
    spool.path.write_bytes(b"not a database" * 1000)
    for look in (spool.facts, spool.oldest, spool.is_empty):
        with pytest.raises(SpoolError) as told:
            look()
        assert str(told.value) == (
            f"the spool {spool.path} cannot be read (file is not a database): see to its disk and permissions"
        )
