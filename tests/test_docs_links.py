"""Links: those to files lead somewhere, and those that leave the repository are the few that are listed here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_pages import ROOT

MARKDOWN = [*ROOT.glob("*.md"), ROOT / "tests" / "README.md"]
PAGES = [*(ROOT / "docs").glob("*.rst"), ROOT / "CHANGES.rst", *MARKDOWN]

#: Pages of others that ours lead to. No test can ask the network whether they are still there.
ELSEWHERE = {
    "https://flask.palletsprojects.com/en/stable/patterns/celery/",
    "https://github.com/wg/wrk",
    "https://mutmut.readthedocs.io/",
}

#: Hosts that are no links: Pooled's, this machine's, and those that nobody can register (RFC 2606).
_HOSTS = re.compile(r"https?://(app\.pooledgame\.com|127\.0\.0\.1|localhost|[\w.]*example)\b")


def test_links_to_other_sites_are_listed() -> None:
    found = {
        address.rstrip(".,")
        for page in PAGES
        for address in re.findall(r"https?://[\w./~:%#-]+\w/?", page.read_text())
        if not _HOSTS.match(address)
    }
    assert found == ELSEWHERE


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_files_that_pages_name_exist() -> None:
    """``docs/…``, ``tests/…``, ``flask_pooled/…`` and ``example_app/…``, wherever they are named."""
    hypothetical = {"tests/test_pool_bonus.py"}
    missing = {
        name
        for page in PAGES
        for name in re.findall(
            r"``((?:docs|tests|flask_pooled|example_app)/[\w./]+)``", page.read_text()
        )
        if not (ROOT / name).exists()
    }
    assert missing - hypothetical == set()
