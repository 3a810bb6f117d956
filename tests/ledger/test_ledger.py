"""The books: what may be posted, what is refused, and what accounts come to."""

import asyncio
from collections import defaultdict
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.ledger import postings
from kiti.ledger.audit import audit
from kiti.ledger.model import (
    FLOORED,
    NO_TRIP,
    Account,
    BelowFloor,
    Entry,
    Kind,
    NoSuchEntry,
    Posting,
    Unbalanced,
    credit,
    debit,
)
from kiti.ledger.service import balance, post, reverse, statement, trial_balance
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id

BANK = Account(Kind.BANK)
FEES = Account(Kind.FEES_REVENUE)


def entry(*lines: Posting, purpose: str = "made", currency: str = "NGN") -> Entry:
    return Entry("test", new_id(), purpose, currency, lines)


def pair(to: Account, out_of: Account, amount_minor: int) -> Entry:
    return entry(debit(to, amount_minor), credit(out_of, amount_minor))


def payable() -> Account:
    return Account(Kind.OPERATOR_PAYABLE, str(new_id()))


@pytest.mark.parametrize("amounts", [(), (5,), (5, -4), (0, 0), (5, 0, -5), (1, 1, 1)], ids=repr)
def test_an_entry_that_does_not_balance_is_none(amounts: tuple[int, ...]):
    lines = tuple(Posting(BANK, amount) for amount in amounts)
    with pytest.raises(Unbalanced):
        Entry("test", new_id(), "made", "NGN", lines)


async def test_what_is_posted_again_changes_nothing(db: Database):
    sale = pair(BANK, FEES, 500)
    async with db.transaction() as conn:
        assert await post(conn, [sale]) == 1
        assert await post(conn, [sale, pair(BANK, FEES, 7)]) == 1
        assert await balance(conn, BANK, currency="NGN") == 507
        assert await balance(conn, FEES, currency="NGN") == 507
        assert await audit(conn) == []


async def test_the_same_entry_twice_in_one_call_is_one(db: Database):
    sale = pair(BANK, FEES, 500)
    async with db.transaction() as conn:
        assert await post(conn, [sale, sale]) == 1
        assert await balance(conn, BANK, currency="NGN") == 500


async def test_currencies_do_not_meet(db: Database):
    async with db.transaction() as conn:
        await post(conn, [pair(BANK, FEES, 5)])
        await post(conn, [entry(debit(BANK, 9), credit(FEES, 9), currency="KES")])
        assert await balance(conn, BANK, currency="NGN") == 5
        assert await balance(conn, BANK, currency="KES") == 9
        totals = await trial_balance(conn)
    sums: defaultdict[str, int] = defaultdict(int)
    for total in totals:
        sums[total.currency] += total.amount_minor
    assert sums == {"NGN": 0, "KES": 0}


async def test_nobody_is_owed_less_than_nothing(db: Database):
    owed = payable()
    async with db.transaction() as conn:
        await post(conn, [pair(BANK, owed, 100)])
    with pytest.raises(BelowFloor):
        async with db.transaction() as conn:
            await post(conn, [pair(owed, BANK, 101)])
    async with db.transaction() as conn:
        await post(conn, [pair(owed, BANK, 100)])
        assert await balance(conn, owed, currency="NGN") == 0
        assert await audit(conn) == []


async def test_two_takers_of_one_balance_get_it_once(live_db: Database):
    owed = payable()
    async with live_db.transaction() as conn:
        await post(conn, [pair(BANK, owed, 100)])

    async def take() -> bool:
        try:
            async with live_db.transaction() as conn:
                await post(conn, [pair(owed, BANK, 60)])
        except BelowFloor:
            return False
        return True

    assert sorted(await asyncio.gather(*(take() for _ in range(8)))) == [False] * 7 + [True]
    async with live_db.connection() as conn:
        assert await balance(conn, owed, currency="NGN") == 40
        assert await audit(conn) == []


async def test_without_the_floor_two_takers_both_get_it(live_db: Database):
    # The twin: reading what is there and then posting lets both through.
    owed = payable()
    async with live_db.transaction() as conn:
        await post(conn, [pair(BANK, owed, 100)])
        await conn.execute("ALTER TABLE ledger_balance DROP CONSTRAINT ledger_balance_floor_check")
    both_have_read = asyncio.Barrier(2)

    async def take() -> None:
        async with live_db.transaction() as conn:
            assert await balance(conn, owed, currency="NGN") >= 60
            await both_have_read.wait()
            await post(conn, [pair(owed, BANK, 60)])

    try:
        await asyncio.gather(take(), take())
        async with live_db.connection() as conn:
            assert await balance(conn, owed, currency="NGN") == -20
    finally:
        async with live_db.connection() as conn:
            await conn.execute("TRUNCATE ledger_balance")
            await conn.execute(
                "ALTER TABLE ledger_balance ADD CONSTRAINT ledger_balance_floor_check "
                "CHECK (balance_minor >= 0)"
            )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entry SET purpose = 'other'",
        "DELETE FROM ledger_entry",
        "UPDATE ledger_posting SET amount_minor = amount_minor + 1",
        "DELETE FROM ledger_posting",
    ],
)
async def test_nothing_posted_is_edited_or_deleted(db: Database, sql: str):
    async with db.transaction() as conn:
        await post(conn, [pair(BANK, FEES, 5)])
    with pytest.raises(asyncpg.RestrictViolationError, match="append only"):
        async with db.transaction() as conn:
            await conn.execute(sql)


