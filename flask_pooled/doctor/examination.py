"""What is wrong with an app that would cost money or players: the guide's go-live list and error table, checked.

Each check looks at the real app, some of them through its whole WSGI stack, and says what it saw and what to do. What
no program can see is listed for a person to tick.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled.doctor.configured import check_demo
from flask_pooled.doctor.configured import check_limits
from flask_pooled.doctor.configured import check_minting
from flask_pooled.doctor.configured import check_player
from flask_pooled.doctor.configured import check_receivers
from flask_pooled.doctor.configured import check_secrets
from flask_pooled.doctor.configured import check_tenant_id
from flask_pooled.doctor.findings import Check
from flask_pooled.doctor.findings import Finding
from flask_pooled.doctor.findings import Patient
from flask_pooled.doctor.reached import check_deployed
from flask_pooled.doctor.reached import check_page
from flask_pooled.doctor.reached import check_webhook
from flask_pooled.doctor.stored import check_backlog
from flask_pooled.doctor.stored import check_database
from flask_pooled.doctor.stored import check_spool
from flask_pooled.doctor.stored import check_tables
from flask_pooled.doctor.stored import check_workers
from flask_pooled.errors import PooledError
from flask_pooled.state import state_of

_CHECKS: dict[str, Check] = {
    "secrets": check_secrets,
    "demo": check_demo,
    "tenant id": check_tenant_id,
    "hold limits": check_limits,
    "player loader": check_player,
    "token": check_minting,
    "receivers": check_receivers,
    "tables": check_tables,
    "database": check_database,
    "spool": check_spool,
    "backlog": check_backlog,
    "workers": check_workers,
}

#: What no program can see (guide, "Go-Live Checklist").
_YOURS = {
    "SLA": "it is signed",
    "webhook address": "it is set in Pooled's admin panel, Integration, Webhooks",
    "players": "those with KYC done are verified, with their balance in USD",
    "wins": "a pool.win was credited end to end in demo mode",
    "refunds": "a pool.refund was given back end to end in demo mode",
    "mobile": "the frame was seen on a real phone",
}


def examine(
    app: Flask,
    environ: Mapping[str, str],
    *,
    page: str | None = None,
    url: str | None = None,
    probe: bool = True,
) -> Iterator[Finding]:
    """Check an app.

    :param page: the path of a page with the frame, as ``/lobby``.
    :param url: the webhook's address on the deployed site. Nothing is recorded there.
    :param probe: send a signed event that means nothing through the app; it is recorded.
    :raises ConfigError: Pooled is not set up on it.
    """
    patient = Patient(app, state_of(app), environ)
    checks: dict[str, Check] = dict(_CHECKS)
    if probe:
        checks["webhook"] = check_webhook
    if page is not None:
        checks["page"] = lambda patient: check_page(patient, page)
    if url is not None:
        checks["deployed webhook"] = lambda patient: check_deployed(patient, url)
    for name, check in checks.items():
        try:
            yield check(patient)
        except SQLAlchemyError as error:
            # Its text may hold the address with its password.
            kind = type(error).__name__
            yield Finding(name, "fault", f"the database failed ({kind})", "bring it back")
        except (PooledError, OSError) as error:
            yield Finding(name, "fault", str(error), "see what it says")
        except Exception as error:
            # The app's own: whatever it holds is not ours to print.
            yield Finding(
                name, "fault", f"the app raised {type(error).__name__}", "look at its log"
            )
    yield from (Finding(name, "yours", what) for name, what in _YOURS.items())
