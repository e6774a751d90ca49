"""Fairness: does the seed that a draw revealed match what was committed to before it?

A commitment that arrives together with its seed proves that both belong together, not that the draw
was fair: only one that was published before the draw does.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from typing import Literal

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def verify_fairness(seed: object, seed_commit: object) -> Literal["text", "hex"] | None:
    """Tell how the seed matches its commitment: ``hash(seed) == seed_commit`` (guide, "pool.win").

    The guide names neither the hash nor the bytes: SHA-256 is tried over the seed's UTF-8 text and
    over the bytes that it spells in hex. Never raises, whatever the two are.

    :param seed: as in the event.
    :param seed_commit: as in the event; hex in either case.
    :returns: ``"text"`` or ``"hex"``, whichever matched, or None.

    .. versionadded:: 0.1
    """
    if not isinstance(seed, str) or not isinstance(seed_commit, str):
        return None
    commit = seed_commit.lower()
    try:
        text = seed.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    if hashlib.sha256(text).hexdigest() == commit:
        return "text"
    if _HEX.fullmatch(seed) and hashlib.sha256(bytes.fromhex(seed)).hexdigest() == commit:
        return "hex"
    return None