@pytest.mark.parametrize("amounts", [(5, -4), (5,)], ids=["unequal", "alone"])
async def test_the_database_refuses_lines_that_do_not_balance(
    db: Database, amounts: tuple[int, ...]
):
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance"):
        async with db.transaction() as conn:
            await _write(conn, new_id(), amounts, lines=2)


async def test_the_database_refuses_lines_added_later(db: Database):
    entry_id = new_id()
    async with db.transaction() as conn:
        await _write(conn, entry_id, (5, -5), lines=2)
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance"):
        async with db.transaction() as conn:
            await conn.execute(
                "INSERT INTO ledger_posting VALUES ($1, $2, 3, 'bank', '', 7)", entry_id, NO_TRIP
            )


async def _write(conn: Conn, entry_id: UUID, amounts: tuple[int, ...], *, lines: int) -> None:
    await conn.execute(
        """
        INSERT INTO ledger_entry (entry_id, trip_id, source_type, source_id, purpose, currency,
                                  lines, occurred_at)
        VALUES ($1, $2, 'test', $1, 'made', 'NGN', $3, now())
        """,
        entry_id,
        NO_TRIP,
        lines,
    )
    await conn.execute(
        """
        INSERT INTO ledger_posting (entry_id, trip_id, line, kind, owner, amount_minor)
        SELECT $1, $2, line, 'bank', '', amount
        FROM unnest($3::bigint[]) WITH ORDINALITY AS l (amount, line)
        """,
        entry_id,
        NO_TRIP,
        amounts,
    )


async def test_a_reversal_is_posted_once_and_takes_back_everything(db: Database):
    owed = payable()
    async with db.transaction() as conn:
        await post(conn, [pair(BANK, owed, 100)])
        (line,) = await statement(conn, owed, currency="NGN")
        assert await reverse(conn, entry_id=line.entry_id) == 1
        assert await reverse(conn, entry_id=line.entry_id) == 0
        assert await balance(conn, owed, currency="NGN") == 0
        amounts = [each.amount_minor for each in await statement(conn, owed, currency="NGN")]
        assert amounts == [100, -100]
        assert await audit(conn) == []


async def test_what_was_used_is_not_reversed(db: Database):
    owed = payable()
    async with db.transaction() as conn:
        await post(conn, [pair(BANK, owed, 100)])
        (line,) = await statement(conn, owed, currency="NGN")
        await post(conn, [pair(owed, BANK, 1)])
    with pytest.raises(BelowFloor):
        async with db.transaction() as conn:
            await reverse(conn, entry_id=line.entry_id)


async def test_an_entry_that_is_not_there_is_not_reversed(db: Database):
    with pytest.raises(NoSuchEntry):
        async with db.transaction() as conn:
            await reverse(conn, entry_id=new_id())


async def test_a_statement_goes_on_from_an_entry(db: Database):
    async with db.transaction() as conn:
        for amount in (1, 2, 3):
            await post(conn, [pair(BANK, FEES, amount)])
        newest = await statement(conn, BANK, currency="NGN", limit=2)
        older = await statement(conn, BANK, currency="NGN", before=newest[-1].entry_id)
    assert [line.amount_minor for line in newest + older] == [3, 2, 1]


async def test_the_audit_sees_a_balance_that_is_not_the_sum_of_its_lines(db: Database):
    owed = payable()
    async with db.transaction() as conn:
        await post(conn, [pair(BANK, owed, 100)])
        await conn.execute("UPDATE ledger_balance SET balance_minor = 99")
        assert [each.subject for each in await audit(conn)] == [f"operator_payable {owed.owner}"]


async def test_the_floors_are_the_same_here_and_in_the_database(db: Database):
    async with db.transaction() as conn:
        for kind in Kind:
            await post(conn, [pair(BANK, Account(kind, "x"), 1)])
        rows = await conn.fetch("SELECT kind FROM ledger_balance")
    assert {row["kind"] for row in rows} == {kind.value for kind in FLOORED}


