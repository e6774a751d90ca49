"""The policies are judged by an evaluator of their own, written from the specification."""

from __future__ import annotations

import re

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.csp import allow_frame
from flask_pooled.csp import allow_own

_ORIGIN = "https://app.pooledgame.com"
_LOCAL = "http://127.0.0.1:5001"


def _directives(policy: str) -> dict[str, list[str]]:
    """Parse one serialized policy (CSP3, "parse a serialized CSP")."""
    parsed: dict[str, list[str]] = {}
    for token in re.split(";", policy):
        words = re.findall(r"[^\t\n\f\r ]+", token)
        if words and token.isascii():
            parsed.setdefault(words[0].lower(), words[1:])
    return parsed


def _frames_from(policy: str, scheme: str, host: str, port: int) -> bool:
    """Tell whether an https page under one policy may frame an address, as a browser decides it."""
    parsed = _directives(policy)
    for name in ("frame-src", "child-src", "default-src"):
        if name in parsed:
            return any(_source_matches(one.lower(), scheme, host, port) for one in parsed[name])
    return True


def _source_matches(source: str, scheme: str, host: str, port: int) -> bool:
    usual = {"https": "443", "http": "80"}
    if source == "*":
        return True
    if source in ("https:", "http:"):
        return scheme == "https" or source == "http:"
    wanted, _, rest = source.rpartition("://")
    wanted = wanted or "https"
    if wanted not in usual or (wanted == "https" and scheme == "http"):
        return False
    authority, _, path = rest.partition("/")
    pattern, _, wanted_port = authority.partition(":")
    if (wanted_port or usual[scheme]) not in (str(port), "*") or path:
        return False
    if pattern.startswith("*."):
        return host.endswith(pattern.removeprefix("*"))
    return pattern in ("*", host)


def _allows_game(header: str) -> bool:
    return all(_frames_from(one, "https", "app.pooledgame.com", 443) for one in header.split(","))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("frame-src 'self'", f"frame-src 'self' {_ORIGIN}"),
        ("frame-src 'none'", f"frame-src {_ORIGIN}"),
        ("frame-src 'NONE';", f"frame-src {_ORIGIN};"),
        ("frame-src 'none' https://a.example", f"frame-src https://a.example {_ORIGIN}"),
        ("frame-src", f"frame-src {_ORIGIN}"),
        ("frame-src ;img-src *", f"frame-src {_ORIGIN} ;img-src *"),
        ("Frame-SRC 'Self'", f"Frame-SRC 'Self' {_ORIGIN}"),
        ("frame-src\t'self'  ; a b", f"frame-src\t'self' {_ORIGIN}  ; a b"),
        ("frame-src 'self'; frame-src *", f"frame-src 'self' {_ORIGIN}; frame-src *"),
        ("child-src 'self'", f"child-src 'self'; frame-src 'self' {_ORIGIN}"),
        ("default-src 'self'", f"default-src 'self'; frame-src 'self' {_ORIGIN}"),
        ("default-src 'self';", f"default-src 'self'; frame-src 'self' {_ORIGIN}"),
        ("default-src 'self' ; ", f"default-src 'self' ; frame-src 'self' {_ORIGIN} "),
        ("default-src 'none'", f"default-src 'none'; frame-src {_ORIGIN}"),
        ("default-src", f"default-src; frame-src {_ORIGIN}"),
        (
            "default-src *; child-src 'none'",
            f"default-src *; child-src 'none'; frame-src {_ORIGIN}",
        ),
        (
            "default-src 'self' 'unsafe-inline' 'nonce-abc' 'sha256-abc=' 'strict-dynamic'"
            " 'report-sample' a.example data:",
            "default-src 'self' 'unsafe-inline' 'nonce-abc' 'sha256-abc=' 'strict-dynamic'"
            f" 'report-sample' a.example data:; frame-src 'self' a.example data: {_ORIGIN}",
        ),
        (
            "frame-src 'self', default-src 'none'",
            f"frame-src 'self' {_ORIGIN}, default-src 'none'; frame-src {_ORIGIN}",
        ),
        (
            "frame-src ü; default-src 'self'",  # browsers skip a directive that is not ASCII
            f"frame-src ü; default-src 'self'; frame-src 'self' {_ORIGIN}",
        ),
    ],
)
def test_lets_the_frame_in(policy: str, expected: str) -> None:
    assert allow_frame(policy, _ORIGIN) == expected


