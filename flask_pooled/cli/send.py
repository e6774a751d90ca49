"""``flask pooled send``: a webhook as Pooled would send it, into the app or to an address."""

from __future__ import annotations

import json
import os
import secrets
import uuid
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import UTC
from typing import BinaryIO

import click
from flask import Flask
from flask.cli import NoAppException
from flask.cli import ScriptInfo

from flask_pooled.cli.app import fail
from flask_pooled.cli.app import go_on
from flask_pooled.cli.app import USAGE
from flask_pooled.cli.options import json_option
from flask_pooled.cli.options import yes_option
from flask_pooled.errors import ConfigError
from flask_pooled.samples import full_name
from flask_pooled.samples import sample_event
from flask_pooled.samples import sample_tenant_id
from flask_pooled.sender import Answer
from flask_pooled.sender import corrupt
from flask_pooled.sender import CORRUPTIONS
from flask_pooled.sender import deliver
from flask_pooled.sender import into_app
from flask_pooled.sender import is_elsewhere
from flask_pooled.sender import Parcel
from flask_pooled.sender import Post
from flask_pooled.sender import seal
from flask_pooled.sender import to_url
from flask_pooled.state import state_of

#: An answer was another than it must be.
_UNEXPECTED = 1

#: Secrets that must not be accepted.
_REFUSED = {"jwt", "wrong"}


@dataclass(frozen=True, slots=True)
class _Casino:
    """Who the webhook is for: an app, or what the environment says where there is none."""

    app: Flask | None
    tenant_id: str
    is_play: bool
    secrets: Mapping[str, str | None] = field(repr=False)


