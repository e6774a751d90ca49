"""``flask pooled doctor``: what is wrong with an app, before it costs money."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from flask.cli import NoAppException
from flask.cli import ScriptInfo

from flask_pooled.cli.app import fail
from flask_pooled.cli.app import USAGE
from flask_pooled.cli.options import json_option
from flask_pooled.cli.terminal import NARROWEST
from flask_pooled.doctor import guide
from flask_pooled.doctor.checks import rows
from flask_pooled.doctor.examination import examine
from flask_pooled.doctor.findings import Finding
from flask_pooled.errors import ConfigError
from flask_pooled.state import state_of
from flask_pooled.words import safe

#: Exit code where something would cost money or players.
_FAULT = 1

_WORDS = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "fault": ("FAULT", "red"),
    "yours": ("yours", "cyan"),
}

_INDENT = " " * 9


@click.command(short_help="Check the app for what would cost money.")
@click.option(
    "--page", metavar="PATH", help="A page with the frame, as /lobby: check what it sends."
)
@click.option(
    "--url",
    metavar="URL",
    help="The deployed site, as https://casino.example: check what Pooled would meet there. Nothing is recorded.",
)
@click.option(
    "--ca",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Certificates to trust at --url, instead of the system's.",
)
@click.option(
    "--signed",
    is_flag=True,
    help="Send --url a signed event as well, that means nothing; it would be recorded there.",
)
@click.option(
    "--no-probe", is_flag=True, help="Send no signed event through the app; it would be recorded."
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, /, no_probe: bool, as_json: bool, **options: Any) -> None:
    """Check the app for everything that would cost money or players.

    It goes through the guide's go-live list and error table on the real app. One signed event that means nothing,
    pooled.doctor, is sent through the whole app and recorded. What no program can see is listed for you to tick.

    Exit code 0: no fault, though perhaps warnings. 1: a fault. 2: an option makes no sense.
    """
    if options["page"] is not None and not options["page"].startswith("/"):
        raise click.UsageError("--page is a path that begins with /, as /lobby")
    if options["url"] is None and (options["ca"] is not None or options["signed"]):
        raise click.UsageError("--ca and --signed are about a deployed site: name it with --url")
    findings = []
    for finding in _examine(ctx.ensure_object(ScriptInfo), probe=not no_probe, **options):
        findings.append(finding)
        if not as_json:
            click.echo("\n".join(_lines(finding)))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        click.echo("\n".join(_summary(findings)))
    if any(finding.result == "fault" for finding in findings):
        raise click.exceptions.Exit(_FAULT)


def _examine(info: ScriptInfo, **options: Any) -> Iterator[Finding]:
    try:
        app = info.load_app()
        state = state_of(app)
    except ConfigError as error:
        yield _refused(error)
        return
    except NoAppException as error:
        yield _not_found(error.format_message())
        return
    except (Exception, SystemExit) as error:
        yield _broken(error)
        return
    try:
        with app.app_context():
            yield from examine(app, os.environ, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        fail(f"--ca cannot be used: {error}", USAGE)
    finally:
        state.inbox.close()


def _not_found(said: str) -> Finding:
    """There is no app, or its import fails."""
    lines = said.strip().splitlines()
    if not lines[0].startswith("While importing"):
        return Finding("app", "fault", lines[0], "name it, as in flask --app casino pooled doctor")
    # Between the first and the last there is a traceback, with lines of the code.
    fix = "install what is missing, or mend the import"
    return Finding("app", "fault", f"it does not load: {lines[-1]}", fix)


def _broken(error: BaseException) -> Finding:
    """The app, or its factory, raises. What it says may hold a password."""
    if isinstance(error, SyntaxError):
        where, line = error.filename, error.lineno
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where, line = frame.filename, frame.lineno
    evidence = f"it does not load: {type(error).__name__} in {where}, line {line}"
    return Finding("app", "fault", evidence, "run 'flask routes' to see what it says")


def _refused(error: ConfigError) -> Finding:
    """What keeps the app from starting."""
    said = str(error)
    about = {
        "POOLED_JWT_SECRET": (guide.INVALID, guide.JWT_SECRET),
        "POOLED_WEBHOOK_SECRET": (guide.SIGNATURE, guide.WEBHOOK_SECRET),
    }
    named = tuple(row for key, its in about.items() if key in said for row in its)
    return Finding("set-up", "fault", said, "mend it first: nothing else can be checked", named)


def _lines(finding: Finding) -> Iterator[str]:
    word, colour = _WORDS[finding.result]
    mark = click.style(f"{word:<9}", fg=colour)
    first, *more = _wrapped(f"{finding.check}: {safe(finding.evidence)}")
    yield mark + first[len(_INDENT) :]
    yield from more
    if finding.fix:
        yield from _wrapped(f"-> {safe(finding.fix)}")
    if finding.guide and finding.result in ("fault", "warning"):
        yield from _wrapped(f"guide: {'; '.join(finding.guide)}")


def _wrapped(text: str) -> list[str]:
    if not sys.stdout.isatty():
        # For grep, a finding is one line.
        return [_INDENT + text]
    width = max(shutil.get_terminal_size((NARROWEST, 24)).columns, NARROWEST)
    return textwrap.wrap(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(findings: Iterable[Finding]) -> Iterator[str]:
    found = list(findings)
    if len(found) == 1:
        # There was no app to look at.
        yield "\nNothing else could be checked."
        return
    results = dict(rows(found))
    for title, those in (("error reference", guide.ERRORS), ("go-live checklist", guide.GO_LIVE)):
        yield f"\nThe guide's {title}"
        for row in those:
            word, colour = _WORDS[results[row]]
            yield f"{click.style(f'{word:<9}', fg=colour)}{row}"
    counts = {word: sum(each.result == word for each in found) for word in ("fault", "warning")}
    yield f"\n{counts['fault']} fault(s), {counts['warning']} warning(s)."
