from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.fairness import verify_fairness

_ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.lists(st.text()), st.dictionaries(st.text(), st.integers()),
)  # fmt: skip


def test_published_hashes_of_text() -> None:
    # FIPS 180-4 examples: "abc", and the two-block message.
    assert (
        verify_fairness("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        == "text"
    )
    assert (
        verify_fairness(
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        )
        == "text"
    )


def test_a_published_hash_of_bytes() -> None:
    # 616263 is "abc" in hex.
    assert (
        verify_fairness(
            "616263", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
        )
        == "hex"
    )


@given(st.text(st.characters(codec="utf-8")), st.booleans())
def test_a_hash_over_the_text_matches(seed: str, upper: bool) -> None:
    commit = sha256(seed.encode()).hexdigest()
    assert verify_fairness(seed, commit.upper() if upper else commit) == "text"


@given(st.binary(min_size=1), st.booleans())
def test_a_hash_over_the_bytes_matches(seed: bytes, upper: bool) -> None:
    text = seed.hex().upper() if upper else seed.hex()
    assert verify_fairness(text, sha256(seed).hexdigest()) == "hex"


@given(_ANYTHING, _ANYTHING)
def test_anything_else_matches_nothing_and_never_raises(seed: Any, commit: Any) -> None:
    assert verify_fairness(seed, commit) is None


@pytest.mark.parametrize(
    "seed", ["ab cd", " abcd", "abcd\n", "0xabcd", "abc", "ab-cd", "\uff41\uff42\uff43\uff44"]
)
def test_what_is_not_plain_hex_is_not_decoded(seed: str) -> None:
    assert verify_fairness(seed, sha256(bytes.fromhex("abcd")).hexdigest()) is None


@pytest.mark.parametrize("mangled", [" {}", "{}\n", "sha256:{}", "0x{}", "{}00"])
def test_a_commitment_is_the_hex_alone(mangled: str) -> None:
    assert verify_fairness("abc", mangled.format(sha256(b"abc").hexdigest())) is None


def test_a_lone_surrogate_has_no_hash() -> None:
    seed = "\ud800"
    assert verify_fairness(seed, sha256(seed.encode(errors="surrogatepass")).hexdigest()) is None


def test_bytes_are_no_seed() -> None:
    assert verify_fairness(b"abc", sha256(b"abc").hexdigest()) is None


def test_an_empty_seed_is_text() -> None:
    assert verify_fairness("", sha256(b"").hexdigest()) == "text"
