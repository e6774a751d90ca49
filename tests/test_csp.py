"""The policies are judged by an evaluator of their own, written from the specifications."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.csp import allow_frame
from flask_pooled.csp import allow_payment
from flask_pooled.csp import allow_payment_legacy

_ORIGIN = "https://app.pooledgame.com"
_LOCAL = "http://127.0.0.1:5001"


# -- frames ----------------------------------------------------------------------------------------


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


# -- payment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("payment=()", f'payment=(self "{_ORIGIN}")'),
        ("payment=( )", f'payment=(self "{_ORIGIN}")'),
        ("payment=(self)", f'payment=(self "{_ORIGIN}")'),
        ("payment=self", f'payment=(self "{_ORIGIN}")'),
        (f'payment=("{_ORIGIN}")', f'payment=("{_ORIGIN}" self)'),
        (f'payment="{_ORIGIN}"', f'payment=("{_ORIGIN}" self)'),
        (
            'payment=(self "https://a.example")',
            f'payment=(self "https://a.example" "{_ORIGIN}")',
        ),
        ("payment", f'payment=(self "{_ORIGIN}")'),
        ("payment=?0", f'payment=(self "{_ORIGIN}")'),
        ("payment=none", f'payment=(self "{_ORIGIN}")'),
        ("payment=1.5", f'payment=(self "{_ORIGIN}")'),
        ("payment=();report-to=x", f'payment=(self "{_ORIGIN}");report-to=x'),
        ("payment=self; report-to=x", f'payment=(self "{_ORIGIN}"); report-to=x'),
        ("payment;a", f'payment=(self "{_ORIGIN}");a'),
        ("payment=(self;a=1  self)", f'payment=(self;a=1  self "{_ORIGIN}")'),
        (
            "camera=(), payment=(),\tusb=(self)",
            f'camera=(), payment=(self "{_ORIGIN}"),\tusb=(self)',
        ),
        ("payment=*, payment=()", f'payment=*, payment=(self "{_ORIGIN}")'),
        ('a="x, payment=()", payment=()', f'a="x, payment=()", payment=(self "{_ORIGIN}")'),
        (r'payment=("\"")', rf'payment=("\"" self "{_ORIGIN}")'),
    ],
)
def test_lets_the_frame_take_payments(policy: str, expected: str) -> None:
    assert allow_payment(policy, _ORIGIN) == expected


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "camera=(), browsing-topics=()",
        "payment=*",
        "payment=(*)",
        "payment=(self *)",
        f'payment=(self "{_ORIGIN}")',
        f'payment=("{_ORIGIN}" self)',
        f'payment=("{_ORIGIN}/" self)',
        "payment=(), payment=*",
        "payment-handler=(), xpayment=()",
        'camera="payment=()"',
    ],
)
def test_what_restricts_no_payment_stays_as_it_is(policy: str) -> None:
    assert allow_payment(policy, _ORIGIN) == policy


@pytest.mark.parametrize(
    "policy",
    [
        "payment 'none'",
        "payment=(), ",
        "payment=(self",
        "payment=() camera=()",
        "payment=(self,self)",
        "Payment=()",
        "payment=()x",
        "payment=(), Camera=()",
        'payment=("x)',
        "payment='none'",
        "payment=(https://a.example ;x)y",
        "payment=(),,camera=()",
        "=()",
        "\tpayment=()",
        "payment=ü",
    ],
)
def test_what_no_browser_can_read_stays_as_it_is(policy: str) -> None:
    assert allow_payment(policy, _ORIGIN) == policy


@dataclass(frozen=True)
class _Feature:
    name: str
    text: str


_FEATURES = st.builds(
    _Feature,
    st.sampled_from(["payment", "payment", "camera", "usb", "browsing-topics"]),
    st.sampled_from(
        [
            *("=*", "=self", "=()", "=(self)", "", "=?1", '="https://a.example"', ";x=1", "=();x"),
            *('=(self "https://a.example")', f'=("{_ORIGIN}")', f'=(self "{_ORIGIN}");x', "=(*)"),
        ]
    ),
)


def _may_pay(members: list[str]) -> bool:
    """Tell whether both the page and the game may use payment, from members like ``name=value``."""
    payment = [one.removeprefix("payment") for one in members if one.startswith("payment")]
    if not payment:
        return True
    names = set(re.findall(r'"[^"]*"|[*a-z]+', payment[-1].split(";")[0]))
    return "*" in names or {"self", f'"{_ORIGIN}"'} <= names


@given(st.lists(_FEATURES, min_size=1, max_size=5))
def test_afterwards_page_and_game_may_take_payments(features: list[_Feature]) -> None:
    members = [feature.name + feature.text for feature in features]
    after = allow_payment(", ".join(members), _ORIGIN)
    assert _may_pay(after.split(", "))
    assert allow_payment(after, _ORIGIN) == after
    if _may_pay(members):
        assert after.split(", ") == members


@given(st.lists(_FEATURES, min_size=1, max_size=5))
def test_no_other_feature_changes(features: list[_Feature]) -> None:
    members = [feature.name + feature.text for feature in features]
    after = allow_payment(", ".join(members), _ORIGIN).split(", ")
    assert [one for one in after if not one.startswith("payment")] == [
        one for one in members if not one.startswith("payment")
    ]


@given(st.text(st.sampled_from("payment=()self*\"'; ,?10:ü")))
def test_any_text_is_answered_once_and_for_all(policy: str) -> None:
    once = allow_payment(policy, _ORIGIN)
    assert allow_payment(once, _ORIGIN) == once


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("payment 'none'", f"payment 'self' {_ORIGIN}"),
        ("payment 'self'", f"payment 'self' {_ORIGIN}"),
        (f"payment {_ORIGIN}", f"payment {_ORIGIN} 'self'"),
        ("payment", f"payment 'self' {_ORIGIN}"),
        (
            "camera 'none'; payment 'none' ; usb 'self'",
            f"camera 'none'; payment 'self' {_ORIGIN} ; usb 'self'",
        ),
        (
            "payment 'none', payment 'none'",
            f"payment 'self' {_ORIGIN}, payment 'self' {_ORIGIN}",
        ),
    ],
)
def test_the_older_header_lets_the_frame_take_payments(policy: str, expected: str) -> None:
    assert allow_payment_legacy(policy, _ORIGIN) == expected
    assert allow_payment_legacy(expected, _ORIGIN) == expected


@pytest.mark.parametrize(
    "policy", ["", "camera 'none'", "payment *", f"payment 'self' {_ORIGIN}", "payments 'none';"]
)
def test_the_older_header_stays_as_it_is_where_it_may(policy: str) -> None:
    assert allow_payment_legacy(policy, _ORIGIN) == policy
