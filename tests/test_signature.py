from __future__ import annotations

import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.errors import ConfigError
from flask_pooled.signature import sign_body
from flask_pooled.signature import verify_signature

_BODY = b'{"event":"pool.win"}'
_SECRET = "webhook-secret"

#: RFC 4231, sections 4.2 to 4.8: key, data, HMAC-SHA-256 (case 5 is truncated, and so no case).
_RFC_4231 = [
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. "
        b"The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]

_KEYS = st.one_of(st.text(st.characters(codec="utf-8"), min_size=1), st.binary(min_size=1))


@pytest.mark.parametrize(("key", "data", "signature"), _RFC_4231)
def test_the_published_vectors(key: bytes, data: bytes, signature: str) -> None:
    assert sign_body(data, key) == signature
    assert verify_signature(data, signature, key)


@given(st.binary(), _KEYS)
def test_what_was_signed_verifies(body: bytes, secret: str | bytes) -> None:
    signature = sign_body(body, secret)
    assert verify_signature(body, signature, secret)
    assert verify_signature(body, signature.upper(), secret)
    assert verify_signature(body, signature.encode(), [secret])


@given(st.binary(), st.binary(), _KEYS)
def test_another_body_does_not(body: bytes, other: bytes, secret: str | bytes) -> None:
    assert verify_signature(other, sign_body(body, secret), secret) is (body == other)


def test_another_secret_does_not() -> None:
    assert not verify_signature(_BODY, sign_body(_BODY, _SECRET), "another-secret")


@pytest.mark.parametrize("at", range(64))
def test_each_digit_counts(at: int) -> None:
    signature = sign_body(_BODY, _SECRET)
    wrong = "0" if signature[at] != "0" else "1"
    assert not verify_signature(_BODY, signature[:at] + wrong + signature[at + 1 :], _SECRET)


@given(
    st.one_of(
        st.none(), st.text(), st.binary(), st.integers(), st.floats(), st.lists(st.text()),
        st.text("0123456789abcdefABCDEF", min_size=64, max_size=64),
    )
)  # fmt: skip
def test_no_other_signature_verifies_or_raises(signature: Any) -> None:
    assert verify_signature(_BODY, signature, _SECRET) is False


@pytest.mark.parametrize(
    "mangle",
    [
        lambda signature: f" {signature}",
        lambda signature: f"{signature}\n",
        lambda signature: f"sha256={signature}",
        lambda signature: signature[:63],
        lambda signature: signature + "0",
        lambda signature: signature.encode().hex(),
        lambda signature: bytes.fromhex(signature),
        lambda signature: bytearray(signature.encode()),
        lambda signature: memoryview(signature.encode()),
        lambda signature: f"\uff10{signature[1:]}",
        lambda signature: f"{signature[:63]}\ud800",
    ],
)
def test_nothing_but_the_hex_digits_is_accepted(mangle: Any) -> None:
    assert verify_signature(_BODY, mangle(sign_body(_BODY, _SECRET)), _SECRET) is False


@pytest.mark.parametrize("used", ["current", "older", b"oldest"])
def test_each_of_several_secrets_is_accepted(used: str | bytes) -> None:
    signature = sign_body(_BODY, used)
    assert verify_signature(_BODY, signature, ["current", "older", b"oldest"])
    assert verify_signature(_BODY, signature, iter(("current", "older", b"oldest")))


def test_no_secrets_verify_nothing() -> None:
    assert not verify_signature(_BODY, sign_body(_BODY, _SECRET), [])


@pytest.mark.parametrize("secrets", ["", b"", [""], ["", _SECRET]])
def test_an_empty_secret_never_verifies(secrets: Any) -> None:
    signature = hmac.digest(b"", _BODY, "sha256").hex()
    assert not verify_signature(_BODY, signature, secrets)


def test_every_secret_is_tried_even_after_one_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    new = hmac.new

    def recorded(key: bytes, body: bytes, name: str) -> hmac.HMAC:
        tried.append(key)
        return new(key, body, name)

    signature = sign_body(_BODY, "current")
    monkeypatch.setattr(hmac, "new", recorded)
    assert verify_signature(_BODY, signature, ["current", "older"])
    assert tried == [b"current", b"older"]


@pytest.mark.parametrize("secret", ["", b""])
def test_nothing_is_signed_with_an_empty_secret(secret: str | bytes) -> None:
    with pytest.raises(ConfigError, match="the webhook secret is empty"):
        sign_body(_BODY, secret)
