"""The wallet page, and the two small answers that keep it live."""

from __future__ import annotations

from flask import Blueprint
from flask import render_template
from flask import request
from flask_login import current_user
from werkzeug.wrappers import Response

from example_app.extensions import login_manager
from example_app.formats import usd
from example_app.wallet import movements

blueprint = Blueprint("account", __name__, url_prefix="/wallet")

_PAGE = 50


@blueprint.before_request
def require_player() -> Response | None:
    """Send strangers to the front door."""
    return None if current_user.is_authenticated else login_manager.unauthorized()


@blueprint.after_request
def forbid_storing(response: Response) -> Response:
    """Keep what a player owns out of every cache, the browser's own included."""
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("")
def show() -> str:
    """Every movement with the balance that it left, a page at a time, newest first."""
    before = request.args.get("before", type=_entry_id)
    found = movements(current_user.id, limit=_PAGE + 1, before=before)
    return render_template(
        "wallet.html",
        movements=found[:_PAGE],
        more=len(found) > _PAGE,
        newest_page=before is None,
    )


def _entry_id(text: str) -> int:
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError("no column holds this number")
    return number


@blueprint.get("/movements")
def rows() -> str:
    """The newest movements as table rows, for a page that is open already."""
    limit = request.args.get("limit", _PAGE, type=int)
    return render_template(
        "_movements.html", movements=movements(current_user.id, limit=min(max(limit, 1), _PAGE))
    )


@blueprint.get("/state")
def state() -> dict[str, object]:
    """What the page compares with what it shows: the newest movement and the balance."""
    newest = movements(current_user.id, limit=1)
    return {
        "latest": newest[0].entry.id if newest else 0,
        "balance": usd(newest[0].balance_cents if newest else 0),
    }
