"""What is wrong with an app that would cost money or players: the guide's go-live list and error table, checked.

Each check looks at the real app, some of them through its whole WSGI stack, and says what it saw and what to do. What
no program can see is listed for a person to tick.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import replace

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled.doctor.checks import OF_THE_APP
from flask_pooled.doctor.checks import OF_THE_PAGE
from flask_pooled.doctor.checks import OF_THE_SITE
from flask_pooled.doctor.checks import TABLES
from flask_pooled.doctor.checks import YOURS
from flask_pooled.doctor.findings import Check
from flask_pooled.doctor.findings import fault
from flask_pooled.doctor.findings import Finding
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.findings import Verdict
from flask_pooled.doctor.findings import yours
from flask_pooled.doctor.page import visits_of
from flask_pooled.doctor.probe import Probe
from flask_pooled.doctor.site import Site
from flask_pooled.errors import PooledError
from flask_pooled.inbox.outages import is_outage
from flask_pooled.state import state_of


def examine(
    app: Flask,
    environ: Mapping[str, str],
    *,
    page: str | None = None,
    url: str | None = None,
    ca: str | None = None,
    signed: bool = False,
    probe: bool = True,
    clock: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Check an app.

    :param page: the path of a page with the frame, as ``/lobby``; ``None`` takes that of the rehearsal.
    :param url: the webhook's address on the deployed site, or the site's.
    :param ca: a file of certificates to trust there, instead of the system's.
    :param signed: send the deployed site a signed event, too, that means nothing; it is recorded there.
    :param probe: send one through the app; it is recorded.
    :param clock: seconds since the epoch.
    :raises ConfigError: Pooled is not set up on it.
    :raises ValueError: the address makes no sense.
    :raises OSError: the file of certificates cannot be read.
    """
    state = state_of(app)
    settings = state.settings
    site = None
    if url is not None:
        secret = settings.webhook_secret if signed else None
        site = Site(url, f"{settings.url_prefix}/webhook", ca=ca, secret=secret)
    visits, trouble = visits_of(app, page)
    patient = Patient(
        app,
        state,
        environ,
        clock,
        visits=visits,
        probe=Probe(app) if probe else None,
        site=site,
    )
    for check in OF_THE_APP:
        finding = _made(check, patient)
        if check is TABLES and finding.result == "fault":
            patient = replace(patient, has_tables=False)
        yield finding
    if patient.visits is not None:
        for check in OF_THE_PAGE:
            yield _made(check, patient)
    else:
        evidence = trouble or "none was looked at"
        yield Finding("page", "yours", evidence, "name it, as in --page /lobby")
    if site is not None and not site.secure:
        yield _made(OF_THE_SITE[0], patient)
    elif site is not None:
        for check in OF_THE_SITE:
            yield _made(check, patient)
    else:
        fix = "name it, as in --url https://casino.example"
        yield Finding("deployed webhook", "yours", "it was not looked at", fix)
    yield from YOURS


def _made(check: Check, patient: Patient) -> Finding:
    verdict = _verdict(check, patient)
    return Finding(check.name, verdict.result, verdict.evidence, verdict.fix, check.guide)


def _verdict(check: Check, patient: Patient) -> Verdict:
    if check.needs_tables and not patient.has_tables:
        return yours("not looked at", "mend 'tables' first")
    try:
        return check.look(patient)
    except Exception as error:
        return _judge(error)


def _judge(error: Exception) -> Verdict:
    if isinstance(error, SQLAlchemyError):
        # Its text may hold the address with its password.
        if is_outage(error):
            fix = "bring it back; see to its address, its password and the firewall"
            return fault(f"the database could not be reached ({type(error).__name__})", fix)
        return fault(
            f"the database refused what was asked ({type(error).__name__})",
            "look at its log: is it read-only, full, or are permissions missing?",
        )
    if isinstance(error, PooledError | OSError):
        return fault(str(error), "see what it says")
    # The app's own: whatever it holds is not ours to print.
    return fault(f"the app raised {type(error).__name__}", "look at its log")
