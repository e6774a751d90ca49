"""Every check, with the rows of the guide that it is about."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Final

from flask_pooled.doctor import guide
from flask_pooled.doctor.clock import check_clock
from flask_pooled.doctor.configured import check_app_url
from flask_pooled.doctor.configured import check_demo
from flask_pooled.doctor.configured import check_limits
from flask_pooled.doctor.configured import check_loader
from flask_pooled.doctor.configured import check_others
from flask_pooled.doctor.configured import check_tenant_id
from flask_pooled.doctor.configured import done_check
from flask_pooled.doctor.configured import receiver_check
from flask_pooled.doctor.configured import secret_check
from flask_pooled.doctor.deployed import check_address
from flask_pooled.doctor.deployed import check_certificate
from flask_pooled.doctor.deployed import check_deployed
from flask_pooled.doctor.deployed import check_deployed_signature
from flask_pooled.doctor.deployed import check_deployed_time
from flask_pooled.doctor.durable import check_database
from flask_pooled.doctor.durable import check_disk
from flask_pooled.doctor.durable import check_durability
from flask_pooled.doctor.durable import check_spools_disk
from flask_pooled.doctor.findings import Check
from flask_pooled.doctor.findings import Finding
from flask_pooled.doctor.findings import Result
from flask_pooled.doctor.findings import RESULTS
from flask_pooled.doctor.leaked import check_leaks
from flask_pooled.doctor.proxied import check_proxies
from flask_pooled.doctor.reached import check_time
from flask_pooled.doctor.reached import check_webhook
from flask_pooled.doctor.shown import check_embedding
from flask_pooled.doctor.shown import check_page
from flask_pooled.doctor.shown import check_payment
from flask_pooled.doctor.shown import check_policy
from flask_pooled.doctor.shown import check_viewport
from flask_pooled.doctor.stored import check_backlog
from flask_pooled.doctor.stored import check_spool
from flask_pooled.doctor.stored import check_tables
from flask_pooled.doctor.stored import check_workers
from flask_pooled.doctor.token import check_freshness
from flask_pooled.doctor.token import check_minting
from flask_pooled.doctor.token import check_page_balance
from flask_pooled.doctor.token import check_page_signature
from flask_pooled.doctor.token import check_page_token
from flask_pooled.doctor.token import check_player

#: Where it finds something, those that need tables are not made.
TABLES: Final = Check("tables", check_tables)

#: What is looked at in every app.
OF_THE_APP: Final = (
    Check("jwt secret", secret_check("POOLED_JWT_SECRET"), (guide.INVALID, guide.JWT_SECRET)),
    Check(
        "webhook secret",
        secret_check("POOLED_WEBHOOK_SECRET"),
        (guide.SIGNATURE, guide.WEBHOOK_SECRET),
    ),
    Check("secrets in code", check_leaks, (guide.JWT_SECRET, guide.WEBHOOK_SECRET)),
    Check("demo", check_demo, (guide.SWITCHED,)),
    Check("app url", check_app_url, (guide.SWITCHED,)),
    Check("hold limits", check_limits),
    Check("player loader", check_loader),
    Check("token", check_minting, (guide.BLANK,)),
    Check("win receivers", receiver_check("pool.win"), (guide.WINS,)),
    Check("refund receivers", receiver_check("pool.refund"), (guide.REFUNDS,)),
    Check("other receivers", check_others),
    TABLES,
    Check("tenant id", check_tenant_id),
    Check("database", check_database, needs_tables=True),
    Check("durability", check_durability, needs_tables=True),
    Check("database disk", check_disk, needs_tables=True),
    Check("spool", check_spool),
    Check("spool disk", check_spools_disk),
    Check("backlog", check_backlog, needs_tables=True),
    Check("workers", check_workers, needs_tables=True),
    Check("wins", done_check("pool.win", "credited"), (guide.WINS,), needs_tables=True),
    Check("refunds", done_check("pool.refund", "given back"), (guide.REFUNDS,), needs_tables=True),
    Check("webhook", check_webhook, (guide.SIGNATURE,), needs_tables=True),
    Check("webhook time", check_time, (guide.TIMEOUT, guide.IN_TIME), needs_tables=True),
    Check("clock", check_clock, (guide.BLANK,)),
    Check("proxy headers", check_proxies),
    Check("player", check_player, (guide.ENTRY,)),
)

#: What is looked at where a page is named.
OF_THE_PAGE: Final = (
    Check("page", check_page, (guide.BLANK,)),
    Check("page token", check_page_token, (guide.BLANK,)),
    Check("page signature", check_page_signature, (guide.INVALID,)),
    Check("page balance", check_page_balance, (guide.BALANCE,)),
    Check("page freshness", check_freshness, (guide.BALANCE, guide.FRESH)),
    Check("page policy", check_policy, (guide.BLOCKED, guide.POLICY)),
    Check("page embedding", check_embedding, (guide.BLOCKED,)),
    Check("page payment", check_payment),
    Check("page viewport", check_viewport, (guide.MOBILE,)),
)

#: What is looked at where the deployed site is named.
OF_THE_SITE: Final = (
    Check("deployed address", check_address, (guide.SILENCE, guide.ADDRESS)),
    Check("deployed certificate", check_certificate, (guide.SILENCE,)),
    Check("deployed webhook", check_deployed, (guide.SILENCE, guide.ADDRESS)),
    Check("deployed time", check_deployed_time, (guide.TIMEOUT, guide.IN_TIME)),
    Check("deployed signature", check_deployed_signature, (guide.SIGNATURE,)),
)

#: What no program can see, and the rows of the guide that it is about.
YOURS: Final = (
    Finding("SLA", "yours", "it is signed", guide=(guide.SLA,)),
    Finding(
        "admin panel",
        "yours",
        "it has this webhook's address (Integration, Webhooks), and these two secrets",
        guide=(guide.ADDRESS, guide.INVALID),
    ),
    Finding("mobile", "yours", "the frame was seen on a real phone", guide=(guide.MOBILE,)),
)


def rows(findings: Iterable[Finding]) -> Iterator[tuple[str, Result]]:
    """What the findings mean for each row of the guide: the worst of those that are about it.

    Where a check was not made, somebody else must look.
    """
    results: dict[str, set[Result]] = {row: set() for row in (*guide.ERRORS, *guide.GO_LIVE)}
    made = set()
    for finding in findings:
        made.add(finding.check)
        for row in finding.guide:
            results[row].add(finding.result)
    for check in (*OF_THE_APP, *OF_THE_PAGE, *OF_THE_SITE):
        if check.name not in made:
            for row in check.guide:
                results[row].add("yours")
    for row, found in results.items():
        yield row, next((result for result in RESULTS if result in found), "yours")


def describe() -> Mapping[str, str]:
    """What each check makes sure of, by its name."""
    return {
        check.name: (check.look.__doc__ or "")
        for check in (*OF_THE_APP, *OF_THE_PAGE, *OF_THE_SITE)
    }
