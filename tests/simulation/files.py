"""What is in the files of a casino, read past the code under test."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .processes import Setup

_ACCOUNTS = "SELECT tenant_id, pool_id, player_id, entry_type, entries, paid FROM pooled_account"
_OUTCOMES = "SELECT tenant_id, pool_id, outcome FROM pooled_pool WHERE outcome IS NOT NULL"
_CREDITS = "SELECT hour, cents FROM pooled_credit WHERE cents > 0"

#: What a trace shows of an event.
_SHOWN = "id, kind, state, reason, ordinal, attempts, due_at, original_id, receipt"


class Files:
    """Inbox, wallet and spool.

    :param folder: where they are.
    """

    def __init__(self, setup: Setup, folder: Path) -> None:
        joined = folder / "inbox.sqlite"
        self._paths = (
            joined if setup.joined else folder / "pooled.sqlite",
            joined if setup.joined else folder / "wallet.sqlite",
        )
        self._spool = folder / "pooled-spool.sqlite"
        self.open()

    def open(self) -> None:
        """Open them."""
        self._inbox, self._wallet = map(_open, self._paths)

    def close(self) -> None:
        """Close them."""
        self._inbox.close()
        self._wallet.close()

    def events(self) -> list[sqlite3.Row]:
        """The inbox's rows, oldest first."""
        return self._inbox.execute("SELECT * FROM pooled_event ORDER BY id").fetchall()

    def audit(self) -> list[sqlite3.Row]:
        """The trails of all events."""
        return self._inbox.execute("SELECT * FROM pooled_audit ORDER BY id").fetchall()

    def accounts(self) -> dict[tuple[str, ...], tuple[int, int]]:
        """Entries and refunds, by tenant, pool, player and entry type."""
        rows = self._inbox.execute(_ACCOUNTS)
        return {tuple(row)[:4]: (row["entries"], row["paid"]) for row in rows}

    def outcomes(self) -> dict[tuple[str, ...], str]:
        """How each pool ended, by tenant and pool."""
        return {tuple(row)[:2]: row["outcome"] for row in self._inbox.execute(_OUTCOMES)}

    def credits(self) -> dict[int, int]:
        """Cents by hour."""
        return {row["hour"]: row["cents"] for row in self._inbox.execute(_CREDITS)}

    def payments(self) -> Counter[tuple[str, str]]:
        """How often the wallet has each half of each payment."""
        rows = self._wallet.execute("SELECT key, half FROM ledger")
        return Counter((row["key"], row["half"]) for row in rows)

    def spooled(self) -> list[sqlite3.Row]:
        """Receipts, and why the inbox refused them, as they lie in the spool."""
        if not self._spool.exists():
            return []
        spool = _open(self._spool)
        try:
            return spool.execute("SELECT receipt, refused FROM spool ORDER BY number").fetchall()
        except sqlite3.OperationalError:
            # Its process ended between making the file and making the table.
            return []
        finally:
            spool.close()

    def claw_back(self, key: str) -> bool:
        """Take a payment out of the wallet; returns whether that was possible."""
        try:
            self._wallet.execute("DELETE FROM ledger WHERE key = ?", (key,))
        except sqlite3.OperationalError:
            # Else it would go on to see the wallet as it is now.
            self._wallet.rollback()
            return False
        self._wallet.commit()
        return True

    def shown(self) -> Iterator[str]:
        """What they say, in lines."""
        rows = self._inbox.execute(f"SELECT {_SHOWN} FROM pooled_event ORDER BY id").fetchall()
        rows += self._wallet.execute("SELECT key, half FROM ledger ORDER BY 1, 2").fetchall()
        for row in rows:
            yield " ".join("-" if value is None else str(value) for value in row)
        for row in self.spooled():
            yield f"spool {row['receipt']}"


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0)
    connection.row_factory = sqlite3.Row
    return connection
