"""`kiti agent` and `kiti operator`, on a database of their own."""

import asyncio
import json
from collections.abc import Generator
from pathlib import Path
from uuid import UUID

import pytest

from cluster import Cluster
from kiti.cli import run
from kiti.identity.model import Grant, NewAccount, Role
from kiti.identity.service import create_account
from kiti.ledger import postings
from kiti.ledger.service import post
from kiti.network.service import put_operator
from kiti.platform.db import Conn, connect
from kiti.platform.ids import new_id
from kiti.platform.migrate import migrate

EMAIL = "kofi@example.com"
NO_PASSWORD = "$argon2id$of nobody"


async def fill(url: str) -> None:
    db = await connect(url, size=1)
    async with db.transaction() as conn:
        operator_id = await put_operator(conn, code="acme", name="Acme", timezone="Africa/Lagos")
        grants = (Grant(Role.AGENT, operator_id),)
        new = NewAccount(EMAIL, "Kofi", None, "en", NO_PASSWORD, grants)
        await _take(conn, (await create_account(conn, new)).account_id, minor=500_00)
    await db.close()


async def _take(conn: Conn, agent_id: UUID, *, minor: int) -> None:
    sale = postings.received(
        receipt_id=new_id(),
        booking_id=new_id(),
        trip_id=new_id(),
        into=postings.agent_float(agent_id),
        currency="NGN",
        amount_minor=minor,
        applied_minor=minor,
    )
    await post(conn, [sale])


@pytest.fixture(autouse=True)
def _url(cluster: Cluster, worker_id: str, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    name = f"kiti_cash_{worker_id}"
    url = asyncio.run(cluster.create_database(name))
    asyncio.run(migrate(url))
    asyncio.run(fill(url))
    monkeypatch.setenv("DATABASE_URL", url)
    yield
    asyncio.run(cluster.drop_database(name))


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_an_agent_pays_in_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    pay_in = ["agent", "remit", "--agent", EMAIL, "--currency", "ngn", "--amount"]
    assert run(["agent", "float"]) == 0
    assert said(capsys) == f"{EMAIL} 500.00 NGN"
    assert run([*pay_in, "40000"]) == 0
    assert said(capsys) == "paid in; it still holds 100.00 NGN"
    assert run([*pay_in, "10001"]) == 1
    assert "it holds 100.00 NGN" in capsys.readouterr().err
    assert run([*pay_in, "0"]) == 2
    assert run([*pay_in, "10000"]) == 0
    capsys.readouterr()
    assert run(["agent", "float"]) == 0
    assert said(capsys) == ""
    nobody = ["agent", "remit", "--agent", "x@example.com", "--currency", "NGN", "--amount", "1"]
    assert run(nobody) == 1
    assert run(["ledger", "balances"]) == 0


def test_a_policy_is_shown_and_set(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["operator", "policy", "acme"]) == 0
    shown = capsys.readouterr()
    assert "the default holds" in shown.err
    file = tmp_path / "policy.json"
    file.write_text(shown.out)
    assert run(["operator", "policy", "acme", str(file)]) == 0
    assert said(capsys) == "version 1 holds from now on"
    file.write_text('{"rules": [{"refund_percent": 30, "to": "wallet"}]}')
    assert run(["operator", "policy", "acme", str(file)]) == 0
    assert said(capsys) == "version 2 holds from now on"
    assert run(["operator", "policy", "acme"]) == 0
    again = capsys.readouterr()
    assert (json.loads(again.out), again.err) == (
        {"rules": [{"refund_percent": 30, "to": "wallet"}]},
        "",
    )
    file.write_text('{"rules": [{"refund_percent": 130}]}')
    assert run(["operator", "policy", "acme", str(file)]) == 1
    assert "#/rules/0/refund_percent" in capsys.readouterr().err
    assert run(["operator", "policy", "nobody"]) == 1
    assert "there is no operator nobody" in capsys.readouterr().err


def test_a_commission_is_shown_and_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["operator", "commission", "acme"]) == 0
    assert said(capsys).startswith("0 of 1000")
    assert run(["operator", "commission", "acme", "75"]) == 0
    assert said(capsys).startswith("75 of 1000")
    assert run(["operator", "commission", "acme", "1001"]) == 2
    assert run(["operator", "commission", "acme"]) == 0
    assert said(capsys).startswith("75 of 1000")


def test_an_operator_is_renamed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["operator", "rename", "acme", "Acme Express"]) == 0
    assert "is Acme Express now" in said(capsys)
    assert run(["operator", "rename", "acme", " "]) == 1
    assert run(["operator", "rename", "nobody", "Somebody"]) == 1
    assert "there is no operator nobody" in capsys.readouterr().err
