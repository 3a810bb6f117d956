"""What a trip brought is its operator's once it has left; and what goes back after that."""

import asyncio
from uuid import UUID

import pytest

from kiti.booking.service import get_booking
from kiti.checkout.cancelling import cancel_under_offer
from kiti.checkout.earning import earn_departed
from kiti.checkout.offers import price_offers
from kiti.checkout.trip_cancelling import CancelledTrip, cancel_bookings
from kiti.fares.policies import put_policy
from kiti.fares.refund_policy import Policy, Rule
from kiti.ledger import postings
from kiti.ledger.model import Account, Entry, Kind, credit, debit
from kiti.ledger.service import balance, post
from kiti.network.catalogue import Catalogue
from kiti.network.model import TripSheet
from kiti.network.operators import set_commission
from kiti.platform.errors import ValidationFailed
from kiti.platform.ids import new_id
from payments_site import Passenger, Site

NO_SHOW = Policy(rules=(Rule(no_show=True, refund_percent=40), Rule(refund_percent=100)))
CREDIT_LATE = Policy(rules=(Rule(no_show=True, refund_percent=40, to="wallet"),))
PER_MILLE = 75


async def sold(site: Site, sheet: TripSheet, *seats: str) -> Passenger:
    """A booking that was paid by card."""
    ada = await site.passenger(sheet, seats or ("2A",))
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment)
    await site.work()
    assert (await ada.read())["status"] == "CONFIRMED"
    return ada


async def a_trip(site: Site, *, per_mille: int = PER_MILLE, policy: Policy = NO_SHOW) -> TripSheet:
    sheet = await site.trip()
    async with site.db.transaction() as conn:
        await set_commission(conn, operator_id=sheet.operator_id, per_mille=per_mille)
        await put_policy(conn, operator_id=sheet.operator_id, policy=policy)
    return sheet


async def leave(site: Site, sheet: TripSheet) -> None:
    await site.value(
        "UPDATE trip SET starts_at = clock_timestamp() - interval '1 minute' WHERE trip_id = $1"
        " RETURNING 1",
        sheet.trip_id,
    )


async def held(site: Site, kind: Kind, owner: object = "") -> int:
    async with site.db.connection() as conn:
        return await balance(conn, Account(kind, str(owner)), currency="NGN")


async def give_up(site: Site, ada: Passenger) -> None:
    """Cancel the whole booking under the policy, by the trip as it is now."""
    catalogue = Catalogue()
    async with site.db.transaction() as conn:
        booking = await get_booking(conn, booking_id=ada.booking_id, holder_id=None)
        offer = (await price_offers(conn, catalogue, booking, labels=None))[0]
        await cancel_under_offer(conn, catalogue, offer=offer, holder_id=booking.holder_id)


async def test_a_trip_that_left_is_earned_less_the_commission(site: Site) -> None:
    sheet = await a_trip(site)
    ada, obi = await sold(site, sheet, "2A", "2B"), await sold(site, sheet, "3A")
    other = await sold(site, await a_trip(site), "2A")
    await site.job("close-trips")
    assert await held(site, Kind.COMMISSION) == 0
    await leave(site, sheet)
    await site.job("close-trips")
    ours = ada.total * PER_MILLE // 1000 + obi.total * PER_MILLE // 1000
    assert await held(site, Kind.COMMISSION) == ours
    theirs = await held(site, Kind.OPERATOR_PAYABLE, sheet.operator_id)
    assert theirs == ada.total + obi.total - ours
    assert await held(site, Kind.PASSENGER_FUNDS, ada.booking_id) == 0
    assert await held(site, Kind.PASSENGER_FUNDS, other.booking_id) == other.total
    assert await site.breaches() == []
    await site.job("close-trips")
    await earn_departed(site.db)
    assert await held(site, Kind.OPERATOR_PAYABLE, sheet.operator_id) == theirs
    assert await site.breaches() == []


async def test_what_is_kept_of_a_part_is_not_earned_twice(site: Site) -> None:
    sheet = await a_trip(site, policy=Policy(rules=(Rule(refund_percent=50),)))
    ada, obi = await sold(site, sheet, "2A"), await sold(site, sheet, "3A")
    await give_up(site, obi)
    await leave(site, sheet)
    assert await earn_departed(site.db) == 1
    ours = ada.total * PER_MILLE // 1000
    theirs = await held(site, Kind.OPERATOR_PAYABLE, sheet.operator_id)
    assert theirs == ada.total - ours + obi.total - obi.total // 2
    assert await site.breaches() == []


async def test_many_earn_at_once_and_it_is_earned_once(site: Site) -> None:
    sheet = await a_trip(site, per_mille=0)
    ada = await sold(site, sheet)
    await leave(site, sheet)
    found = await asyncio.gather(*(earn_departed(site.db) for _ in range(6)))
    assert sum(found) == 1
    assert await held(site, Kind.OPERATOR_PAYABLE, sheet.operator_id) == ada.total
    assert await site.breaches() == []


