"""Whether a rehearsal can leave the app's own wallet alone, and how it then does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import ExitStack

from sqlalchemy.exc import SQLAlchemyError

from ..errors import ConfigError
from ..state import State
from .copies import Copies
from .copies import on_copies
from .plan import Plan

#: Why not, where the casino has said so itself.
ASKED = "you asked for it by --in-place"


@contextmanager
def isolated(plan: Plan, state: State, *, in_place: bool) -> Iterator[str | None]:
    """Work on copies of the app's databases for the length of the block, if all of them can be copied.

    :param in_place: do not even try.
    :returns: why the wallet cannot be isolated; ``None`` if it is.
    :raises ConfigError: the inbox cannot be read.
    """
    # An inbox of ours makes its tables when it is first used: in the real database, and not on a copy alone.
    _look_into_inbox(state)
    with ExitStack() as stack:
        why_not: str | None = ASKED
        if not in_place:
            copies = stack.enter_context(on_copies())
            why_not = _why_not(plan, state, copies)
            if why_not is None:
                copies.strict = True
                stack.enter_context(state.inbox.beside(copies.folder))
            else:
                stack.close()
        yield why_not


def _why_not(plan: Plan, state: State, copies: Copies) -> str | None:
    _look_into_inbox(state)
    read = plan.reader()
    used = copies.used
    read()
    if copies.elsewhere:
        return f"the app uses {copies.elsewhere[0]}, and only SQLite files can be copied"
    if copies.used == used:
        return "its balance is read from no database that SQLAlchemy has opened"
    return None


def _look_into_inbox(state: State) -> None:
    """Use each of the inbox's ways to its database."""
    try:
        state.structure.look()
        state.inbox.figures.count_states()
    except SQLAlchemyError as error:
        # Its text may hold the address with its password.
        raise ConfigError(
            f"The inbox cannot be read ({type(error).__name__}): is its database up, and are its tables there? "
            "flask pooled init-db tells."
        ) from error
