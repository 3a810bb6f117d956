"""Money that comes after the hold, after the trip, after everybody has stopped waiting."""

import asyncio
from typing import Final

import pytest

from paying_steps import (
    assert_confirmed_once,
    assert_refunded,
    expire,
    give_up,
    open_unheard,
    refunds,
)
from payments_site import Passenger, Site

LATE_S: Final = 61 * 60


async def test_too_late_goes_back_though_the_seat_is_free(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await expire(site, ada, ago_s=LATE_S)
    await site.pay(payment)
    await site.job("poll-payments")
    await assert_refunded(site, ada, payment, "TOO_LATE")
    assert (await ada.read())["status"] == "EXPIRED"


async def test_the_holder_has_another_booking_on_the_trip(site: Site) -> None:
    sheet = await site.trip()
    ada, late = await open_unheard(site, sheet=sheet)
    await expire(site, ada)
    body = {"tripId": str(sheet.trip_id), "seatNumbers": ["3A"]}
    answer = await site.client.post("/api/bookings/reserve", json=body, headers=ada.headers)
    again = Passenger(site, answer.json() | {"guestToken": ada.booking["guestToken"]})
    second = await again.open()
    await site.pay(second)
    assert (await again.status(second))["status"] == "SUCCEEDED"
    await site.pay(late)
    await site.job("poll-payments")
    await assert_refunded(site, ada, late, "OTHER_BOOKING")


async def test_a_webhook_that_never_comes_is_polled(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    await site.job("poll-payments")
    await assert_confirmed_once(site, ada)


async def test_a_silent_gateway_does_not_keep_it_pending_for_ever(site: Site) -> None:
    ada, payment = await open_unheard(site)
    await site.pay(payment)
    await give_up(site)
    await site.sandbox.fault("verify", "error_after")
    await site.job("poll-payments")
    assert (await ada.status(payment))["status"] == "EXPIRED"
    await site.job("poll-payments")
    await assert_confirmed_once(site, ada)


async def test_polls_come_by_themselves_and_ever_more_seldom(site: Site) -> None:
    await open_unheard(site)
    due_in = "SELECT extract(epoch FROM next_poll_at - clock_timestamp()) FROM payment"
    assert 50 < await site.value(due_in) < 61
    await site.job("poll-payments")
    assert 20 < await site.value(due_in) < 31
    await site.value("UPDATE payment SET created_at = created_at - interval '1 hour' RETURNING 1")
    await site.job("poll-payments")
    assert 1700 < await site.value(due_in) < 1900
    await site.value(
        "UPDATE payment SET expires_at = created_at, gives_up_at = created_at,"
        " watch_until = clock_timestamp() RETURNING 1"
    )
    await site.job("poll-payments")
    assert await site.value("SELECT next_poll_at FROM payment") is None


@pytest.mark.parametrize("n", range(6))
async def test_money_races_the_end_of_the_hold(site: Site, n: int) -> None:
    """Whoever is first, the seat is theirs or the money goes back: never both, never neither."""
    sheet = await site.trip()
    ada, payment = await open_unheard(site, sheet=sheet)
    await site.pay(payment)
    gate = asyncio.Barrier(2)

    async def hears() -> None:
        await gate.wait()
        if n % 2:
            await ada.read()  # a head start for the rival
        await ada.status(payment)

    async def rival() -> bool:
        await expire(site, ada, ago_s=0)
        await gate.wait()
        body = {"tripId": str(sheet.trip_id), "seatNumbers": ["2A"]}
        answer = await site.client.post("/api/bookings/reserve", json=body)
        return answer.status_code == 201

    _, is_rivals = await asyncio.gather(hears(), rival())
    await site.work()
    assert ((await ada.read())["status"] == "CONFIRMED") is not is_rivals
    reasons = [reason for reason, *_ in await refunds(ada, payment)]
    assert reasons == (["SEATS_GONE"] if is_rivals else [])
    assert await site.breaches() == []
