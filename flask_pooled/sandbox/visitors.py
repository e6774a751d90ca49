"""From a request to the player who makes it. State hangs on the token alone: no cookies."""

from __future__ import annotations

import jwt

from .errors import PageError
from .records import Tenant
from .state import current_sandbox
from .tokens import check_token
from .tokens import Visitor

#: USD, and seconds that a demo view's token lives.
_DEMO_BALANCE = 1000.00
_DEMO_LIFE = 8 * 3600

_DEMO_PLAYERS = ("Alex D.", "Sam T.", "Robin K.", "Jamie L.", "Charlie M.", "Kim P.")


def tenant_of(slug: str) -> Tenant:
    """The tenant that a URL names.

    :raises PageError: it names none, or one that is not here.
    """
    tenant = current_sandbox().world.tenant(slug)
    if tenant is None:
        raise PageError(
            "White screen / blank iFrame",
            "tenant",
            "There is no such tenant here." if slug else "The URL names no tenant.",
            "Use your tenant slug in the src URL, as in royal-casino.",
            status=400,
        )
    return tenant


def visitor_of(tenant: Tenant, token: str) -> Visitor:
    """The player of a token.

    :raises PageError: the token is not good.
    """
    return check_token(token, tenant.secrets, current_sandbox().clock())


def demo_token() -> str:
    """A token for a new player with a fake balance, for the demo view, which comes without one."""
    sandbox = current_sandbox()
    names = sandbox.demo_names
    return jwt.encode(
        {
            "sub": f"demo_{names.getrandbits(48):012x}",
            "name": names.choice(_DEMO_PLAYERS),
            "balance": _DEMO_BALANCE,
            "currency": "USD",
            "verified": True,
            "exp": int(sandbox.clock()) + _DEMO_LIFE,
        },
        sandbox.demo_secret,
        algorithm="HS256",
    )
