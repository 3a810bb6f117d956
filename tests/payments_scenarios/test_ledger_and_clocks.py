"""Scenarios 51 and 52, as far as they need one process: the ledger is not edited; clocks differ."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from gateway_hands import Hands, silence_webhooks
from kiti.ledger.model import Account, Kind, NoSuchEntry
from kiti.ledger.service import balance, reverse, trial_balance
from kiti.platform.ids import new_id
from make import make_stops
from paying_steps import assert_confirmed_once, expire, refunds
from payments_site import Passenger, Site
from search_site import make_open_trip


async def sold(site: Site) -> tuple[Passenger, dict[str, Any]]:
    """A booking paid too much for: a sale and a refund in the books."""
    ada = await site.passenger()
    await site.sandbox.fault("create", "wrong_amount", amount=ada.major + 50)
    payment = await ada.open()
    await site.pay(payment)
    await ada.status(payment)
    await site.work()
    return ada, payment


BAD = {
    "edited": "UPDATE ledger_posting SET amount_minor = amount_minor + 1",
    "given to another": "UPDATE ledger_posting SET owner = 'eve'",
    "deleted": "DELETE FROM ledger_posting",
    "an entry edited": "UPDATE ledger_entry SET currency = 'USD'",
    "an entry deleted": "DELETE FROM ledger_entry",
    "unbalanced": "INSERT INTO ledger_posting (entry_id, trip_id, line, kind, owner, amount_minor)"
    " SELECT entry_id, trip_id, 99, 'bank', '', 5 FROM ledger_entry LIMIT 1",
    "across currencies": "WITH e AS (INSERT INTO ledger_entry (entry_id, trip_id, source_type,"
    " source_id, purpose, currency, lines, occurred_at)"
    " SELECT gen_random_uuid(), trip_id, 'test', gen_random_uuid(), 'fx', c, 2, now()"
    " FROM (SELECT trip_id FROM ledger_entry LIMIT 1) AS t, unnest(ARRAY['NGN', 'USD']) AS c"
    " RETURNING entry_id, trip_id, currency)"
    " INSERT INTO ledger_posting (entry_id, trip_id, line, kind, owner, amount_minor)"
    " SELECT entry_id, trip_id, 1, 'bank', '', CASE currency WHEN 'NGN' THEN 5 ELSE -5 END FROM e",
    "below zero": "UPDATE ledger_balance SET balance_minor = balance_minor - 1000000000",
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
async def test_scenario_51_the_books_are_not_edited(site: Site, bad: str) -> None:
    await sold(site)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await site.value(BAD[bad])
    assert await site.breaches() == []


async def test_scenario_51_a_mistake_is_corrected_by_its_reversal_once(site: Site) -> None:
    await sold(site)
    clearing = Account(Kind.GATEWAY_CLEARING, "flutterwave")
    fee = await site.value("SELECT entry_id FROM ledger_entry WHERE purpose = 'gateway_fee'")
    async with site.db.transaction() as conn:
        before = await balance(conn, clearing, currency="NGN")
        assert await reverse(conn, entry_id=fee) == 1
        assert await reverse(conn, entry_id=fee) == 0
        after = await balance(conn, clearing, currency="NGN")
        with pytest.raises(NoSuchEntry):
            await reverse(conn, entry_id=new_id())
        totals = await trial_balance(conn)
    assert after > before
    assert sum(each.amount_minor for each in totals) == 0
    assert await site.breaches() == []


@pytest.fixture(params=["UTC", "Europe/London", "Pacific/Apia", "America/New_York"])
async def zone(site: Site, request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    """The database's sessions count time in this zone; the machine's own is left as it is."""
    name = await site.value("SELECT quote_ident(current_database())")
    async with site.db.connection() as conn:
        await conn.execute(f"ALTER DATABASE {name} SET timezone = '{request.param}'")
    await site.db.pool.expire_connections()
    yield request.param
    async with site.db.connection() as conn:
        await conn.execute(f"ALTER DATABASE {name} RESET timezone")
    await site.db.pool.expire_connections()


# The night on which clocks in Europe go back: 01:30 comes twice, in London and in Lagos once.
NIGHT = datetime(2096, 10, 28, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("ahead_s", [0.001, 280])
async def test_scenario_52_zones_and_clocks_change_nothing(
    site: Site, zone: str, ahead_s: float
) -> None:
    """A late payment for a trip in the doubled hour, at a gateway whose clock goes ahead."""
    del zone
    async with site.db.transaction() as conn:
        stops = await make_stops(conn, timezone="Europe/London")
    sheet = await make_open_trip(site.db, stops, starts_at=NIGHT)
    await site.sandbox.advance(ahead_s)
    ada = await site.passenger(sheet)
    payment = await ada.open()
    await site.sandbox.fault("webhook", "drop", times=100)
    await expire(site, ada, ago_s=59 * 60)
    await site.pay(payment)
    await site.job("poll-payments")
    await site.work()
    assert await refunds(ada, payment) == []
    await assert_confirmed_once(site, ada)


@pytest.mark.parametrize("ahead_s", [0.001, 280])
async def test_scenario_52_a_webhook_of_a_clock_that_goes_ahead_is_heard(
    both: Site, ahead_s: float
) -> None:
    await both.sandbox.advance(ahead_s)
    ada = await both.passenger()
    payment = await Hands(both, "stripe").open(ada)
    await both.pay(payment)
    await both.webhook(payment, 2)
    await silence_webhooks(both)
    await both.work()
    await assert_confirmed_once(both, ada)