async def test_a_sale_from_payment_to_a_lost_dispute_balances_at_every_step(db: Database):
    ids = {name: new_id() for name in ("receipt", "booking", "trip", "op", "settle", "pay", "row")}
    trip, operator = ids["trip"], ids["op"]
    gateway, currency = "flutterwave", "NGN"
    reserve = Account(Kind.OPERATOR_RESERVE, str(operator))
    lost_to_operator = 8600
    steps = [
        postings.received(
            receipt_id=ids["receipt"],
            booking_id=ids["booking"],
            amount_minor=10000,
            applied_minor=10000,
            into=postings.clearing(gateway),
            trip_id=trip,
            currency=currency,
        ),
        postings.gateway_fee(
            receipt_id=ids["receipt"],
            fee_minor=140,
            gateway=gateway,
            trip_id=trip,
            currency=currency,
        ),
        postings.earned(
            booking_id=ids["booking"],
            operator_id=operator,
            gross_minor=10000,
            commission_minor=1000,
            tax_minor=75,
            trip_id=trip,
            currency=currency,
        ),
        postings.settled(
            settlement_id=ids["settle"], net_minor=9860, gateway=gateway, currency=currency
        ),
        postings.payout_sent(
            payout_id=ids["pay"], operator_id=operator, currency="NGN", amount_minor=325
        ),
        postings.payout_paid(payout_id=ids["pay"], currency="NGN", amount_minor=325, fee_minor=50),
        postings.dispute_opened(
            dispute_id=ids["row"],
            gateway="flutterwave",
            amount_minor=10000,
            fee_minor=1500,
            trip_id=trip,
            currency=currency,
        ),
        postings.dispute_reserved(
            dispute_id=ids["row"],
            operator_id=operator,
            amount_minor=lost_to_operator,
            trip_id=trip,
            currency=currency,
        ),
        postings.dispute_lost(
            dispute_id=ids["row"],
            bearer=reserve,
            amount_minor=lost_to_operator,
            trip_id=trip,
            currency=currency,
        ),
    ]
    async with db.transaction() as conn:
        for step in steps:
            assert await post(conn, [step]) == 1
            assert sum(total.amount_minor for total in await trial_balance(conn)) == 0
        assert await audit(conn) == []
        assert await balance(conn, postings.funds(ids["booking"]), currency="NGN") == 0
        assert await balance(conn, postings.operator_payable(operator), currency="NGN") == 0
        assert await balance(conn, reserve, currency="NGN") == 0
        hold = Account(Kind.DISPUTE_HOLD, str(ids["row"]))
        assert await balance(conn, hold, currency="NGN") == 10000 - lost_to_operator
        assert await balance(conn, BANK, currency="NGN") == 9860 - 325 - 50
        clearing = postings.clearing("flutterwave")
        assert await balance(conn, clearing, currency="NGN") == -11500


moves = st.lists(
    st.tuples(
        st.sampled_from([*Kind]), st.sampled_from([*Kind]), st.integers(1, 50),
        st.sampled_from(["NGN", "XOF"]), st.integers(0, 5),
    ),
    max_size=25,
)  # fmt: skip


@given(moves=moves)
async def test_any_storm_of_entries_leaves_the_books_balanced(
    dsn: str, moves: list[tuple[Kind, Kind, int, str, int]]
):
    conn = await asyncpg.connect(dsn)
    outer = conn.transaction()
    await outer.start()
    model: defaultdict[tuple[Kind, str], int] = defaultdict(int)
    sources = [new_id() for _ in range(6)]
    seen: set[int] = set()
    try:
        for to, out_of, amount, currency, source in moves:
            lines = (debit(Account(to, "x"), amount), credit(Account(out_of, "x"), amount))
            one = Entry("test", sources[source], "made", currency, lines)
            after = dict(model)
            after[to, currency] = after.get((to, currency), 0) + amount
            after[out_of, currency] = after.get((out_of, currency), 0) - amount
            is_low = any(kind in FLOORED and sum_ > 0 for (kind, _), sum_ in after.items())
            savepoint = conn.transaction()
            await savepoint.start()
            try:
                new = await post(conn, [one])
            except BelowFloor:
                await savepoint.rollback()
                assert is_low
                assert source not in seen
                continue
            await savepoint.commit()
            assert new == (source not in seen)
            if new:
                assert not is_low
                model.update(after)
                seen.add(source)
        totals = {(Kind(t.kind), t.currency): t.amount_minor for t in await trial_balance(conn)}
        assert totals == {key: total for key, total in model.items() if key in totals}
        assert all(total == 0 for key, total in model.items() if key not in totals)
        assert await audit(conn) == []
    finally:
        await outer.rollback()
        await conn.close()
