"""What must hold at every moment of a history, whatever has happened in it."""

from __future__ import annotations

from collections import Counter

from flask_pooled.inbox.batches import LARGEST

from .books import Books
from .books import check
from .processes import MAX_ATTEMPTS
from .wallet import FIRST
from .wallet import SECOND

_HOUR = 3_600_000

_OUTCOMES = {"pool.win": "won", "pool.refund": "refunded"}


def check_promises(books: Books, *, joined: bool) -> None:
    """Compare everything that the files say with what the books say.

    :param joined: whether wallet and inbox share a database.
    :raises BooksError: a promise is broken.
    """
    _acknowledged_is_safe(books)
    _payments_are_whole_and_made_once(books, joined)
    _attempts_are_those_that_failed(books)
    _trails_tell_what_happened(books)
    _refunds_have_entries(books)
    _pools_end_once(books)
    _credits_are_counted(books)


def _acknowledged_is_safe(books: Books) -> None:
    """Whatever was answered with 200 is in the inbox or in the spool; the unreadable is kept once for each body."""
    spooled = books.files.spooled()
    check(all(row["refused"] is None for row in spooled), "the inbox refused what is in order")
    kept = {int(row["receipt"][12:], 16) for row in spooled} | books.recorded
    for delivery in books.world.deliveries:
        safe = delivery.number in kept or delivery.body in books.rejected
        check(safe or delivery.status not in (200, 400), f"delivery {delivery.number} is lost")


def _payments_are_whole_and_made_once(books: Books, joined: bool) -> None:
    """For what is done, and for nothing else."""
    paid = books.files.payments()
    for row_id, key in books.keys.items():
        line, calls = books.lines[row_id], books.world.calls_of(key)
        halves = (paid.pop((key, FIRST), 0), paid.pop((key, SECOND), 0))
        if line.state == "done":
            allowed = halves == (1, 1)
        elif joined:
            # What was committed past the event stays, until somebody looks into the wallet.
            allowed = halves == (0, 0) or (calls.beside > 0 and max(halves) <= 1)
        else:
            # The wallet keeps what a receiver has committed, once, and the rest comes with the next attempt.
            allowed = max(halves) <= int(line.counted)
        check(allowed, f"event {row_id} ({line.kind}, {line.state}): {halves} halves are paid")
    check(not paid, f"paid for nobody's event: {[*paid]}")


def _attempts_are_those_that_failed(books: Books) -> None:
    """By themselves, or because their process died. An outage is none."""
    world, without_reason = books.world, 0
    for row_id, row in books.rows.items():
        if row["state"] not in ("pending", "dead", "done"):
            continue
        failures = books.calls(row_id).failures
        check(row["attempts"] <= MAX_ATTEMPTS, f"event {row_id} is tried for ever")
        check(row["attempts"] >= failures, f"event {row_id}: a failure is not counted")
        if row["state"] != "done":
            without_reason += row["attempts"] - failures
    # Events that are worked on together are interrupted together; the next time each is alone.
    for_good = books.interrupted + LARGEST * world.interrupted
    for_now = LARGEST * (world.unwritten.total() + world.suspended)
    check(
        without_reason <= for_good + for_now,
        f"{without_reason} attempts are counted that never failed",
    )
    books.interrupted = min(without_reason, for_good) if for_now else without_reason
    world.interrupted = 0


def _trails_tell_what_happened(books: Books) -> None:
    trails: dict[int, list[tuple[str, str, str]]] = {row_id: [] for row_id in books.rows}
    for entry in books.files.audit():
        check(entry["event_id"] in trails, "a trail has outlived its event")
        change = (entry["action"], entry["from_state"], entry["to_state"])
        if entry["action"] == "bypass":
            beside = books.calls(entry["event_id"]).beside
            check(beside, "somebody is said to have committed past an event, and has not")
        else:
            trails[entry["event_id"]].append(change)
    for row_id, trail in trails.items():
        told, true = sorted(trail), sorted(books.lines[row_id].trail)
        check(told == true, f"event {row_id}: its trail says {told}, and not {true}")


def _refunds_have_entries(books: Books) -> None:
    accounts = books.files.accounts()
    true = {key: (each.entries, each.paid) for key, each in books.model.accounts.items()}
    used = {key: counts for key, counts in true.items() if any(counts)}
    said = {key: counts for key, counts in accounts.items() if any(counts)}
    check(said == used, f"the refund accounts are {said}, and not {used}")
    released = Counter(
        books.model.account_key(line)
        for line in books.lines.values()
        if line.kind == "pool.refund" and line.released
    )
    for key, (entries, paid) in accounts.items():
        check(paid <= max(entries, 1) + released[key], f"{paid} refunds for {entries} entries")


def _pools_end_once(books: Books) -> None:
    true = {key: _OUTCOMES[kind] for key, kind in books.model.outcomes.items()}
    said = books.files.outcomes()
    check(said == true, f"the pools ended as {said}, and not {true}")


def _credits_are_counted(books: Books) -> None:
    if books.model.limit is None:
        return
    said = books.files.credits()
    # A day is looked back on, also from the last one that was pruned.
    old = books.world.pruned_until // _HOUR - 25
    spent = books.model.spent
    for hour in [hour for hour in spent if hour < old and hour not in said]:
        del spent[hour]
    true = {hour: cents for hour, cents in spent.items() if cents}
    check(said == true, f"credited is {said}, and not {true}")
