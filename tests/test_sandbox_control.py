"""The control API: state, expiry, draws, deliveries, re-sends, for whoever holds the run's key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sandbox_parts import bearer
from sandbox_parts import parts
from sandbox_parts import sandbox
from sandbox_parts import token
from werkzeug.test import TestResponse

KEY = {"X-Sandbox-Key": "the-key"}


@pytest.fixture
def box() -> Flask:
    return sandbox()


@pytest.fixture
def client(box: Flask) -> FlaskClient:
    return box.test_client()


def get(client: FlaskClient, path: str) -> dict[str, Any]:
    answer = client.get(f"/_control/{path}", headers=KEY)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def post(client: FlaskClient, path: str, asked: object) -> TestResponse:
    return client.post(f"/_control/{path}", headers=KEY, json=asked)


def enter(
    client: FlaskClient, sub: str = "ann", kind: str = "paid", tenant: str = "royal-casino"
) -> None:
    query = f"?tenant={tenant}"
    answer = client.post(
        f"/_play/{tenant}/enter",
        headers=bearer(token(sub=sub)),
        json={"pool": get(client, f"pools{query}")["pools"][0]["pool_id"], "kind": kind},
    )
    assert answer.status_code == 200


def sent(client: FlaskClient, box: Flask) -> list[str]:
    assert parts(box).courier.wait_idle(60)
    return [delivery["event"] for delivery in get(client, "deliveries")["deliveries"]]


def test_the_state_of_the_configured_tenant(client: FlaskClient) -> None:
    enter(client)
    state = get(client, "state")
    assert state["tenant"] == "royal-casino"
    assert state["players"] == [
        {"sub": "ann", "name": "Jordan S.", "balance_cents": 24850, "credits": 1, "draws": 0}
    ]
    assert state["pools"][0]["entries"][0]["user_id"] == "ann"
    assert "seed" not in state["pools"][0], "sealed until the draw, here too"


@pytest.mark.parametrize("chosen", [{"winner": "ben"}, {"winner": "ann"}])
def test_a_draw_with_a_chosen_winner(
    client: FlaskClient, box: Flask, chosen: dict[str, str]
) -> None:
    enter(client, "ann")
    enter(client, "ben")
    drawn = post(client, "draw", {"size": 100, **chosen}).get_json()["drawn"]
    assert drawn["winner_id"] == chosen["winner"]
    assert sent(client, box)[0] == "pool.win"
    assert get(client, "state")["draws"] == [drawn]


def test_a_draw_that_a_bot_wins(client: FlaskClient, box: Flask) -> None:
    enter(client)
    drawn = post(client, "draw", {"size": 100, "winner": None}).get_json()["drawn"]
    assert drawn["winner_id"] is None
    assert drawn["winner_name"]
    assert sent(client, box) == ["pool.entry"]


def test_an_expiry_by_id(client: FlaskClient, box: Flask) -> None:
    enter(client)
    pool_id = get(client, "pools")["pools"][0]["pool_id"]
    assert post(client, "expire", {"pool": pool_id}).get_json() == {"expired": pool_id}
    assert sent(client, box) == ["pool.refund", "pool.entry"]
    assert get(client, "pools")["pools"][0]["pool_id"] != pool_id


def test_another_tenant(client: FlaskClient, box: Flask) -> None:
    enter(client, tenant="demo")
    assert post(client, "expire", {"tenant": "demo", "size": 100}).status_code == 200
    assert sent(client, box) == ["pool.refund", "pool.entry"]
    assert get(client, "deliveries?tenant=royal-casino") == {"deliveries": []}
    assert len(get(client, "deliveries?tenant=demo")["deliveries"]) == 2


def test_a_re_send(client: FlaskClient, box: Flask) -> None:
    enter(client)
    sent(client, box)
    (first,) = get(client, "deliveries")["deliveries"]
    again = post(client, "resend", {"delivery": first["delivery"]}).get_json()["delivery"]
    sent(client, box)
    second = get(client, "deliveries")["deliveries"][0]
    assert (second["delivery"], second["resend_of"]) == (again, first["delivery"])
    assert (second["body"], second["signature"]) == (first["body"], first["signature"])


@pytest.mark.parametrize(
    ("path", "asked", "message"),
    [
        ("draw", {}, "name the pool"),
        ("draw", {"size": 7}, "name the pool"),
        ("draw", {"size": [100]}, "name the pool"),
        ("draw", {"pool": "nonsense"}, "look it up"),
        ("draw", {"size": 100, "tenant": "nowhere"}, "no such tenant"),
        ("draw", {"size": 100, "tenant": 7}, "tenant: use a slug"),
        ("draw", {"size": 100, "winner": "nobody"}, "enter first"),
        ("draw", {"size": 100, "winner": 7}, "winner: use"),
        ("draw", [], "send a JSON object"),
        ("expire", None, "send a JSON object"),
        ("resend", {}, "delivery: use a number"),
        ("resend", {"delivery": "1"}, "delivery: use a number"),
        ("resend", {"delivery": 99}, "does not hold"),
    ],
)
def test_what_makes_no_sense_is_answered_with_what_to_change(
    client: FlaskClient, path: str, asked: object, message: str
) -> None:
    answer = post(client, path, asked)
    assert answer.status_code == 400
    assert message in answer.get_json()["error"]


@pytest.mark.parametrize(
    "headers", [{}, {"X-Sandbox-Key": ""}, {"X-Sandbox-Key": "wrong"}, {"X-Sandbox-Key": "ü"}]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "state"),
        ("GET", "pools"),
        ("GET", "deliveries"),
        ("POST", "expire"),
        ("POST", "draw"),
        ("POST", "resend"),
    ],
)
def test_nothing_goes_without_the_key(
    client: FlaskClient, method: str, path: str, headers: dict[str, str]
) -> None:
    url = f"/_control/{path}?key=the-key"
    answer = client.open(url, method=method, headers=headers, json={"size": 100})
    assert answer.status_code == 403
    assert "X-Sandbox-Key" in answer.get_json()["error"]


def test_faults_are_switched_one_by_one_and_off_together(client: FlaskClient, box: Flask) -> None:
    sound = get(client, "faults")
    assert sound == get(client, "state")["faults"]
    assert post(client, "faults", {"duplicates": 2}).get_json() == sound | {"duplicates": 2}
    assert post(client, "faults", {"secret": "old"}).get_json()["duplicates"] == 2
    enter(client)
    assert sent(client, box) == ["pool.entry"] * 3
    assert get(client, "deliveries")["deliveries"][0]["faults"] == ["duplicates 2", "secret old"]
    assert client.delete("/_control/faults", headers=KEY).get_json() == sound
    enter(client)
    assert sent(client, box) == ["pool.entry"] * 4


@pytest.mark.parametrize("asked", [{"duplicates": -1}, {"speed": 1}, {"secret": 5}, [1], {"": 1}])
def test_wrong_faults_change_nothing(client: FlaskClient, asked: object) -> None:
    sound = get(client, "faults")
    answer = post(client, "faults", asked)
    assert answer.status_code == 400
    assert answer.get_json()["error"]
    assert get(client, "faults") == sound


def test_nobody_switches_faults_without_the_key(client: FlaskClient) -> None:
    for method, path in (
        ("get", "faults"),
        ("post", "faults"),
        ("delete", "faults"),
        ("post", "storm"),
    ):
        assert getattr(client, method)(f"/_control/{path}", json={}).status_code == 403


def test_a_storm_of_refunds(client: FlaskClient, box: Flask) -> None:
    enter(client)
    answer = post(client, "storm", {"refunds": 1000})
    assert answer.status_code == 200
    assert sent(client, box) == ["pool.refund"] * 1000 + ["pool.entry"] * 1001
    bodies = [json.loads(each["body"]) for each in get(client, "deliveries")["deliveries"][:2000]]
    assert {body["pool_id"] for body in bodies} == {answer.get_json()["expired"]}
    assert {body["user_id"] for body in bodies} == {"ann"}
    assert len({body.get("slots_filled") for body in bodies[1000:]}) == 1000
    assert answer.get_json()["expired"] not in [
        pool["pool_id"] for pool in get(client, "pools")["pools"]
    ]


def test_a_storm_without_entries(client: FlaskClient, box: Flask) -> None:
    enter(client)
    asked = {"refunds": 3, "player": "ann", "entries": False}
    assert post(client, "storm", asked).status_code == 200
    # The first is that of the entry above, which was in the same pool.
    assert sent(client, box) == ["pool.refund"] * 4 + ["pool.entry"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"refunds": 0},
        {"refunds": "9"},
        {"refunds": True},
        {"refunds": 2_000_000},
        {"refunds": 1, "player": "bob"},
        {"refunds": 1, "player": 1},
        {"refunds": 1, "entries": "no"},
    ],
)
def test_storms_that_cannot_be(client: FlaskClient, box: Flask, asked: object) -> None:
    enter(client)
    answer = post(client, "storm", asked)
    assert answer.status_code == 400
    assert answer.get_json()["error"]
    assert sent(client, box) == ["pool.entry"]


def test_no_storm_before_somebody_came(client: FlaskClient) -> None:
    assert "open it" in post(client, "storm", {"refunds": 1}).get_json()["error"]
