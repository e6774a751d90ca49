"""Dataclasses as JSON and back, by the types of their fields."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from dataclasses import is_dataclass
from dataclasses import MISSING
from typing import Any
from typing import get_args
from typing import get_origin
from typing import get_type_hints
from typing import Literal
from typing import Union


def encode(value: Any) -> Any:
    """What :func:`json.dumps` takes."""
    if is_dataclass(value):
        return {each.name: encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {name: encode(item) for name, item in value.items()}
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, list | tuple | deque):
        return [encode(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def decode(kind: Any, data: Any) -> Any:
    """What :func:`encode` was given.

    :param kind: its type, as it is written in an annotation.
    :raises ValueError: it is not of that type.
    """
    if is_dataclass(kind):
        return _dataclass(kind, data)
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        [given] = [part for part in parts if part is not type(None)]
        return None if data is None else decode(given, data)
    if origin is Literal:
        return _check(data in parts, data)
    if origin is dict:
        names, items = parts
        _check(isinstance(data, dict), data)
        return {names(name): decode(items, item) for name, item in data.items()}
    if origin is tuple and parts[-1] is not ...:
        _check(isinstance(data, list) and len(data) == len(parts), data)
        return tuple(decode(part, item) for part, item in zip(parts, data, strict=True))
    if origin in (list, tuple, set, deque):
        _check(isinstance(data, list), data)
        return origin(decode(parts[0], item) for item in data)
    if origin is bytes:
        return _check(isinstance(data, str), data).encode()
    is_bool = isinstance(data, bool)
    is_right = isinstance(data, int | float) if origin is float else isinstance(data, origin)
    return _check(is_right and is_bool == (origin is bool), data)


def _dataclass(kind: Any, data: Any) -> Any:
    hints = get_type_hints(kind)
    _check(isinstance(data, dict) and data.keys() == {each.name for each in fields(kind)}, data)
    return kind(
        **{
            each.name: _as_made(each.default_factory, decode(hints[each.name], data[each.name]))
            for each in fields(kind)
        }
    )


def _as_made(make: Callable[[], Any] | Any, value: Any) -> Any:
    """A deque as long as the field makes its own."""
    if make is not MISSING and isinstance(value, deque):
        return deque(value, maxlen=make().maxlen)
    return value


def _check(is_right: bool, data: Any) -> Any:
    if not is_right:
        raise ValueError("it is not what it should be")
    return data
