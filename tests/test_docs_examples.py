"""``docs/examples``: casinos as strangers write them, each in real processes and paid by real webhooks."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from textwrap import dedent
from typing import Any

import jwt
import pytest
from brokers import Broker
from brokers import running_broker
from casino import entry
from casino import refund
from casino import win
from example_processes import ADD_JORDAN
from example_processes import example
from example_processes import EXAMPLES
from example_processes import token_on
from http_server import serving
from served_casino import eventually
from sqlalchemy import URL

RECEIVED = (200, {"received": True})

#: The two Python samples of Pooled's integration guide, without their imports.
GUIDE = """
def get_pooled_token(player):
    payload = {
        'sub': str(player.id),
        'name': player.display_name,
        'balance': float(player.wallet_usd),
        'currency': player.currency,
        'verified': bool(player.kyc_passed),
        'exp': int(time.time()) + 3600,
    }
    return jwt.encode(
        payload,
        os.environ['POOLED_JWT_SECRET'],
        algorithm='HS256'
    )

@app.route('/pooled/webhook', methods=['POST'])
def pooled_webhook():
    body = request.get_data()
    sig = request.headers.get('X-Pooled-Signature', '')
    secret = os.environ['POOLED_WEBHOOK_SECRET'].encode()
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, sig):
        abort(401)
    event = json.loads(body)
    if event['event'] == 'pool.win':
        credit_wallet(event['winner_id'], event['amount'])
    if event['event'] == 'pool.refund':
        refund_wallet(event['user_id'], event['refund_amount'])
    return jsonify({ 'received': True }), 200
"""


def _functions(source: str) -> dict[str, str]:
    """The bodies of a module's functions, however they are laid out."""
    return {
        node.name: ast.dump(ast.Module(node.body, []))
        for node in ast.walk(ast.parse(dedent(source)))
        if isinstance(node, ast.FunctionDef)
    }


def test_before_is_the_guides_own_sample() -> None:
    written = _functions((EXAMPLES / "guide_before" / "casino.py").read_text())
    for name, body in _functions(GUIDE).items():
        assert written[name] == body


def test_after_is_a_matter_of_minutes() -> None:
    before, after = EXAMPLES / "guide_before", EXAMPLES / "guide_after"
    names = [path.relative_to(before) for path in before.rglob("*.*")]
    typed = {}
    for name in names:
        old, new = ((folder / name).read_text().splitlines() for folder in (before, after))
        lines = [line for line in unified_diff(old, new, n=0) if line.startswith("+") and line[1:]]
        typed[str(name)] = len(lines[1:])
    assert typed.pop("wallet.py") <= 0, "the wallet stays as it is"
    assert 0 < sum(typed.values()) <= 20


@pytest.mark.parametrize(("name", "balance"), [("guide_before", 2252), ("guide_after", 1251)])
def test_guides_sample_before_and_after(name: str, balance: int, tmp_path: Path) -> None:
    """Each event comes twice. Before, it was paid twice."""
    with example(name, tmp_path) as casino:
        casino.run(ADD_JORDAN)
        casino.serve()
        casino.see("/login", player="player_abc123")
        claims = jwt.decode(token_on(casino.see()), options={"verify_signature": False})
        assert (claims["sub"], claims["name"], claims["balance"]) == (
            *("player_abc123", "Jordan S."),
            250,
        )
        for event in (win(), refund(pool_id="expired")):
            assert [casino.post(event) for _ in range(2)] == [RECEIVED, RECEIVED]
        eventually(lambda: f"Jordan S. has ${balance}" in casino.see())
        assert casino.post(win(pool_id="forged"), secret="a guess")[0] == 401


@pytest.mark.both_databases
def test_own_sqlalchemy(wallet_uri: str | URL, tmp_path: Path) -> None:
    if isinstance(wallet_uri, URL):
        address = wallet_uri.render_as_string(hide_password=False)
    else:
        address = f"sqlite:///{tmp_path / 'wallet.db'}"
    with example("own_sqlalchemy", tmp_path, WALLET_DATABASE_URI=address) as casino:
        casino.run(
            "from casino import create_app, wallet\n"
            "create_app()\n"
            "with wallet.Session.begin() as session:\n"
            "    session.add(wallet.Player(id='player_abc123', name='Jordan Smith', kyc_passed=True))\n"
            "    session.flush()\n"
            "    wallet.move(session, 'player_abc123', 250_00, 'First deposit', 'deposit-1')"
        )
        casino.serve()
        casino.see("/login", player="player_abc123")
        lobby = casino.see()
        assert "Jordan Smith has $250.00" in lobby
        claims = jwt.decode(token_on(lobby), options={"verify_signature": False})
        assert (claims["name"], claims["balance"]) == ("Jordan S.", 250)
        for event in (entry(), win(), refund(pool_id="expired")):
            assert [casino.post(event) for _ in range(2)] == [RECEIVED, RECEIVED]
        eventually(lambda: "Jordan Smith has $1249.50" in casino.see())
        keys = casino.run(
            "import wallet\n"
            "with wallet.Session() as session:\n"
            "    print(*(row.memo for row in session.query(wallet.Movement).order_by('memo')))"
        )
        assert keys.split() == ["Entry", "First", "deposit", "Prize", "Refund"]


class Wallet:
    """The other team's service, which pays the first time and does not say so."""

    def __init__(self, folder: Path) -> None:
        place = EXAMPLES / "remote_wallet" / "wallet_service.py"
        spec = importlib.util.spec_from_file_location("wallet_service", place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.app = module.create_app(folder / "wallet-service.db")
        #: The key of each movement that was asked for, in order.
        self.asked: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] != "POST":
            return self.app(environ, start_response)
        self.asked.append(environ["HTTP_IDEMPOTENCY_KEY"])
        if len(self.asked) > 1:
            return self.app(environ, start_response)
        list(self.app(environ, lambda *answer: None))
        start_response("502 Bad Gateway", [])
        return []

    def cents(self) -> int:
        """What the player has."""
        cents: int = self.app.test_client().get("/players/player_abc123").get_json()["cents"]
        return cents


#: Beat in the worker's own process, and its file.
_WITH_BEAT = ("-B", "-s", "beat-schedule", "-P", "solo", "-l", "info")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path) as broker:
        yield broker


def test_remote_wallet_and_celery(broker: Broker, tmp_path: Path) -> None:
    wallet = Wallet(tmp_path)
    with serving(wallet) as address, _remote(tmp_path, address, broker) as casino:
        casino.serve()
        casino.see("/login", player="player_abc123")
        assert "Jordan Smith has $250.00" in casino.see()
        worker = casino.start("celery", "-A", "make_celery", "worker", *_WITH_BEAT)
        worker.says(" ready.")
        for event in (win(), win(), entry(), refund(pool_id="expired")):
            assert casino.post(event) == RECEIVED
        eventually(lambda: "Jordan Smith has $1249.50" in casino.see())
        # Paid at once, but the answer was lost: the sweep tried it again, with the same key.
        eventually(lambda: len(wallet.asked) == 4)
        assert wallet.asked.count(wallet.asked[0]) == 2
        assert wallet.cents() == 124_950


def _remote(folder: Path, wallet: str, broker: Broker) -> Any:
    return example(
        "remote_wallet",
        folder,
        FLASK_WALLET_URL=wallet,
        FLASK_CELERY__broker_url=broker.url,
        POOLED_RETRY_BASE="0.05",
        **{"FLASK_CELERY__beat_schedule__flask-pooled-sweep__schedule": "0.5"},
    )


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {
        "guide_before",
        "guide_after",
        "own_sqlalchemy",
        "remote_wallet",
    }
