"""``flask pooled doctor``: what is wrong with an app, before it costs money."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict

import click
from flask.cli import NoAppException
from flask.cli import ScriptInfo

from flask_pooled.cli.options import json_option
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


@click.command()
@click.option("--page", metavar="PATH", help="A page with the frame, as /lobby: check its headers.")
@click.option(
    "--url",
    metavar="URL",
    help="The webhook's address on the deployed site: check that it can be reached. Nothing is recorded there.",
)
@click.option(
    "--no-probe", is_flag=True, help="Send no signed event through the app; it would be recorded."
)
@json_option
@click.pass_context
def doctor(
    ctx: click.Context, page: str | None, url: str | None, no_probe: bool, as_json: bool
) -> None:
    """Check the app for everything that would cost money or players.

    It goes through the guide's go-live list and error table on the real app. One signed event that means nothing,
    pooled.doctor, is sent through the whole app and recorded. What no program can see is listed for you to tick.

    Exit code 0: no fault, though perhaps warnings. 1: a fault. 2: an option makes no sense.
    """
    if page is not None and not page.startswith("/"):
        raise click.UsageError("--page is a path that begins with /, as /lobby")
    findings = _examine(ctx.ensure_object(ScriptInfo), page, url, probe=not no_probe)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        click.echo("\n".join(line for finding in findings for line in _lines(finding)))
        counts = {word: sum(f.result == word for f in findings) for word in ("fault", "warning")}
        click.echo(f"\n{counts['fault']} fault(s), {counts['warning']} warning(s).")
    if any(finding.result == "fault" for finding in findings):
        raise click.exceptions.Exit(_FAULT)


def _examine(
    info: ScriptInfo, page: str | None, url: str | None, *, probe: bool
) -> Sequence[Finding]:
    try:
        app = info.load_app()
        with app.app_context():
            findings = list(examine(app, os.environ, page=page, url=url, probe=probe))
            state_of(app).inbox.close()
            return findings
    except ConfigError as error:
        return [Finding("set-up", "fault", str(error), "mend it; nothing else can be checked")]
    except NoAppException as error:
        fix = "name it, as in flask --app casino pooled doctor"
        return [Finding("app", "fault", error.format_message(), fix)]
    except Exception as error:
        # What it says may hold a password.
        return [
            Finding(
                "app",
                "fault",
                f"it does not load: {type(error).__name__}",
                "run 'flask routes' to see where",
            )
        ]


def _lines(finding: Finding) -> list[str]:
    word, colour = _WORDS[finding.result]
    lines = [f"{click.style(f'{word:<9}', fg=colour)}{finding.check}: {safe(finding.evidence)}"]
    if finding.fix:
        lines.append(f"{'':<9}-> {safe(finding.fix)}")
    return lines
