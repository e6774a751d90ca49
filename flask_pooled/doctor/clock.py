"""Is the clock right, by which tokens end?"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import ok
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import warning
from flask_pooled.tokens import MAX_TTL

#: Seconds by which two clocks may differ.
_APART = 60.0

_SET = "set it by NTP, as with timedatectl set-ntp true"


def check_clock(patient: Patient) -> Verdict:
    """The clock agrees with every other one in sight."""
    now = patient.clock()
    installed = os.stat(__file__).st_mtime
    if now < installed - MAX_TTL:
        return fault(f"it says {_date(now)}, before this package was installed", _SET)
    for ahead in _ahead_of_events(patient):
        if ahead < -_APART:
            return warning(f"the newest event came {-ahead:,.0f} s from now: it was set back", _SET)
    compared = dict(_others(patient))
    for whose, ahead in compared.items():
        verdict = _judge(patient, whose, ahead)
        if verdict is not None:
            return verdict
    if not compared:
        return ok(f"it says {_date(now)}; there is no other to compare it with")
    return ok(f"agrees with {' and '.join(compared)} to {max(map(abs, compared.values())):.1f} s")


def _ahead_of_events(patient: Patient) -> Iterator[float]:
    if patient.has_tables:
        for event in patient.state.inbox.listing.list_events(limit=1).events:
            yield patient.clock() - event.received_at / 1000


def _others(patient: Patient) -> Iterator[tuple[str, float]]:
    """How far this clock is ahead of others, seconds."""
    if patient.has_tables:
        with patient.state.structure.database.read() as connection:
            if connection.dialect.name == "postgresql":
                before = patient.clock()
                there = connection.exec_driver_sql(
                    "SELECT extract(epoch FROM clock_timestamp())"
                ).scalar_one()
                yield "the database server's", (before + patient.clock()) / 2 - float(there)
    if patient.site is not None and patient.site.refused.date is not None:
        # A Date counts whole seconds.
        yield "the deployed site's", patient.clock() - patient.site.refused.date - 0.5


def _judge(patient: Patient, whose: str, ahead: float) -> Verdict | None:
    ttl = patient.state.settings.token_ttl
    said = f"it is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} {whose}"
    if -ahead >= ttl:
        return fault(f"{said}: tokens are expired when they are minted", _SET)
    if ahead + ttl > MAX_TTL + _APART:
        return fault(f"{said}: tokens would last for more than 24 hours", _SET)
    return warning(said, _SET) if abs(ahead) > _APART else None


def _date(now: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
