"""The headers are judged by a reader of their own, written from the specification."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.csp import allow_payment
from flask_pooled.csp import allow_payment_legacy

_ORIGIN = "https://app.pooledgame.com"


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
