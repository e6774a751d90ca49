"""Bodies are cut out of what was copied from a log, to the byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.inbox.bodies import BodiesError
from flask_pooled.inbox.bodies import split_bodies

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(st.text(max_size=4), _VALUES, max_size=3)


def _cut(text: str) -> list[tuple[int, str]]:
    return [(body.line, body.text.decode()) for body in split_bodies(text.encode())]


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        ("", []),
        (" \r\n\t\n", []),
        ("[]", []),
        ("[ \n ]\n", []),
        ('{"a":1}\n{"b": 1.50 }\n', [(1, '{"a":1}'), (2, '{"b": 1.50 }')]),
        ('{"a":1}\r\n\r\n{"b":2}', [(1, '{"a":1}'), (3, '{"b":2}')]),
        ('[{"a": [1]},\n {"b": "],["}]', [(1, '{"a": [1]}'), (2, '{"b": "],["}')]),
        ('{\n  "a": 1\n}\n{"b":2}', [(1, '{\n  "a": 1\n}'), (4, '{"b":2}')]),
        ('[{"a":1}] {"b":2} [{"c":3}]', [(1, '{"a":1}'), (1, '{"b":2}'), (1, '{"c":3}')]),
        ('[{"a":1},{"b":2}]{"c":3}', [(1, '{"a":1}'), (1, '{"b":2}'), (1, '{"c":3}')]),
        ("\n{}\n{}\n{}\n", [(2, "{}"), (3, "{}"), (4, "{}")]),
        ('"text" 5 null', [(1, '"text"'), (1, "5"), (1, "null")]),
        ('{"a": 1e999999, "b": NaN}', [(1, '{"a": 1e999999, "b": NaN}')]),
        (f'{{"a": {"9" * 5000}}}', [(1, f'{{"a": {"9" * 5000}}}')]),
    ],
)
def test_each_body_as_it_stood(text: str, bodies: list[tuple[int, str]]) -> None:
    assert _cut(text) == bodies


def test_byte_order_mark_is_no_part_of_a_body() -> None:
    assert split_bodies(b"\xef\xbb\xbf{}")[0].text == b"{}"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"a":1}\n{"b":\n', "line 3: it is no JSON"),
        (b'{"a":1}\n\nfourteen', "line 3: it is no JSON"),
        (b'[{"a":1} {"b":2}]', "line 1: it is no JSON"),
        (b'[{"a":1},\n', "line 2: it is no JSON"),
        (b"[", "line 1: it is no JSON"),
        (b"\n?\n\n", "line 2: it is no JSON"),
        (b'{"a":1}\n{"b":}\n{"c":3}', "line 2: it is no JSON"),
        (b'[{"a":1}\n{"b":2}\n]\n', "line 2: it is no JSON"),
        (b'{"a":1},{"b":2}', "line 1: it is no JSON"),
        (b'\n{"b":"\xff"}\n{"c":3}\n', "line 2: it is no UTF-8"),
        (b'{"a":' + b"[" * 100_000 + b"\n", "line 1: it is no JSON"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(data: bytes, error: str) -> None:
    with pytest.raises(BodiesError, match=f"^{error}$"):
        split_bodies(data)


@given(st.lists(_OBJECTS, max_size=5), st.booleans(), st.sampled_from([None, 0, 2]))
def test_what_was_joined_is_cut_again(
    objects: list[dict[str, object]], as_array: bool, indent: int | None
) -> None:
    bodies = [json.dumps(each, indent=indent, ensure_ascii=False).encode() for each in objects]
    data = b"[" + b" ,\n".join(bodies) + b"]" if as_array else b"\n".join(bodies)
    assert [body.text for body in split_bodies(data)] == bodies
