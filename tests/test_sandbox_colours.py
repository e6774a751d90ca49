"""A brand's colour stays readable on light and dark pages, whatever it is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.sandbox.colours import brand_css


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@given(st.integers(0, 0xFFFFFF))
def test_text_and_buttons_can_be_read(number: int) -> None:
    light, dark = brand_css(f"#{number:06x}").splitlines()
    for line, card in ((light, "#ffffff"), (dark, "#1b1d24")):
        found = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{6})", line))
        assert contrast(found["accent-text"], card) >= 4.5
        assert contrast(found["accent"], card) >= 3
        assert contrast(found["accent"], found["accent-ink"]) >= 4.3


@pytest.mark.parametrize("accent", ["#4a2a94", "#0B3D2E"])
def test_a_colour_that_can_be_read_stays_as_it_is(accent: str) -> None:
    assert f"--accent:{accent.lower()}" in brand_css(accent).splitlines()[0]
