"""Is what was acknowledged safe, and is it worked on?"""

from __future__ import annotations

from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning
from flask_pooled.stats import read_stats

#: Seconds after which a pending event is late.
_LATE = 300

#: Seconds after which a thread that works would have begun with a pending event.
_BEGUN = 60


def check_tables(patient: Patient) -> Verdict:
    """The tables are as this version needs them."""
    found = patient.state.structure.look()
    if found.differences:
        fix = "run 'flask db migrate' and 'flask db upgrade', or db.create_all()"
        return fault("; ".join(found.differences), fix)
    return ok(f"as they should be, in {found.address}")


def check_spool(patient: Patient) -> Verdict:
    """There is a spool, and it is empty."""
    spool = patient.state.inbox.intake.spool
    if spool is None:
        return warning(
            "there is none: webhooks get 503 while the database is out of reach, and may never come again",
            "set POOLED_SPOOL to a file on a local disk",
        )
    facts = spool.facts()
    if facts.waiting or facts.refused:
        evidence = f"{facts.waiting} deliveries wait in it, {facts.refused} were refused"
        return fault(evidence, "bring the database back, and look at the log")
    return ok(f"empty, {facts.free // 2**20:,} MiB free")


def check_backlog(patient: Patient) -> Verdict:
    """Nobody waits for money."""
    stats = read_stats(patient.state)
    dead, held = (stats["states"].get(state, 0) for state in ("dead", "held"))
    late = stats["oldest_pending_seconds"] or 0
    if dead:
        fix = "mend the receiver, see 'flask pooled events --state dead', then 'flask pooled retry'"
        return fault(f"{dead} event(s) are dead: nobody was paid", fix)
    if late > _LATE:
        evidence = f"the oldest pending event waits for {late:.0f} s"
        return fault(evidence, "see that a worker runs, and look at the log")
    if held:
        fix = "see 'flask pooled events --state held', then release or discard"
        return warning(f"{held} event(s) wait for somebody", fix)
    return ok("nothing waits")


def check_workers(patient: Patient) -> Verdict:
    """Somebody works."""
    mode = patient.state.settings.dispatch
    alive = [worker for worker in patient.state.workers.seen() if worker.alive]
    if alive:
        return ok(f"{len(alive)} alive")
    if mode in ("worker", "celery"):
        start = "'flask pooled worker'" if mode == "worker" else "a Celery worker and beat"
        return fault("none is alive: nobody is paid", f"start {start}")
    if mode == "inline":
        return ok("none is needed: each webhook works")
    oldest = patient.state.inbox.figures.oldest_pending()
    if oldest is not None and patient.clock() - oldest / 1000 > _BEGUN:
        return fault(
            "events wait, and no thread works on them",
            "start the server; if it runs, it freezes threads: give uWSGI --enable-threads, and choose"
            " POOLED_DISPATCH worker where a host stops between requests",
        )
    return ok("none is alive; the thread begins with the first request")