@pytest.mark.parametrize(
    "policy",
    [
        "",
        " ",
        ";",
        ",",
        "script-src 'self'; object-src 'none'",
        "script-src 'self';;  upgrade-insecure-requests ;",
        "frame-ancestors 'none'; frame-srcs 'none'",
        "default-src *; script-src 'self'",
        "frame-src https:",
        "frame-src HTTP:",
        "default-src https:; script-src 'self'",
        f"frame-src {_ORIGIN}",
        f"default-src 'none'; frame-src 'self' {_ORIGIN}",
        "frame-src HTTPS://App.PooledGame.com",
        "frame-src https://app.pooledgame.com/",
        "frame-src https://app.pooledgame.com:443",
        "frame-src https://app.pooledgame.com:*",
        "frame-src http://app.pooledgame.com",
        "frame-src app.pooledgame.com",
        "frame-src *.pooledgame.com",
        "frame-src https://*.com",
        "frame-src *:443",
        "frame-src https://*",
    ],
)
def test_what_lets_it_in_already_stays_as_it_is(policy: str) -> None:
    assert allow_frame(policy, _ORIGIN) == policy


@pytest.mark.parametrize(
    "source",
    [
        *("'self'", "data:", "blob:", "wss:", "pooledgame.com", "*.app.pooledgame.com"),
        *("https://app.pooledgame.com:8443", "https://app.pooledgame.com/lobby", "*:8443"),
        *("https://app.pooledgame.com.evil.example", "xapp.pooledgame.com", "ftp://*"),
        *("https://app.pooledgame.com/lobby/", "https//app.pooledgame.com", "'nonce-https:'"),
        *("https://app.pooledgame.com:80", "https://user@app.pooledgame.com", "*.*", "**"),
    ],
)
def test_what_lets_another_in_does_not_count(source: str) -> None:
    assert allow_frame(f"frame-src {source}", _ORIGIN) == f"frame-src {source} {_ORIGIN}"


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        (_LOCAL, True),
        ("http:", True),
        ("http://*:*", True),
        ("http://127.0.0.1:*", True),
        ("*", True),
        ("127.0.0.1:5001", False),  # on an https page this means https
        ("http://127.0.0.1", False),
        ("https:", False),
        ("https://127.0.0.1:5001", False),
    ],
)
def test_a_sandbox_on_loopback_counts_as_what_it_is(source: str, counts: bool) -> None:
    policy = f"frame-src {source}"
    assert allow_frame(policy, _LOCAL) == (policy if counts else f"{policy} {_LOCAL}")


def test_an_ipv6_origin_is_added_once() -> None:
    once = allow_frame("frame-src 'self'", "http://[::1]:5001")
    assert once == "frame-src 'self' http://[::1]:5001"
    assert allow_frame(once, "http://[::1]:5001") == once


_BLANKS = st.sampled_from([" ", "  ", "\t", " \n "])
_SOURCES = st.sampled_from(
    [
        *("'self'", "'none'", "'NONE'", "*", "https:", "http:", "data:", "'unsafe-inline'"),
        *("'nonce-r4nd0m'", "'sha256-abc='", "'strict-dynamic'", "'report-sample'", "*.a.example"),
        *("https://a.example", "http://b.example:8080", "*.pooledgame.com", "app.pooledgame.com"),
        *(_ORIGIN, f"{_ORIGIN}:8443", f"{_ORIGIN}/lobby", "cdn.example/x", "<?>", "ü"),
    ]
)
_NAMES = st.sampled_from(
    [
        *("frame-src", "Frame-Src", "child-src", "CHILD-SRC", "default-src", "script-src"),
        *("upgrade-insecure-requests", "report-uri", "sandbox", "worker-src", "img-src"),
    ]
)


