"""``flask pooled verify``: why a signature or a token is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from datetime import UTC
from typing import Any
from typing import IO

import click
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import fail
from flask_pooled.cli.app import USAGE
from flask_pooled.cli.options import json_option
from flask_pooled.errors import PayloadError
from flask_pooled.events import parse_event
from flask_pooled.settings import Settings
from flask_pooled.signature import verify_signature
from flask_pooled.token_check import check_token
from flask_pooled.token_check import is_signed
from flask_pooled.words import safe

#: Exit code for what is not in order.
_REFUSED = 1

_CURRENT = "POOLED_WEBHOOK_SECRET"

#: Bytes; what is longer is no token.
_LONGEST_TOKEN = 65_536


@dataclass(frozen=True, slots=True)
class _Finding:
    """What came out: for a person the lines, for a script the facts."""

    good: bool
    lines: tuple[str, ...]
    facts: Mapping[str, Any]


@click.command()
@click.option("--signature", metavar="HEX", help="The value of the header X-Pooled-Signature.")
@click.option(
    "--body",
    type=click.File("rb"),
    metavar="FILE",
    help="A file with the raw body, or - for standard input. Default: -.",
)
@click.option("--token", metavar="JWT", help="A token, or - to read it from standard input.")
@json_option
@with_appcontext
def verify(signature: str | None, body: IO[bytes] | None, token: str | None, as_json: bool) -> None:
    """Check the signature of a webhook's body, or a token.

    With --signature: whether it was made over exactly these bytes, and with which of the app's webhook secrets. With
    --token: what it says, and everything that Pooled would refuse it for. Secrets are never printed, and nothing is
    recorded.

    Exit code 0: in order. 1: not. 2: an option makes no sense, or the app is set up wrongly.
    """
    if (signature is None) == (token is None) or (token is not None and body is not None):
        raise click.UsageError("give --signature with --body, or --token")
    settings = app_state(inbox=False).settings
    if token is not None:
        finding = _check_token(settings, _read_token(token))
    else:
        given = (body or click.open_file("-", "rb")).read()
        finding = _check_signature(settings, signature or "", given)
    click.echo(json.dumps(finding.facts) if as_json else "\n".join(finding.lines))
    if not finding.good:
        raise click.exceptions.Exit(_REFUSED)


def _check_signature(settings: Settings, signature: str, body: bytes) -> _Finding:
    names = _secret_names(settings)
    made_with = _made_with(names, signature, body)
    try:
        kind, fault = parse_event(body).kind, None
    except PayloadError as error:
        kind, fault = None, str(error)
    facts = {
        "valid": made_with is not None,
        "secret": made_with,
        "bytes": len(body),
        "event": kind,
        "fault": fault,
    }
    about = f"a {safe(kind)}" if fault is None else f"no event that can be read: {safe(fault)}"
    what = f"The body has {len(body)} bytes and is {about}."
    if made_with is not None:
        return _Finding(True, (f"Valid: signed with {made_with}.", what), facts)
    hint = _signature_hint(settings, names, signature, body)
    lines = ("Invalid: no webhook secret of this app makes this signature.", hint, what)
    return _Finding(False, lines, {**facts, "hint": hint})


def _secret_names(settings: Settings) -> dict[str, str]:
    """Every webhook secret's name, and the secret, the current one first."""
    current, *fallbacks = settings.webhook_secrets
    numbered = {
        f"{_CURRENT}_FALLBACKS number {number}": secret
        for number, secret in enumerate(fallbacks, start=1)
    }
    return {_CURRENT: current, **numbered}


def _made_with(names: Mapping[str, str], signature: str, body: bytes) -> str | None:
    return next(
        (name for name, secret in names.items() if verify_signature(body, signature, secret)), None
    )


def _signature_hint(
    settings: Settings, names: Mapping[str, str], signature: str, body: bytes
) -> str:
    if settings.jwt_secret and verify_signature(body, signature, settings.jwt_secret):
        return "It was signed with POOLED_JWT_SECRET: the two secrets are swapped."
    bare = signature.strip().removeprefix("sha256=")
    if bare != signature and _made_with(names, bare, body):
        return "It is right without what stands around the 64 hex digits."
    if len(bare) != 64 or not set(bare.lower()) <= set("0123456789abcdef"):
        return "A signature has 64 hex digits: copy all of them."
    for changed, how in (
        (body.removesuffix(b"\n"), "without the line break at the end of the file"),
        (body.removesuffix(b"\r\n"), "without the line break at the end of the file"),
        (body + b"\n", "with a line break at the end"),
        (body.removeprefix(b"\xef\xbb\xbf"), "without the byte order mark"),
    ):
        if changed != body and (name := _made_with(names, bare, changed)):
            return f"It fits {how} ({name}): the bytes must be those that were sent."
    return (
        "Either the secret is not the one in Pooled's admin panel, or these are not the bytes that were sent: "
        "JSON that was parsed and written again has others."
    )


def _read_token(given: str) -> str:
    if given != "-":
        return given.strip()
    with click.open_file("-", "rb") as stream:
        text: bytes = stream.read(_LONGEST_TOKEN)
    return text.decode("utf-8", "replace").strip()


def _check_token(settings: Settings, token: str) -> _Finding:
    if settings.jwt_secret is None:
        fail("POOLED_JWT_SECRET is not set: there is nothing to check a token with", USAGE)
    now = time.time()
    checked = check_token(token, settings.jwt_secret, now=now)
    faults = list(checked.faults)
    if not checked.signed and any(is_signed(token, key) for key in settings.webhook_secrets):
        faults.append("it was signed with the webhook secret: the two secrets are swapped")
    facts = {
        "valid": not faults,
        "signed": checked.signed,
        "faults": faults,
        "claims": checked.claims,
    }
    verdict = "Invalid: Pooled would refuse it." if faults else "Valid: Pooled would take it."
    lines = (
        verdict,
        *(f"  {fault}" for fault in faults),
        *(f"{safe(name):10} {safe(_shown(name, value))}" for name, value in checked.claims.items()),
    )
    return _Finding(not faults, lines, facts)


def _shown(name: str, value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if name == "exp" and isinstance(value, int):
        try:
            return f"{text} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"
        except (OverflowError, ValueError, OSError):
            return text
    return text
