"""Policies: what must change in a security header so that the game's frame loads, and no more.

Pure functions from the value of one header to the value of one header. The rules for frames are
those of Content Security Policy Level 3, for ``allow="payment"`` those of Permissions Policy, whose
header is a dictionary of Structured Fields (RFC 8941 and 9651). A value that needs no change, or
that a browser could not read, comes back byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from typing import Literal
from typing import NamedTuple
from urllib.parse import urlsplit

#: ASCII whitespace, which is all that these grammars split by.
_BLANK: Final = "\t\n\f\r "
_NONE: Final = re.compile(rf"[{_BLANK}]+'none'(?=[{_BLANK}]|$)", re.IGNORECASE)

#: Which directive decides about frames: the first that a policy has (CSP3, "fallback list").
_FRAME_DIRECTIVES: Final = ("frame-src", "child-src", "default-src")

#: Likewise about what a page loads of its own site.
_OWN_DIRECTIVES: Final = {
    "script": ("script-src-elem", "script-src", "default-src"),
    "connect": ("connect-src", "default-src"),
}

_SCHEME: Final = r"[a-z][a-z0-9+.-]*"
_SCHEME_SOURCE: Final = re.compile(rf"({_SCHEME}):", re.ASCII | re.IGNORECASE)
_HOST_SOURCE: Final = re.compile(
    rf"(?:({_SCHEME})://)?(\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([0-9]{{1,5}}|\*))?/?",
    re.ASCII | re.IGNORECASE,
)

_KEY: Final = r"[a-z*][a-z0-9_\-.*]*"
_BARE: Final = "|".join(
    (
        r"-?[0-9]{1,12}\.[0-9]{1,3}",
        r"-?[0-9]{1,15}",
        r'"(?:[ !#-\[\]-~]|\\["\\])*"',
        r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*",
        r":[A-Za-z0-9+/=]*:",
        r"\?[01]",
        r"@-?[0-9]{1,15}",
        r'%"(?:[ !#$&-~]|%[0-9a-f]{2})*"',
    )
)
_PARAMS: Final = rf"(?:; *{_KEY}(?:=(?:{_BARE}))?)*"
_ITEM: Final = re.compile(rf"({_BARE}){_PARAMS}")
_LIST: Final = rf"\( *(?:(?:{_BARE}){_PARAMS}(?: +(?:{_BARE}){_PARAMS})*)? *\)"
_MEMBER: Final = re.compile(rf"({_KEY})(?:=({_LIST}|{_BARE}))?({_PARAMS})")
_COMMA: Final = re.compile(r"[\t ]*,[\t ]*")


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int


def allow_frame(policy: str, origin: str) -> str:
    """Let pages under a Content-Security-Policy show a frame from an origin.

    :param policy: one header's value. It may hold several policies with commas between them; each
        is enforced on its own, and so each is extended.
    :param origin: ``https://host[:port]``, or http on loopback.
    """
    parts = urlsplit(origin)
    default_port = 443 if parts.scheme == "https" else 80
    target = _Origin(parts.scheme, parts.hostname or "", parts.port or default_port)
    return ",".join(_allow_frame(one, origin, target) for one in policy.split(","))


def _allow_frame(policy: str, origin: str, target: _Origin) -> str:
    directives = policy.split(";")
    name, at = _deciding(directives, _FRAME_DIRECTIVES)
    if name is None:
        return policy
    sources = _sources(directives[at])
    if any(source.lower() == origin or _allows(source, target) for source in sources):
        return policy
    if name == "frame-src":
        directives[at] = _with_sources(directives[at], [origin])
        return ";".join(directives)
    # Of the quoted expressions, only 'self' means anything for frames.
    kept = [source for source in sources if source[0] != "'" or source.lower() == "'self'"]
    return _with_directive(policy, f"frame-src {' '.join([*kept, origin])}")


def allows_frame(policy: str, origin: str) -> bool:
    """Tell whether pages under a Content-Security-Policy may show a frame from an origin.

    :param policy: as for :func:`allow_frame`.
    :param origin: likewise.
    """
    return allow_frame(policy, origin) == policy


def allow_own(policy: str, kind: Literal["script", "connect"], url: str, nonce: str | None) -> str:
    """Let pages under a Content-Security-Policy load one address of their own site.

    A policy that trusts scripts by ``'strict-dynamic'`` heeds no address, and is left as it is: there the nonce counts.

    :param policy: one header's value, as for :func:`allow_frame`.
    :param kind: whether it is a script, or fetched by one.
    :param url: absolute, without a query.
    :param nonce: the script element's, if it has one.
    """
    return ",".join(_allow_own(one, _OWN_DIRECTIVES[kind], url, nonce) for one in policy.split(","))


def _allow_own(policy: str, fallbacks: Sequence[str], url: str, nonce: str | None) -> str:
    directives = policy.split(";")
    name, at = _deciding(directives, fallbacks)
    if name is None:
        return policy
    sources = _sources(directives[at])
    enough = {url, "'self'", "*", "'strict-dynamic'"}
    if nonce is not None:
        enough.add(f"'nonce-{nonce}'")
    if any(source in enough or source.lower() in enough for source in sources):
        return policy
    if name != "default-src":
        directives[at] = _with_sources(directives[at], [url])
        return ";".join(directives)
    kept = [source for source in sources if source.lower() != "'none'"]
    return _with_directive(policy, f"{fallbacks[-2]} {' '.join([*kept, url])}")


def _deciding(directives: Sequence[str], fallbacks: Sequence[str]) -> tuple[str | None, int]:
    """Find the directive that decides: the first of *fallbacks* that a policy has, and its place."""
    places: dict[str, int] = {}
    for at, directive in enumerate(directives):
        if directive.isascii():  # browsers skip any other
            places.setdefault(_name(directive), at)
    name = next((name for name in fallbacks if name in places), None)
    return name, places.get(name or "", 0)


def _with_directive(policy: str, directive: str) -> str:
    body = policy.rstrip(_BLANK)
    joint = " " if body.endswith(";") else "; "
    return f"{body}{joint}{directive}{policy[len(body) :]}"


def allow_payment(policy: str, origin: str) -> str:
    """Let a frame from an origin use ``allow="payment"`` under a Permissions-Policy.

    The page must keep the feature to be able to pass it on, so ``self`` is named too. A policy that
    does not mention ``payment`` leaves it to the default, which permits this.

    :param policy: the header's value; several headers of this name count as one, joined by commas.
    :param origin: ``https://host[:port]``, or http on loopback.
    """
    payment: re.Match[str] | None = None
    at = len(policy) - len(policy.lstrip(" "))
    while True:
        member = _MEMBER.match(policy, at)
        if member is None:
            return policy
        if member[1] == "payment":
            payment = member  # a later duplicate wins
        comma = _COMMA.match(policy, member.end())
        if comma is None:
            break
        at = comma.end()
    if payment is None or policy[member.end() :].strip(_BLANK):
        return policy
    value = payment[2] or "?1"
    inner = value[1:-1].strip(" ") if value.startswith("(") else value
    names = [item[1] for item in _ITEM.finditer(inner)]
    added = [] if "self" in names else ["self"]
    if not any(_is_origin(name, origin) for name in names):
        added.append(f'"{origin}"')
    if "*" in names or not added:
        return policy
    if value == inner and value != "self" and not value.startswith('"'):
        inner = ""  # neither a source nor a list of them: browsers read it as an empty list
    allowed = " ".join(filter(None, (inner, *added)))
    return f"{policy[: payment.start()]}payment=({allowed}){payment[3]}{policy[payment.end() :]}"


def allow_payment_legacy(policy: str, origin: str) -> str:
    """Do what :func:`allow_payment` does for the older ``Feature-Policy`` header.

    :param policy: one header's value, such as ``payment 'none'; camera 'self'``.
    :param origin: ``https://host[:port]``, or http on loopback.
    """
    return ",".join(
        ";".join(_allow_payment_legacy(directive, origin) for directive in one.split(";"))
        for one in policy.split(",")
    )


def _allow_payment_legacy(directive: str, origin: str) -> str:
    if _name(directive) != "payment":
        return directive
    sources = [source.lower() for source in _sources(directive)]
    added = [source for source in ("'self'", origin) if source not in sources]
    return directive if "*" in sources or not added else _with_sources(directive, added)


def _name(directive: str) -> str:
    return "".join(_words(directive)[:1]).lower()


def _sources(directive: str) -> list[str]:
    return _words(directive)[1:]


def _words(directive: str) -> list[str]:
    return [word for word in re.split(rf"[{_BLANK}]+", directive) if word]


def _with_sources(directive: str, added: Sequence[str]) -> str:
    """Append sources, in whose company ``'none'`` has no place."""
    body = directive.rstrip(_BLANK)
    return f"{_NONE.sub('', body)} {' '.join(added)}{directive[len(body) :]}"


def _allows(source: str, target: _Origin) -> bool:
    """Tell whether a source expression lets the path ``/`` of an origin load (CSP3, 6.7.2.8).

    In doubt it does not: the origin is then named once more than needed, which loosens nothing.
    """
    if source == "*":
        return True
    if scheme := _SCHEME_SOURCE.fullmatch(source):
        return _is_scheme(scheme[1], target)
    host = _HOST_SOURCE.fullmatch(source)
    if host is None:
        return False
    # Without a scheme the page's own counts, which may be https, and that does not match http.
    return (
        _is_scheme(host[1] or "https", target)
        and _is_host(host[2].lower(), target)
        and (host[3] == "*" or int(host[3] or _default_port(target)) == target.port)
    )


def _is_scheme(scheme: str, target: _Origin) -> bool:
    return scheme.lower() == target.scheme or (scheme.lower(), target.scheme) == ("http", "https")


def _is_host(pattern: str, target: _Origin) -> bool:
    if pattern.startswith("*."):
        return target.host.endswith(pattern[1:])
    return pattern in ("*", target.host)


def _default_port(target: _Origin) -> int:
    return 443 if target.scheme == "https" else 80


def _is_origin(item: str, origin: str) -> bool:
    return item.lower().rstrip('"').rstrip("/") == f'"{origin}'
