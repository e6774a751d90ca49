"""The game page's API: what it tells, and that the server decides, not the disabled button."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sandbox_parts import bearer
from sandbox_parts import NOW
from sandbox_parts import parts
from sandbox_parts import sandbox
from sandbox_parts import token

API = "/_play/royal-casino"


@pytest.fixture
def box() -> Flask:
    return sandbox()


@pytest.fixture
def client(box: Flask) -> FlaskClient:
    return box.test_client()


def look(client: FlaskClient, **changes: Any) -> dict[str, Any]:
    answer = client.get(f"{API}/state", headers=bearer(token(**changes)))
    assert answer.status_code == 200
    state: dict[str, Any] = answer.get_json()
    return state


def enter(
    client: FlaskClient, kind: object = "paid", pool: object = None, **changes: Any
) -> tuple[int, dict[str, Any]]:
    chosen = pool or look(client, **changes)["pools"][0]["id"]
    answer = client.post(
        f"{API}/enter", headers=bearer(token(**changes)), json={"pool": chosen, "kind": kind}
    )
    return answer.status_code, answer.get_json()


def test_a_look_tells_all_that_the_page_shows(client: FlaskClient) -> None:
    state = look(client)
    assert state["player"] == {
        "name": "Jordan S.",
        "balance": "$250.00",
        "currency": "USD",
        "blocked": None,
        "credits": 1,
        "affordable": ["paid", "bundle", "credit"],
    }
    assert [pool["prize"] for pool in state["pools"]] == [
        "$100",
        "$1,000",
        "$10,000",
        "$100,000",
        "$1,000,000",
    ]
    assert all(0 < pool["share"] < 1 and pool["state"] == "open" for pool in state["pools"])
    assert state["results"] == []


def test_an_entry_answers_with_the_ticket_and_the_new_state(client: FlaskClient) -> None:
    status, answer = enter(client)
    assert status == 200
    assert answer["player"]["balance"] == "$248.50"
    assert answer["pools"][0]["tickets"] == answer["entered"]
    assert answer["pools"][0]["ticket_count"] == 1


def test_a_bundle_has_five_tickets(client: FlaskClient) -> None:
    _, answer = enter(client, "bundle")
    assert len(set(answer["entered"])) == 5
    assert answer["player"]["balance"] == "$245.00"


def test_a_credit_is_used_up(client: FlaskClient) -> None:
    assert enter(client, "credit")[1]["player"]["credits"] == 0
    status, answer = enter(client, "credit")
    assert (status, answer["error"]) == (409, "no_credit")


@pytest.mark.parametrize("kind", ["paid", "bundle", "credit"])
@pytest.mark.parametrize(
    ("changes", "error"),
    [({"verified": False}, "not_verified"), ({"balance": 1.49}, "balance_too_low")],
)
def test_the_server_refuses_who_may_not_enter(
    client: FlaskClient, kind: str, changes: dict[str, Any], error: str
) -> None:
    status, answer = enter(client, kind, **changes)
    assert (status, answer["error"]) == (403, error)
    assert answer["message"]


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        "x",
        {},
        {"pool": 1, "kind": "paid"},
        {"pool": "x"},
        {"pool": "x", "kind": "free"},
        {"pool": "x", "kind": ["paid"]},
    ],
)
def test_what_makes_no_sense_is_refused(client: FlaskClient, asked: object) -> None:
    answer = client.post(f"{API}/enter", headers=bearer(token()), json=asked)
    assert answer.status_code == 409
    assert answer.get_json()["error"] == "bad_request"


def test_a_pool_that_is_over_cannot_be_entered(client: FlaskClient, box: Flask) -> None:
    old = look(client)["pools"][0]["id"]
    parts(box).world.draw("royal-casino", old, NOW)
    assert enter(client, pool=old)[1]["error"] == "pool_closed"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic x"}, bearer(""), bearer("x.y.z")])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "state"), ("POST", "enter"), ("POST", "seen")]
)
def test_nothing_goes_without_a_token(
    client: FlaskClient, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = client.open(f"{API}/{path}?token={token()}", method=method, headers=headers, json={})
    assert answer.status_code == 401
    assert answer.get_json()["claim"] == "token"


def test_a_draw_opens_the_seed_that_was_sealed(client: FlaskClient, box: Flask) -> None:
    _, entered = enter(client)
    sealed = entered["pools"][0]["commit"]
    parts(box).world.draw("royal-casino", entered["pools"][0]["id"], NOW)
    state = look(client)
    (result,) = state["results"]
    assert result["outcome"] == "won"
    assert result["unseen"]
    assert result["amount"] == "$100.00"
    assert result["draw"]["commit"] == sealed
    assert result["draw"]["ticket"] == entered["entered"][0]
    assert result["draw"]["entries"] == 100
    assert state["player"]["balance"] == "$348.50"
    assert state["pools"][0]["last"] == result["draw"]
    assert state["pools"][0]["commit"] != sealed


def test_a_shown_result_is_not_new_any_more(client: FlaskClient, box: Flask) -> None:
    _, entered = enter(client)
    parts(box).world.expire("royal-casino", entered["pools"][0]["id"], NOW)
    (result,) = look(client)["results"]
    answer = client.post(f"{API}/seen", headers=bearer(token()), json={"number": result["number"]})
    assert answer.status_code == 200
    (again,) = look(client)["results"]
    assert (again["unseen"], again["outcome"], again["amount"]) == (False, "refunded", "$1.00")


def test_players_see_only_their_own(client: FlaskClient, box: Flask) -> None:
    _, entered = enter(client)
    other = look(client, sub="somebody-else")
    assert other["pools"][0]["ticket_count"] == 0
    parts(box).world.draw("royal-casino", entered["pools"][0]["id"], NOW)
    assert look(client, sub="somebody-else")["results"] == []