@click.command(short_help="Send a signed webhook.")
@click.argument("event", required=False)
@click.option("--body", type=click.File("rb"), metavar="FILE", help="Send these bytes; - is stdin.")
@click.option(
    "--set",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="A field of the event, as JSON or else as text. Repeatable.",
)
@click.option("--url", metavar="URL", help="Send it there over HTTP, and not into the app.")
@click.option(
    "--repeat",
    type=click.IntRange(1, 100_000),
    default=1,
    metavar="N",
    help="Send the same bytes N times.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=1,
    metavar="N",
    help="N at once. Default: one after the other.",
)
@click.option("--corrupt", "how", type=click.Choice([*CORRUPTIONS]), help="Spoil it on the way.")
@click.option(
    "--secret",
    "which",
    default="current",
    metavar="WHICH",
    help="Sign with: current, fallback, jwt, wrong, env:NAME for that environment variable, or a secret itself.",
)
@yes_option
@json_option
@click.pass_context
def send(
    context: click.Context,
    event: str | None,
    body: BinaryIO | None,
    fields: tuple[str, ...],
    url: str | None,
    repeat: int,
    concurrency: int,
    how: str | None,
    which: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Send a signed webhook: win, refund, entry, or a full name such as pool.win.

    It goes through all of the app that a request goes through, or to --url. Each one is a new event unless --set or
    --body say otherwise. The app's own processes work on it as on any other: what is sent is paid.

    Exit code 0: every answer was 200, or what --corrupt and --secret must be answered with. 1: another answer, or
    not sent. 2: an option makes no sense, or the app is set up wrongly.
    """
    try:
        casino = _find_casino(context.ensure_object(ScriptInfo), url)
        content = _read_body(event, body, fields, casino.tenant_id)
        secret = _find_secret(which, casino.secrets)
        parcel = _wrap(content, secret, how)
        post, where = _address(casino.app, url)
    except (ConfigError, ValueError) as error:
        fail(str(error), USAGE)
    expected = 401 if which in _REFUSED else CORRUPTIONS[how] if how else 200
    if not yes and (is_elsewhere(url) if url else not casino.is_play):
        name = full_name(event) if event else "webhook"
        question = f"Sends {repeat} x {name} to {where}. Real money may move. Go on?"
        go_on(question)
    answers = deliver(post, parcel, times=repeat, at_once=concurrency)
    if casino.app is not None:
        state = state_of(casino.app)
        state.dispatcher.close()
        state.inbox.close()
    if as_json:
        click.echo(json.dumps(_facts(content, where, expected, answers)))
    else:
        click.echo(_lines(expected, answers))
    if any(answer.status != expected for answer in answers):
        context.exit(_UNEXPECTED)


def _find_casino(info: ScriptInfo, url: str | None) -> _Casino:
    try:
        app = info.load_app()
    except NoAppException:
        if url is None:
            raise
        return _of_environment()
    state = state_of(app)
    state.one_off.set()
    settings = state.settings
    fallbacks = settings.webhook_secret_fallbacks
    return _Casino(
        app=app,
        tenant_id=settings.tenant_id or sample_tenant_id(settings.tenant),
        is_play=app.debug or settings.demo,
        secrets={
            "current": settings.webhook_secret,
            "fallback": fallbacks[0] if fallbacks else None,
            "jwt": settings.jwt_secret,
        },
    )


def _of_environment() -> _Casino:
    slug = os.environ.get("POOLED_TENANT") or "royal-casino"
    fallbacks = os.environ.get("POOLED_WEBHOOK_SECRET_FALLBACKS", "").split()
    return _Casino(
        app=None,
        tenant_id=os.environ.get("POOLED_TENANT_ID") or sample_tenant_id(slug),
        is_play=False,
        secrets={
            "current": os.environ.get("POOLED_WEBHOOK_SECRET"),
            "fallback": fallbacks[0] if fallbacks else None,
            "jwt": os.environ.get("POOLED_JWT_SECRET"),
        },
    )


def _find_secret(which: str, known: Mapping[str, str | None]) -> str:
    if which == "wrong":
        return secrets.token_hex(32)
    name = which.removeprefix("env:")
    secret = os.environ.get(name) if name != which else known.get(which, which)
    if secret:
        return secret
    keys = {
        "current": "POOLED_WEBHOOK_SECRET",
        "fallback": "POOLED_WEBHOOK_SECRET_FALLBACKS",
        "jwt": "POOLED_JWT_SECRET",
    }
    raise ConfigError(f"{keys.get(which, name)} is not set: there is no such secret to sign with.")


def _read_body(
    event: str | None, body: BinaryIO | None, fields: Sequence[str], tenant_id: str
) -> bytes:
    if (event is None) == (body is None) or (body is not None and fields):
        raise ConfigError("Name an event, with any --set, or give a --body.")
    if body is not None:
        return body.read()
    assert event is not None  # noqa: S101 - see above
    given = dict(_field(text) for text in fields)
    sample = sample_event(
        event,
        {name: json.loads(value) for name, value in given.items()},
        tenant_id=tenant_id,
        at=datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
    )
    spelled = {name: json.dumps(value) for name, value in sample.items()} | given
    return ("{" + ", ".join(f"{json.dumps(k)}: {v}" for k, v in spelled.items()) + "}").encode()


def _field(text: str) -> tuple[str, str]:
    """The name and the JSON of a field, in the spelling that was given: a float would make 1.0 of 1.00."""
    name, is_pair, value = text.partition("=")
    if not name or not is_pair:
        raise ConfigError(f"--set {text}: write it as NAME=VALUE, such as amount=250.")
    try:
        json.loads(value, parse_constant=_refuse)
    except ValueError:
        return name, json.dumps(value)
    return name, value


def _refuse(name: str) -> None:
    raise ValueError(name)


def _wrap(content: bytes, secret: str, how: str | None) -> Parcel:
    parcel = seal(content, secret)
    return corrupt(how, parcel, secret) if how else parcel


def _address(app: Flask | None, url: str | None) -> tuple[Post, str]:
    if url is not None:
        return to_url(url), url
    assert app is not None  # noqa: S101 - without a url there is an app, or the command has ended
    return into_app(app), f"the app {app.name}"


def _facts(
    content: bytes, where: str, expected: int, answers: Sequence[Answer]
) -> dict[str, object]:
    return {
        "to": where,
        "body": content.decode("utf-8", "replace"),
        "expected": expected,
        "as_expected": sum(answer.status == expected for answer in answers),
        "deliveries": [
            {"status": answer.status, "answer": answer.text, "ms": round(answer.seconds * 1000, 1)}
            for answer in answers
        ],
    }


def _lines(expected: int, answers: Sequence[Answer]) -> str:
    lines = [
        f"{answer.status or '---'}  {answer.seconds * 1000:8.1f} ms  {_printable(answer.text)}"
        for answer in answers
    ]
    right = sum(answer.status == expected for answer in answers)
    if len(answers) > 1 or right < len(answers):
        lines.append(f"{right} of {len(answers)} answered with {expected}.")
    return "\n".join(lines)


def _printable(text: str) -> str:
    """One line for a terminal, whatever a stranger answers."""
    return " ".join(text.split()).encode("unicode_escape").decode()[:200]
