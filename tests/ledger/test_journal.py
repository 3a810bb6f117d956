"""The exported journal, added up by beancount: a tool that knows nothing of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

from kiti.ledger.journal import account_name, export_journal
from kiti.ledger.model import Account, Entry, Kind, credit, debit
from kiti.ledger.service import post, reverse, statement
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id

BANK = Account(Kind.BANK)


async def journal_of(conn: Conn) -> str:
    return "".join([piece async for piece in export_journal(conn, until=utc_now())])


def faults(text: str, folder: Path) -> str:
    """What bean-check says; nothing when the books are right."""
    path = folder / "kiti.beancount"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("bean-check"), "--no-cache", path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


async def fill(conn: Conn) -> None:
    operator = Account(Kind.OPERATOR_PAYABLE, str(new_id()))
    for currency, amount in (("NGN", 12345), ("XOF", 500), ("TND", 1234567)):
        lines = (
            debit(Account(Kind.GATEWAY_CLEARING, "flutterwave"), amount),
            debit(Account(Kind.GATEWAY_FEES, "flutterwave"), 7),
            credit(operator, amount),
            credit(Account(Kind.FEES_REVENUE), 7),
        )
        await post(conn, [Entry("test", new_id(), "made", currency, lines)])
    await post(conn, [Entry("test", new_id(), "out", "NGN", (debit(operator, 5), credit(BANK, 5)))])
    last = (await statement(conn, BANK, currency="NGN"))[0]
    await reverse(conn, entry_id=last.entry_id)


async def test_beancount_finds_the_books_right(db: Database, tmp_path: Path):
    async with db.transaction() as conn:
        await fill(conn)
        text = await journal_of(conn)
    assert "Assets:Gateway-Clearing:Flutterwave  123.45 NGN" in text
    assert "Assets:Gateway-Clearing:Flutterwave  500 XOF" in text
    assert "Assets:Gateway-Clearing:Flutterwave  1234.567 TND" in text
    assert "Assets:Bank  0.00 NGN" in text
    assert faults(text, tmp_path) == ""


@pytest.mark.parametrize(("right", "wrong"), [("123.45 NGN", "123.46 NGN"), ("0.00 NGN", "1 NGN")])
async def test_beancount_finds_a_wrong_amount(db: Database, tmp_path: Path, right: str, wrong: str):
    async with db.transaction() as conn:
        await fill(conn)
        text = await journal_of(conn)
    assert right in text
    assert "balance" in faults(text.replace(right, wrong, 1), tmp_path).lower()


async def test_an_empty_ledger_is_an_empty_journal(db: Database, tmp_path: Path):
    async with db.transaction() as conn:
        text = await journal_of(conn)
    assert text == 'option "title" "Kiti"\n'
    assert faults(text, tmp_path) == ""


@pytest.mark.parametrize(
    ("kind", "owner", "name"),
    [
        ("bank", "", "Assets:Bank"),
        ("agent_float", "agent lagos 1", "Assets:Agent-Float:Agent-lagos-1"),
        ("passenger_funds", "0198", "Liabilities:Passenger-Funds:0198"),
        ("agent_float", "é", "Assets:Agent-Float:X"),
    ],
)
def test_accounts_have_names_that_beancount_reads(kind: str, owner: str, name: str):
    assert account_name(kind, owner) == name
