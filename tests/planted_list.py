"""Bugs to plant: what somebody might write one day, or once did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """One change of one file."""

    name: str
    #: Below ``flask_pooled``.
    file: str
    old: str
    new: str
    #: The test that catches it, where the simulation cannot: it knows one database, and one statement at a time.
    test: str | None = None
    #: Whether it takes hundreds of histories until one breaks.
    rare: bool = False


BUGS = (
    # From the webhook to a row.
    Bug(
        "drop the commit",
        "inbox/database.py",
        "            yield connection\n            commit(connection)\n",
        "            yield connection\n",
    ),
    Bug(
        "leave a commit that failed open",
        "inbox/database.py",
        "                driver.rollback()\n        raise",
        "                pass\n        raise",
    ),
    Bug(
        "acknowledge before the inbox is synced",
        "inbox/database.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=OFF",
    ),
    Bug(
        "treat a conflict as a duplicate",
        "inbox/recording.py",
        "if content == original.content:",
        "if original:",
    ),
    Bug(
        "tell the same contradiction every time",
        "inbox/recording.py",
        'Verdict("held", "conflict") if told is None else',
        'Verdict("held", "conflict") if original else',
    ),
    Bug(
        "let anybody's events in",
        "inbox/holds.py",
        "    return event.tenant_id.lower() != settings.tenant_id\n",
        "    return False\n",
    ),
    Bug(
        "forget the limit of a day",
        "inbox/recording.py",
        'if verdict.state == "pending" and not self._credits.allows(event.cents):',
        "if False:",
    ),
    Bug(
        "take again in a file what was pruned",
        "inbox/fresh.py",
        "(SELECT 1 FROM {known} WHERE identity = NEW.identity)",
        "(SELECT 1 FROM {known} WHERE identity IS NULL)",
        test="test_fresh.py::test_pruned_event_is_remembered",
    ),
    Bug(
        "forget in a file what waits for room",
        "inbox/fresh.py",
        "WHERE key = NEW.account AND paid > 0)",
        "WHERE key = NEW.account AND paid > 99)",
        test="test_fresh.py::test_both_ways_lead_to_the_same",
    ),
    Bug(
        "pay in a file what has no room any more",
        "inbox/fresh_refunds.py",
        "AND paid = NEW.ordinal - 1 AND paid < entries",
        "",
        test="test_fresh_refunds.py::test_what_changes_after_the_look_is_seen",
    ),
    Bug(
        "give back in a file what was won",
        "inbox/fresh_refunds.py",
        "key = NEW.pool AND outcome = 'refunded'",
        "key = NEW.pool",
    ),
    Bug(
        "forget to count in a file what is given back",
        "inbox/fresh_refunds.py",
        "SET paid = NEW.ordinal WHERE",
        "SET paid = paid WHERE",
    ),
    Bug(
        "let refunds in a file past the limit of a day",
        "inbox/fresh_refunds.py",
        "    if settings.hold_daily_over is not None:",
        "    if False:",
    ),
    Bug(
        "take again on PostgreSQL what was pruned",
        "inbox/fresh_postgres.py",
        '    if execute(_asking(tables.known, dialect), {"identities": identities}).first():',
        "    if False:",
        test="test_prune_races.py::test_entries_by_themselves_are_remembered_as_well",
    ),
    Bug(
        "forget on PostgreSQL what waits for room",
        "inbox/fresh_postgres.py",
        "    if any(paid for (paid,) in counted):",
        "    if False:",
        test="test_fresh.py::test_both_ways_lead_to_the_same",
    ),
    # The spool.
    Bug(
        "acknowledge before the spool has it",
        "inbox/spool.py",
        "            connection.commit()\n",
        "",
    ),
    Bug(
        "acknowledge before the spool is synced",
        "inbox/spool.py",
        "PRAGMA synchronous = EXTRA",
        "PRAGMA synchronous = OFF",
        rare=True,
    ),
    Bug(
        "acknowledge what the spool refused",
        "inbox/intake.py",
        "        spool.put(delivery)\n",
        "        try:\n            spool.put(delivery)\n        except Exception:\n            pass\n",
    ),
    Bug(
        "lose the delivery that finds the breaker open",
        "inbox/intake.py",
        "        if not self._may_try():\n            return self._put(self._spool, delivery)\n",
        '        if not self._may_try():\n            return Recorded(0, "spooled", event=delivery.event)\n',
    ),
    Bug(
        "drain without recording first",
        "inbox/spool.py",
        "        try:\n            record([",
        "        self._forget([number for number, _ in rows])\n        try:\n            record([",
    ),
    Bug(
        "forget the receipt",
        "inbox/spool.py",
        "accept(body, at, receipt)) for",
        "accept(body, at)) for",
    ),
    # Refunds and pools.
    Bug(
        "forget to count refunds that are paid together",
        "inbox/refunds.py",
        "self._accounts[key].paid += count\n",
        "self._accounts[key].paid += 0\n",
    ),
    Bug(
        "let refunds that come together past the limit of a day",
        "inbox/refund_batch.py",
        " or not credits_.allows(cents)",
        "",
        test="test_refund_batch.py::test_daily_limit_counts_all_of_them",
    ),
    Bug(
        "ignore the surplus",
        "inbox/refunds.py",
        "if account.paid + before < max(account.entries, 1):",
        "if True:",
    ),
    Bug(
        "promote one refund twice",
        "inbox/refunds.py",
        'values: dict[str, Any] = {"waits_on": None}',
        "values: dict[str, Any] = {}",
    ),
    Bug(
        "promote the latest refund",
        "inbox/refunds.py",
        "            .where(events.c.waits_on == key)\n            .order_by(events.c.id)\n",
        "            .where(events.c.waits_on == key)\n            .order_by(events.c.id.desc())\n",
        rare=True,
    ),
    Bug(
        "pay wins of a pool that was refunded",
        "inbox/refunds.py",
        'if self._pools[self._pool_key(win)].outcome == "refunded":',
        "if False:",
        rare=True,
    ),
    # Work.
    Bug(
        "count no attempt before it is made",
        "inbox/claims.py",
        "attempts = rows[0].attempts + 1\n",
        "attempts = rows[0].attempts\n",
    ),
    Bug(
        "count an outage as an attempt",
        "inbox/attempts.py",
        '        if counts:\n            self._end(claim, "failure"',
        '        if True:\n            self._end(claim, "failure"',
    ),
    Bug(
        "forget what an outage kept from being written",
        "inbox/attempts.py",
        "            self._unwritten.append(note)\n",
        "",
        rare=True,
    ),
    Bug(
        "skip the check that it is still pending",
        "inbox/claims.py",
        '.where(events.c.id == claim.id, events.c.state == "pending")',
        ".where(events.c.id == claim.id)",
        rare=True,
    ),
    Bug(
        "mark done before the receivers",
        "inbox/processing.py",
        "            with self._pace.timing(_one):\n"
        "                receivers = self._handler.deliver(event, None)\n",
        "            with self._database.write() as connection:\n"
        '                self._endings.done(connection, row, ["early"])\n'
        "            with self._pace.timing(_one):\n"
        "                receivers = self._handler.deliver(event, None)\n",
    ),
    Bug(
        "mark done in a transaction of its own",
        "inbox/processing.py",
        "            self._endings.done(connection, row, "
        "self._deliver_within(connection, row, event))\n"
        "            commit(connection)\n",
        "            receivers = self._deliver_within(connection, row, event)\n"
        "            commit(connection)\n"
        "            with self._database.write() as another:\n"
        "                self._endings.done(another, row, receivers)\n",
    ),
    Bug(
        "go on after a transaction that is gone",
        "inbox/batches.py",
        "        except BypassError as error:\n            raise BrokenBatchError(claim) from error\n",
        "        except BypassError as error:\n            worked.failed.append((claim, error))\n",
        test="test_batches.py::test_commit_in_the_middle_pays_nobody_twice",
    ),
    Bug(
        "forget to give back what was not begun",
        "inbox/batches.py",
        "                    self._claims.give_back(connection, worked.given_back)\n",
        "",
        test="test_batches.py::test_what_is_not_begun_keeps_its_place",
    ),
    Bug(
        "spend attempts on company",
        "inbox/attempts.py",
        "[row for row in rows if is_untried(row) and not is_alone(row)]",
        "rows",
        test="test_batches.py::test_killed_in_the_middle_nothing_is_paid_and_each_is_then_alone",
    ),
    Bug(
        "let wallet code commit for real",
        "session.py",
        'join_transaction_mode="create_savepoint"',
        'join_transaction_mode="control_fully"',
    ),
    Bug(
        "swallow a bypass",
        "inbox/processing.py",
        "            self._attempts.hold(claim, error)\n",
        "            self._attempts.fail(claim, error, counts=True)\n",
    ),
    Bug(
        "let the transaction be ended without a note",
        "inbox/bypass.py",
        "        if connection is self._connection and _ENDING.search(statement):\n",
        "        if False:\n",
        test="test_attempts.py::"
        "test_commit_of_the_very_transaction_is_held_even_if_the_process_dies",
    ),
    Bug(
        "never give up",
        "inbox/attempts.py",
        "        if row.attempts >= self._settings.max_attempts:\n"
        "            return self._endings.dead(connection, row, trace)\n        return None\n",
        "        return None\n",
    ),
    Bug(
        "forget to lock the row",
        "inbox/claims.py",
        '            .where(events.c.id == claim.id, events.c.state == "pending")\n'
        "            .with_for_update()\n",
        '            .where(events.c.id == claim.id, events.c.state == "pending")\n',
        test="test_slow_receiver.py::test_nobody_else_takes_the_event_meanwhile",
    ),
    # People.
    Bug(
        "forget who an event is when it is released",
        "inbox/decisions.py",
        "            identity=identity,\n",
        "            identity=None,\n",
    ),
    Bug(
        "count no released refund",
        "inbox/decisions.py",
        "event.with_ordinal(case.books.note_paid(event))",
        "event.with_ordinal(1)",
    ),
    Bug(
        "promote what was discarded",
        "inbox/decisions.py",
        'case.move("discarded", waits_on=None, due_at=None',
        'case.move("discarded", due_at=None',
        rare=True,
    ),
    Bug(
        "decide without a trail",
        "inbox/decisions.py",
        "            write_audit(\n                connection,\n"
        "                self._tables,\n                case.row,\n",
        "            (lambda *_, **__: None)(\n                connection,\n                self._tables,\n"
        "                case.row,\n",
    ),
    # Prune.
    Bug(
        "prune the accounts",
        "inbox/prune.py",
        "            connection.execute(delete(events).where(events.c.id.in_(ids)))\n",
        "            connection.execute(delete(events).where(events.c.id.in_(ids)))\n"
        "            connection.execute(delete(self._tables.account))\n",
    ),
    Bug(
        "prune what makes an event that event",
        "inbox/prune.py",
        "[event for event in map(known.get, ids) if event is not None]",
        "[]",
    ),
    Bug(
        "prune what is held",
        "inbox/prune.py",
        '_SETTLED = ("done", "duplicate", "rejected", "discarded")',
        '_SETTLED = ("done", "duplicate", "rejected", "discarded", "held")',
    ),
)