async def test_without_the_lock_and_the_key_it_would_be_earned_twice(site: Site) -> None:
    """The twin: each that reads the funds first would give them to the operator."""
    ada = await sold(site, await a_trip(site))
    gate = asyncio.Barrier(2)

    async def earn() -> int:
        async with site.db.transaction() as conn:
            found = await balance(conn, postings.funds(ada.booking_id), currency="NGN")
            await gate.wait()
            return found

    assert await asyncio.gather(earn(), earn()) == [ada.total, ada.total]


async def test_a_cancelled_trip_is_never_earned(site: Site) -> None:
    sheet = await a_trip(site)
    ada = await sold(site, sheet)
    cancelled = "UPDATE trip_inventory SET status = 'cancelled' WHERE trip_id = $1 RETURNING 1"
    await site.value(cancelled, sheet.trip_id)
    await leave(site, sheet)
    assert await earn_departed(site.db) == 0
    await cancel_bookings(site.db, CancelledTrip(sheet.trip_id))
    await site.work()
    assert (await ada.read())["status"] == "CANCELLED"
    assert await held(site, Kind.PASSENGER_FUNDS, ada.booking_id) == 0
    assert await site.breaches() == []


async def test_a_trip_that_cannot_be_earned_keeps_no_other_one(site: Site) -> None:
    bad, good = await a_trip(site), await a_trip(site)
    ada, obi = await sold(site, bad), await sold(site, good)
    for sheet in (bad, good):
        await leave(site, sheet)
    async with site.db.transaction() as conn:  # an entry in the way of the real one
        lines = (debit(Account(Kind.BANK), 1), credit(Account(Kind.FEES_REVENUE), 1))
        await post(conn, [Entry("booking", ada.booking_id, "earned", "NGN", lines, bad.trip_id)])
    assert await earn_departed(site.db) == 1
    assert await held(site, Kind.PASSENGER_FUNDS, obi.booking_id) == 0
    assert await held(site, Kind.PASSENGER_FUNDS, ada.booking_id) == ada.total
    assert "the funds of a booking are the fares of its seats" in {
        found.invariant for found in await site.breaches()
    }


@pytest.mark.parametrize("policy", [NO_SHOW, CREDIT_LATE], ids=["original", "credit"])
async def test_what_goes_back_after_departure_is_taken_of_operator_and_house(
    site: Site, policy: Policy
) -> None:
    sheet = await a_trip(site, policy=policy)
    ada = await sold(site, sheet, "2A", "2B")
    await leave(site, sheet)
    await earn_departed(site.db)
    back = ada.total // 2 * 40 // 100 * 2
    ours = ada.total * PER_MILLE // 1000
    await give_up(site, ada)
    await site.work()
    assert await held(site, Kind.COMMISSION) == ours - back * ours // ada.total
    theirs = await held(site, Kind.OPERATOR_PAYABLE, sheet.operator_id)
    assert theirs == ada.total - back - await held(site, Kind.COMMISSION)
    credited = await site.value(
        "SELECT coalesce(sum(balance_minor), 0) FROM ledger_balance WHERE kind = $1",
        Kind.PASSENGER_CREDIT.value,
    )
    refunded = await site.value("SELECT coalesce(sum(amount_minor), 0) FROM refund")
    assert (credited, refunded) == ((0, back) if policy is NO_SHOW else (back, 0))
    assert await site.breaches() == []


async def test_what_the_operator_was_paid_already_it_owes_us(site: Site) -> None:
    sheet = await a_trip(site, per_mille=0)
    ada = await sold(site, sheet)
    await leave(site, sheet)
    await earn_departed(site.db)
    async with site.db.transaction() as conn:
        await post(conn, [postings.payout_sent(
            payout_id=new_id(), operator_id=sheet.operator_id, currency="NGN",
            amount_minor=ada.total - 7,
        )])  # fmt: skip
    await give_up(site, ada)
    back = ada.total * 40 // 100
    assert await held(site, Kind.OPERATOR_PAYABLE, sheet.operator_id) == 0
    assert await held(site, Kind.OPERATOR_RECEIVABLE, sheet.operator_id) == back - 7
    await site.work()
    assert await site.breaches() == []


async def test_money_that_is_not_earned_for_a_day_is_told(site: Site) -> None:
    sheet = await a_trip(site)
    await sold(site, sheet)
    await site.value("UPDATE trip SET starts_at = clock_timestamp() - interval '25 hours'"
                     " RETURNING 1")  # fmt: skip
    found = {each.invariant for each in await site.breaches()}
    assert found == {"what was paid for a trip that left is earned"}
    await site.job("close-trips")
    assert await site.breaches() == []


@pytest.mark.parametrize("per_mille", [-1, 1001])
async def test_a_commission_is_a_share(site: Site, per_mille: int) -> None:
    with pytest.raises(ValidationFailed):
        async with site.db.transaction() as conn:
            await set_commission(conn, operator_id=UUID(int=1), per_mille=per_mille)
