"""A brand's one colour, made readable on light and dark pages (WCAG 2.1 contrast)."""

from __future__ import annotations

_Colour = tuple[int, int, int]

_LIGHT_PAGE = (0xFF, 0xFF, 0xFF)
_DARK_PAGE = (0x1B, 0x1D, 0x24)
_INKS = ((0xFF, 0xFF, 0xFF), (0x14, 0x12, 0x0C))

#: The least contrast of a button's surface and of text. More than WCAG's 3 and 4.5, because cards are tinted.
_VISIBLE = 3.1
_READABLE = 5.6


def brand_css(accent: str) -> str:
    """Custom properties for a style sheet: the accent, ink on it, and the accent as text, light and dark.

    :param accent: ``#rrggbb``.
    """
    colour = _parse(accent)
    return (
        f":root{{{_properties(colour, _LIGHT_PAGE)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{_properties(colour, _DARK_PAGE)}}}}}\n"
    )


def _properties(colour: _Colour, page: _Colour) -> str:
    surface = _apart(colour, page, _VISIBLE)
    ink = max(_INKS, key=lambda candidate: _contrast(candidate, surface))
    text = _apart(colour, page, _READABLE)
    return f"--accent:{_hex(surface)};--accent-ink:{_hex(ink)};--accent-text:{_hex(text)}"


def _apart(colour: _Colour, page: _Colour, least: float) -> _Colour:
    """The colour, moved away from the page's until the contrast is enough."""
    target = (0, 0, 0) if _luminance(page) > 0.5 else (0xFF, 0xFF, 0xFF)
    for step in range(21):
        mixed = _mix(colour, target, step / 20)
        if _contrast(mixed, page) >= least:
            return mixed
    return target


def _parse(accent: str) -> _Colour:
    return int(accent[1:3], 16), int(accent[3:5], 16), int(accent[5:7], 16)


def _hex(colour: _Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _mix(colour: _Colour, target: _Colour, share: float) -> _Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, target, strict=True))
    return red, green, blue


def _contrast(one: _Colour, other: _Colour) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: _Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
