"""A trip is cancelled: sales end at once, every booking ends, all that was paid goes back once."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from identity_site import assert_problem
from kiti.booking.closing import end_sales, list_live_bookings
from kiti.booking.model import TripDeparted
from kiti.booking.service import cancel_seats, confirm_booking, lock_trip
from kiti.checkout.trip_cancelling import (
    BookingsLeft,
    CancelledTrip,
    cancel_bookings,
    cancel_trip,
    find_cancellation,
)
from kiti.fares.model import NewFareTable
from kiti.ledger import postings
from kiti.ledger.service import post
from kiti.network.model import NoSuchTrip, TripSheet
from kiti.network.service import Catalogue
from kiti.platform.clock import utc_now
from kiti.platform.errors import ValidationFailed
from kiti.platform.ids import new_id
from paying_steps import attempts, expire, open_unheard, refunds
from payments_site import Passenger, Site
from waiting import until

Paid = tuple[Passenger, dict[str, Any]]


async def paid(site: Site, sheet: TripSheet, *seats: str) -> Paid:
    """A passenger with a ticket for each seat."""
    ada = await site.passenger(sheet, seats)
    payment = await ada.open()
    await site.pay(payment)
    await ada.status(payment)
    assert (await ada.read())["status"] == "CONFIRMED"
    return ada, payment


async def cancel(site: Site, sheet: TripSheet, reason: str = "The road is flooded") -> None:
    await cancel_trip(site.db, Catalogue(), trip_id=sheet.trip_id, reason=reason, by=None)


async def is_done(site: Site, sheet: TripSheet) -> bool:
    async with site.db.connection() as conn:
        found = await find_cancellation(conn, trip_id=sheet.trip_id)
    return found is not None and found.done_at is not None


async def assert_back(site: Site, ada: Passenger, payment: dict[str, Any], reason: str) -> None:
    """All of it went back, once, and the booking has nothing."""
    assert await refunds(ada, payment) == [(reason, ada.total, "NGN", "SUCCEEDED")]
    (made,) = await site.refunds_at_gateway(payment)
    assert round(made["amount_refunded"] * 100) == ada.total


async def test_every_booking_ends_and_what_was_paid_goes_back(site: Site) -> None:
    sheet = await site.trip()
    one = await paid(site, sheet, "1A")
    two = await paid(site, sheet, "2A", "2B")
    holder = await site.passenger(sheet, ("2C",))
    payer, pending = await open_unheard(site, sheet=sheet, seats=("3A",))
    late = await site.passenger(sheet, ("3B",))
    await expire(site, late)
    await cancel(site, sheet)
    answer = await site.client.post(
        "/api/bookings/reserve", json={"tripId": str(sheet.trip_id), "seatNumbers": ["3C"]}
    )
    assert_problem(answer, 409, "TRIP_CANCELLED")
    assert_problem(await holder.initiate(), 409, "TRIP_CANCELLED")
    await site.work()
    assert await is_done(site, sheet)
    for ada, payment in (one, two):
        booking = await ada.read()
        assert booking["status"] == "CANCELLED"
        assert {seat["status"] for seat in booking["seats"]} == {"CANCELLED"}
        assert {ticket["status"] for ticket in booking["tickets"]} == {"CANCELLED"}
        await assert_back(site, ada, payment, "TRIP_CANCELLED")
    assert (await holder.read())["status"] == "RELEASED"
    assert (await late.read())["status"] == "EXPIRED"
    assert await site.value("SELECT bit_count(taken & ~blocked) FROM trip_inventory") == 0
    assert [status for _, status in await attempts(site, payer)] == ["cancelled"]
    # Whoever pays all the same on the gateway's page gets the money back too.
    await site.pay(pending)
    await site.job("poll-payments")
    await site.work()
    await assert_back(site, payer, pending, "BOOKING_RELEASED")
    assert (await payer.read())["status"] == "RELEASED"
    assert await site.breaches() == []


async def test_money_that_comes_between_the_cancellation_and_its_job_goes_back(site: Site) -> None:
    sheet = await site.trip()
    ada, payment = await open_unheard(site, sheet=sheet)
    await site.pay(payment)
    await cancel(site, sheet)
    await ada.status(payment)
    assert (await ada.read())["status"] == "HELD"
    await site.work()
    await assert_back(site, ada, payment, "TRIP_CANCELLED")
    assert (await ada.read())["status"] == "RELEASED"
    assert await site.breaches() == []


async def test_money_and_cancellation_at_once_never_leave_a_ticket(site: Site) -> None:
    outcomes: set[str] = set()
    for _ in range(12):
        sheet = await site.trip()
        ada, payment = await open_unheard(site, sheet=sheet)
        await site.pay(payment)
        await asyncio.gather(ada.status(payment), cancel(site, sheet), ada.status(payment))
        outcomes.add((await ada.read())["status"])
        await site.work()
        assert (await ada.read())["status"] in {"CANCELLED", "RELEASED"}
        await assert_back(site, ada, payment, "TRIP_CANCELLED")
    assert outcomes <= {"CONFIRMED", "HELD"}
    assert await site.breaches() == []


async def test_twin_bookings_ended_before_the_trip_is_marked_leave_one_confirmed(
    site: Site,
) -> None:
    sheet = await site.trip()
    await paid(site, sheet, "1A")
    ada, payment = await open_unheard(site, sheet=sheet)
    await site.pay(payment)
    async with site.db.connection() as conn:
        known = await list_live_bookings(conn, trip_id=sheet.trip_id, limit=100)
    await ada.status(payment)  # confirmed, after somebody has looked
    async with site.db.transaction() as conn:
        await lock_trip(conn, trip_id=sheet.trip_id)
        for booking_id in known:
            if booking_id != ada.booking_id:
                await cancel_seats(conn, booking_id=booking_id, seats=[0])
        await end_sales(conn, trip_id=sheet.trip_id)
    assert (await ada.read())["status"] == "CONFIRMED"


async def test_cancelled_twice_at_once_and_again_is_cancelled_once(site: Site) -> None:
    sheet = await site.trip()
    ada, payment = await paid(site, sheet, "2A", "2B")
    await asyncio.gather(*(cancel(site, sheet, f"reason {n}") for n in range(6)))
    job = CancelledTrip(sheet.trip_id)
    await asyncio.gather(*(cancel_bookings(site.db, job) for _ in range(4)))
    await cancel(site, sheet, "once more")
    await site.work()
    await assert_back(site, ada, payment, "TRIP_CANCELLED")
    reasons = await site.rows("SELECT reason FROM trip_cancellation")
    assert len(reasons) == 1
    assert reasons[0][0].startswith("reason ")
    assert await site.value("SELECT count(*) FROM job WHERE kind = 'trip.cancelled'") == 0
    assert await site.breaches() == []


async def test_a_run_that_is_killed_goes_on_where_it_stopped(site: Site) -> None:
    sheet = await site.trip()
    sold = [await paid(site, sheet, seat) for seat in ("1A", "2A", "2B", "3A", "3B")]
    await cancel(site, sheet)

    async def has_begun() -> bool:
        return bool(await site.value("SELECT count(*) FROM booking WHERE status = 'cancelled'"))

    running = asyncio.create_task(cancel_bookings(site.db, CancelledTrip(sheet.trip_id)))
    await until(has_begun)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await cancel_bookings(site.db, CancelledTrip(sheet.trip_id))
    assert await is_done(site, sheet)
    await site.work()
    for ada, payment in sold:
        await assert_back(site, ada, payment, "TRIP_CANCELLED")
    assert await site.breaches() == []


async def test_one_booking_that_fails_keeps_no_other(site: Site) -> None:
    sheet = await site.trip()
    broken, payment = await paid(site, sheet, "1A")
    other, its_payment = await paid(site, sheet, "2A")
    spoil = "UPDATE payment_receipt SET refunded_minor = {} WHERE payment_id = $1 RETURNING 1"
    payment_id = UUID(payment["paymentId"])
    await site.value(spoil.format("amount_minor"), payment_id)
    await cancel(site, sheet)
    with pytest.raises(BookingsLeft):
        await cancel_bookings(site.db, CancelledTrip(sheet.trip_id))
    assert not await is_done(site, sheet)
    assert (await broken.read())["status"] == "CONFIRMED"  # whole: its seats with its money
    assert (await other.read())["status"] == "CANCELLED"
    await site.value(spoil.format("0"), payment_id)
    await cancel(site, sheet)
    await site.work()
    assert await is_done(site, sheet)
    await assert_back(site, broken, payment, "TRIP_CANCELLED")
    await assert_back(site, other, its_payment, "TRIP_CANCELLED")
    assert await site.breaches() == []


async def test_of_a_seat_given_back_before_what_was_kept_stays_kept(site: Site) -> None:
    sheet = await site.trip()
    ada, payment = await paid(site, sheet, "2A", "2B")
    fares: list[int] = await site.value("SELECT fares_minor FROM booking")
    seats: list[int] = await site.value("SELECT seats FROM booking")
    async with site.db.transaction() as conn:
        await cancel_seats(conn, booking_id=ada.booking_id, seats=[seats[0]])
        kept = postings.kept_on_cancel(
            cancellation_id=new_id(),
            booking_id=ada.booking_id,
            trip_id=sheet.trip_id,
            operator_id=sheet.operator_id,
            currency="NGN",
            operator_minor=fares[0],
            fees_minor=0,
        )
        await post(conn, [kept])
    await cancel(site, sheet)
    await site.work()
    assert await refunds(ada, payment) == [("TRIP_CANCELLED", fares[1], "NGN", "SUCCEEDED")]


async def test_a_booking_that_cost_nothing_ends_without_money(site: Site) -> None:
    sheet = await site.trip(fares=NewFareTable("free", "NGN", per_km_minor=0, minimum_minor=0))
    ada = await site.passenger(sheet)
    await ada.open()
    assert (await ada.read())["status"] == "CONFIRMED"
    await cancel(site, sheet)
    await site.work()
    assert (await ada.read())["status"] == "CANCELLED"
    assert await site.value("SELECT count(*) FROM refund") == 0
    assert await site.breaches() == []


async def test_what_cannot_be_cancelled(site: Site) -> None:
    sheet = await site.trip()
    with pytest.raises(NoSuchTrip):
        await cancel_trip(site.db, Catalogue(), trip_id=new_id(), reason="x", by=None)
    for reason in ("", "   ", "\0", "a\u2028b\x07", "x" * 201):
        with pytest.raises(ValidationFailed):
            await cancel(site, sheet, reason)
    await site.value("UPDATE trip SET starts_at = now() - interval '1 s' RETURNING 1")
    with pytest.raises(TripDeparted):
        await cancel(site, sheet)
    assert await site.value("SELECT status FROM trip_inventory") == "on_sale"
    assert await site.value("SELECT count(*) FROM trip_cancellation") == 0


async def test_the_audit_names_what_a_cancellation_left(site: Site) -> None:
    sheet = await site.trip()
    ada, _ = await paid(site, sheet, "2A")
    await cancel(site, sheet)
    late = "UPDATE trip_cancellation SET cancelled_at = cancelled_at - interval '2 h' RETURNING 1"
    await site.value(late)
    assert "the bookings of a cancelled trip end soon" in await named(site)
    await site.value("UPDATE trip_cancellation SET done_at = clock_timestamp() RETURNING 1")
    assert "a cancelled trip has no bookings" in await named(site)
    async with site.db.transaction() as conn:  # ended without its money
        seats: list[int] = await site.value("SELECT seats FROM booking")
        await cancel_seats(conn, booking_id=ada.booking_id, seats=seats)
    assert "a booking that ended with its trip is paid back" in await named(site)


async def named(site: Site) -> set[str]:
    return {finding.invariant for finding in await site.breaches()}


async def test_late_money_of_a_cancelled_trip_confirms_nothing(site: Site) -> None:
    sheet = await site.trip()
    ada = await site.passenger(sheet)
    await expire(site, ada)
    await cancel(site, sheet)
    async with site.db.transaction() as conn:
        done = await confirm_booking(
            conn, booking_id=ada.booking_id, learned_at=utc_now(), late_money_minutes=60
        )
    assert (done.outcome, done.reason) == ("refused", "trip_cancelled")
