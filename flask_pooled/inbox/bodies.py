"""Taking apart what an operator copied from a delivery log: which bytes were which body."""

from __future__ import annotations

import json
from collections.abc import Generator
from collections.abc import Iterator
from dataclasses import dataclass

_SPACE = " \t\r\n"

# Only the borders matter here. Numbers stay text, so that none is too long.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class BodiesError(ValueError):
    """The text is no JSON. Nobody can say where one body ends."""


@dataclass(frozen=True, slots=True)
class Body:
    """One body, to the byte as it stood there."""

    #: Where it begins, counted from 1.
    line: int
    text: bytes


def split_bodies(data: bytes) -> list[Body]:
    """The bodies in a text: JSON values one after the other, as one to a line, and arrays of them.

    :raises BodiesError: it is no JSON, or no UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BodiesError(f"line {line}: it is no UTF-8") from None
    bodies = []
    line, counted = 1, 0
    for begin, end in _spans(text):
        line += text.count("\n", counted, begin)
        counted = begin
        bodies.append(Body(line, text[begin:end].encode()))
    return bodies


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = _skip(text, 0)
    while at < len(text):
        if text[at] == "[":
            at = yield from _elements(text, at)
        else:
            end = _end(text, at)
            yield at, end
            at = end
        at = _skip(text, at)


def _elements(text: str, at: int) -> Generator[tuple[int, int], None, int]:
    """The elements of the array that begins there; returns where it has ended."""
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        end = _end(text, at)
        yield at, end
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            raise _no_json(text, at)
    return at + 1


def _end(text: str, at: int) -> int:
    try:
        return _DECODER.raw_decode(text, at)[1]
    except json.JSONDecodeError as error:
        raise _no_json(text, error.pos) from None
    except RecursionError:
        raise _no_json(text, at) from None


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _no_json(text: str, at: int) -> BodiesError:
    line = text.count("\n", 0, at) + 1
    return BodiesError(f"line {line}: it is no JSON")
