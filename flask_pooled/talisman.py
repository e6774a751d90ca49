"""Flask-Talisman: which one an app has, and the one that ``POOLED_TALISMAN`` makes.

A Talisman given as ``talisman=`` is only checked: its headers pass :class:`~.frame_headers.FrameHeaders` anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from functools import wraps
from typing import Any
from typing import ParamSpec
from typing import TYPE_CHECKING
from typing import TypeVar

from flask import Flask

from flask_pooled.csp import allow_frame
from flask_pooled.errors import ConfigError
from flask_pooled.frame_headers import FrameHeaders

if TYPE_CHECKING:
    from flask_pooled.settings import Settings

_P = ParamSpec("_P")
_R = TypeVar("_R")

_FRAME_FALLBACKS = frozenset({"frame-src", "child-src", "default-src"})


def set_up(app: Flask, settings: Settings, talisman: object = None) -> FrameHeaders:
    """Put the middleware around the app, and create or check its Flask-Talisman.

    :param talisman: the casino's own Talisman, if it was handed to us.
    :returns: the middleware, see :func:`~.frame_headers.keep_outermost`.
    :raises ConfigError: if ``POOLED_TALISMAN`` meets another Talisman or holds what Talisman
        refuses, or if ``talisman`` is none.
    """
    if settings.talisman is not None:
        if talisman is not None or talismans_of(app):
            raise ConfigError(
                "POOLED_TALISMAN makes Pooled create a Talisman, but this app has one already."
                " Remove POOLED_TALISMAN: the policy of your own Talisman is extended anyway."
            )
        _create_talisman(app, settings.talisman, settings.origin)
    elif talisman is not None:
        _require_talisman(talisman)
    headers = FrameHeaders(app.wsgi_app, origin=settings.origin, csp=settings.csp)
    app.wsgi_app = headers  # type: ignore[method-assign]  # Flask's documented way
    return headers


def talismans_of(app: Flask) -> list[object]:
    """List the Talismans on an app, in the order of their set-up.

    Flask-Talisman 1.1.0 leaves no trace but its bound methods among the app's request functions.
    """
    from flask_talisman import Talisman

    owners = (getattr(fn, "__self__", None) for fn in app.after_request_funcs.get(None, ()))
    return [owner for owner in owners if isinstance(owner, Talisman)]


def check_single_talisman(app: Flask, settings: Settings) -> None:
    """Refuse a Talisman that was added after ours, which would silently overrule it.

    To be called at the first request, because ``init_app`` cannot see what comes later.

    :raises ConfigError: if ``POOLED_TALISMAN`` is set and the app has a second Talisman.
    """
    if settings.talisman is not None and len(talismans_of(app)) > 1:
        raise ConfigError(
            "This app has two Talismans, and the one made by POOLED_TALISMAN overrules yours."
            " Remove POOLED_TALISMAN: the policy of your own Talisman is extended anyway."
        )


def exempt(view: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a view that Talisman never redirects to HTTPS.

    A webhook sender follows no redirect. The view gets wrapped, because Talisman writes the
    defaults of its first request into the options of the function it finds: one function shared
    by two apps would carry the policy of the first into the second.
    """

    @wraps(view)
    def exempted(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return view(*args, **kwargs)

    vars(exempted)["talisman_view_options"] = {"force_https": False}
    return exempted


def _create_talisman(app: Flask, options: Mapping[str, Any], origin: str) -> None:
    from flask_talisman import DEFAULT_CSP_POLICY
    from flask_talisman import Talisman

    policy = options.get("content_security_policy", DEFAULT_CSP_POLICY)
    # An empty policy means "send none" to Talisman, and stays empty.
    options = {
        **options,
        "content_security_policy": _with_frame_src(policy, origin) if policy else policy,
    }
    try:
        Talisman(app, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"POOLED_TALISMAN: Flask-Talisman refuses these keyword arguments ({error})."
            " Use those of its Talisman class."
        ) from error


def _with_frame_src(policy: Mapping[str, object] | str, origin: str) -> str:
    """Write a Talisman policy as text, with the documented ``frame-src`` in it.

    As text, because a copied dictionary would still share the caller's source lists.
    """
    if not isinstance(policy, str):
        policy = "; ".join(
            f"{name} {sources if isinstance(sources, str) else ' '.join(sources)}"  # type: ignore[arg-type]
            for name, sources in policy.items()
        )
    names = {part.split(maxsplit=1)[0].lower() for part in policy.split(";") if part.strip()}
    if names.isdisjoint(_FRAME_FALLBACKS):
        return f"{policy.rstrip('; ')}; frame-src 'self' {origin}"
    return allow_frame(policy, origin)


def _require_talisman(talisman: object) -> None:
    from flask_talisman import Talisman

    if not isinstance(talisman, Talisman):
        raise ConfigError(
            f"talisman= must be a flask_talisman.Talisman, not {type(talisman).__name__}."
            " Pass the object made by Talisman(app, ...), or leave talisman= out."
        )
