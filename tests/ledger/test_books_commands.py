"""`kiti ledger`: the books as people read them."""

import asyncio
import json
from collections.abc import Generator
from pathlib import Path

import pytest

from cluster import Cluster
from kiti.app import books
from kiti.config import Settings
from kiti.ledger.model import Account, Entry, Kind, credit, debit
from kiti.ledger.service import post
from kiti.platform.db import connect
from kiti.platform.ids import new_id
from kiti.platform.migrate import migrate
from product_process import Ran, environment, run_kiti


async def fill(url: str) -> None:
    db = await connect(url, size=1)
    lines = (debit(Account(Kind.BANK), 123456), credit(Account(Kind.FEES_REVENUE), 123456))
    async with db.transaction() as conn:
        await post(conn, [Entry("test", new_id(), "made", "NGN", lines)])
    await db.close()


@pytest.fixture
def settings(cluster: Cluster, worker_id: str) -> Generator[Settings]:
    name = f"kiti_books_{worker_id}"
    url = asyncio.run(cluster.create_database(name))
    asyncio.run(migrate(url))
    asyncio.run(fill(url))
    yield Settings(database_url=url)
    asyncio.run(cluster.drop_database(name))


def test_balances_are_told_in_major_units(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert books.print_balances(settings, is_json=False) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["bank", "1,234.56", "NGN"],
        ["fees_revenue", "-1,234.56", "NGN"],
        ["in", "all", "0.00", "NGN"],
    ]


def test_balances_for_programs_are_minor_units(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert books.print_balances(settings, is_json=True) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert {item["account"]: item["amount"] for item in items} == {
        "bank": 123456,
        "fees_revenue": -123456,
    }


def test_a_statement_ends_with_what_the_account_holds(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert books.print_statement(
        settings, kind=Kind.FEES_REVENUE, owner="", currency="NGN", limit=10
    ) == 0  # fmt: skip
    line, held = capsys.readouterr().out.splitlines()
    assert " test made " in line
    assert line.endswith("-1,234.56 NGN")
    assert held.split() == ["balance", "1,234.56", "NGN"]


def test_the_commands_are_there(settings: Settings, tmp_path: Path) -> None:
    known = environment(tmp_path / "data", DATABASE_URL=settings.database_url)

    def kiti(*arguments: str) -> Ran:
        return run_kiti(*arguments, cwd=tmp_path, environment=known)

    assert kiti("ledger", "balances").code == 0
    assert kiti("ledger", "statement", "bank", "--currency", "ngn").code == 0
    exported = kiti("ledger", "export")
    assert exported.code == 0
    assert "balance Assets:Bank  1234.56 NGN" in exported.out
    assert kiti("ledger", "statement", "gold", "--currency", "ngn").code == 2