@st.composite
def _policies(draw: st.DrawFn) -> str:
    directives = []
    for _ in range(draw(st.integers(0, 4))):
        words = [draw(_NAMES), *draw(st.lists(_SOURCES, max_size=4))]
        edges = draw(st.sampled_from(["", " ", "\t"])), draw(st.sampled_from(["", " "]))
        directives.append(edges[0] + draw(_BLANKS).join(words) + edges[1])
    return ";".join(directives) + draw(st.sampled_from(["", ";", "; ", ";;"]))


_HEADERS = st.one_of(
    st.lists(_policies(), min_size=1, max_size=3).map(",".join),
    st.text(st.sampled_from(" \t;,'*:/.-fframe-src'none'default-srcü\u00a0")),
)


@given(_HEADERS)
@example("default-src 'none',;,frame-src")
def test_afterwards_the_game_may_be_framed(header: str) -> None:
    assert _allows_game(allow_frame(header, _ORIGIN))


@given(_HEADERS)
def test_once_is_enough(header: str) -> None:
    once = allow_frame(header, _ORIGIN)
    assert allow_frame(once, _ORIGIN) == once


@given(_HEADERS)
def test_a_policy_that_allows_the_game_is_not_touched(header: str) -> None:
    if _allows_game(header):
        assert allow_frame(header, _ORIGIN) == header


@given(_HEADERS)
def test_no_other_directive_changes(header: str) -> None:
    for before, after in zip(
        header.split(","), allow_frame(header, _ORIGIN).split(","), strict=True
    ):
        old, new = _directives(before), _directives(after)
        assert [name for name in new if name != "frame-src"] == [
            name for name in old if name != "frame-src"
        ]
        assert {**new, "frame-src": []} == {**old, "frame-src": []}


@given(
    _HEADERS,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["a.example", "evil.example", "b.example", "www.pooledgame.com"]),
    st.sampled_from([80, 443, 8080, 8443]),
)
def test_no_other_host_may_be_framed_than_before(
    header: str, scheme: str, host: str, port: int
) -> None:
    before = [_frames_from(one, scheme, host, port) for one in header.split(",")]
    extended = allow_frame(header, _ORIGIN).split(",")
    assert [_frames_from(one, scheme, host, port) for one in extended] == before


_OWN = "https://casino.example/pooled/static/refresh.js"
_SOURCES = st.lists(
    st.sampled_from(
        ["'self'", "'none'", "'nonce-a'", "'strict-dynamic'", "'unsafe-inline'", "https:", "*"]
    ),
    max_size=3,
).map(" ".join)
_POLICIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["default-src", "script-src", "script-src-elem", "connect-src", "img-src", "frame-src"]
        ),
        _SOURCES,
    ).map(" ".join),
    max_size=5,
).map("; ".join)


@given(_POLICIES, st.sampled_from(["script", "connect"]), st.sampled_from([None, "a", "b"]))
def test_own_address_is_added_where_it_counts_and_nothing_else_changes(
    policy: str, kind: str, nonce: str | None
) -> None:
    allowed = allow_own(policy, kind, _OWN, nonce)  # type: ignore[arg-type]  # one of the two
    assert allow_own(allowed, kind, _OWN, nonce) == allowed  # type: ignore[arg-type]
    before, after = _directives(policy), _directives(allowed)
    fallbacks = {
        "script": ("script-src-elem", "script-src", "default-src"),
        "connect": ("connect-src", "default-src"),
    }[kind]
    deciding = next((name for name in fallbacks if name in after), None)
    assert [name for name in after if after[name] != before.get(name)] in ([], [deciding])
    if deciding is None:
        assert after == before
        return
    sources = after[deciding]
    nonces = [] if nonce is None else [f"'nonce-{nonce}'"]
    if "'strict-dynamic'" not in sources:
        assert {_OWN, "'self'", "*", *nonces} & {*sources}
    added = {*sources} - {*next(before[name] for name in fallbacks if name in before)}
    assert added <= {_OWN}
