"""Is what was acknowledged safe, and is it worked on?"""

from __future__ import annotations

from flask_pooled.doctor.findings import Finding
from flask_pooled.doctor.findings import Patient
from flask_pooled.stats import read_stats

#: File systems that are gone with the machine, or on another one, where a lock may not hold.
_FLEETING = {"tmpfs", "ramfs", "overlay"}
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"}

#: Seconds after which a pending event is late.
_LATE = 300


def check_tables(patient: Patient) -> Finding:
    """The tables are as this version needs them."""
    found = patient.state.structure.look()
    if found.differences:
        fix = "run 'flask db migrate' and 'flask db upgrade', or db.create_all()"
        return Finding("tables", "fault", "; ".join(found.differences), fix)
    return Finding("tables", "ok", f"as they should be, in {found.address}")


def check_database(patient: Patient) -> Finding:
    """The database can be written, and keeps what it commits."""
    workers = patient.state.workers
    workers.note("doctor", "doctor")
    workers.forget("doctor")
    with patient.state.structure.database.read() as connection:
        if connection.dialect.name == "sqlite":
            mode = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())
            if mode != "wal":
                return Finding(
                    "database",
                    "warning",
                    f"can be written; SQLite's journal mode is {mode}, where readers block writers",
                    "run PRAGMA journal_mode=WAL once",
                )
            return Finding("database", "ok", "can be written; SQLite in WAL, every commit synced")
        for setting in ("fsync", "synchronous_commit"):
            if connection.exec_driver_sql(f"SHOW {setting}").scalar() == "off":
                return Finding(
                    "database",
                    "fault",
                    f"PostgreSQL runs with {setting} = off: a crash loses acknowledged events",
                    f"set {setting} = on",
                )
    return Finding("database", "ok", "can be written; commits are on disk when they return")


def check_spool(patient: Patient) -> Finding:
    """There is a spool, it is empty, and on a disk that stays."""
    spool = patient.state.inbox.intake.spool
    if spool is None:
        return Finding(
            "spool",
            "warning",
            "there is none: webhooks get 503 while the database is out of reach, and may never come again",
            "set POOLED_SPOOL to a file on a local disk",
        )
    facts = spool.facts()
    if facts.waiting or facts.refused:
        evidence = f"{facts.waiting} deliveries wait in it, {facts.refused} were refused"
        return Finding("spool", "fault", evidence, "bring the database back, and look at the log")
    kind = facts.filesystem or ""
    if kind in _FLEETING | _REMOTE:
        where = "does not outlive this machine" if kind in _FLEETING else "is on another machine"
        return Finding(
            "spool",
            "warning",
            f"{facts.path} is on {kind}, which {where}",
            "set POOLED_SPOOL to a file on a local disk that stays",
        )
    return Finding("spool", "ok", f"empty, {facts.free // 2**20:,} MiB free")


def check_backlog(patient: Patient) -> Finding:
    """Nobody waits for money."""
    stats = read_stats(patient.state)
    dead, held = (stats["states"].get(state, 0) for state in ("dead", "held"))
    late = stats["oldest_pending_seconds"] or 0
    if dead:
        fix = "mend the receiver, see 'flask pooled events --state dead', then 'flask pooled retry'"
        return Finding("backlog", "fault", f"{dead} event(s) are dead: nobody was paid", fix)
    if late > _LATE:
        evidence = f"the oldest pending event waits for {late:.0f} s"
        return Finding("backlog", "fault", evidence, "see that a worker runs, and look at the log")
    if held:
        fix = "see 'flask pooled events --state held', then release or discard"
        return Finding("backlog", "warning", f"{held} event(s) wait for somebody", fix)
    return Finding("backlog", "ok", "nothing waits")


def check_workers(patient: Patient) -> Finding:
    """Somebody works."""
    mode = patient.state.settings.dispatch
    alive = [worker for worker in patient.state.workers.seen() if worker.alive]
    if alive:
        return Finding("workers", "ok", f"{len(alive)} alive")
    if mode in ("worker", "celery"):
        start = "'flask pooled worker'" if mode == "worker" else "a Celery worker and beat"
        return Finding("workers", "fault", "none is alive: nobody is paid", f"start {start}")
    if mode == "inline":
        return Finding(
            "workers",
            "warning",
            "POOLED_DISPATCH is inline: a slow receiver delays the answer, which must come within 10 s",
            "choose thread, worker or celery",
        )
    return Finding("workers", "ok", "none is alive; the thread begins with the first request")
