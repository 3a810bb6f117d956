"""What the tests of paying do and look at again and again."""

from typing import Any

import httpx2

from booking_make import let_expire
from kiti.network.model import TripSheet
from kiti.platform.money import Money
from payments_site import Passenger, Site


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def attempts(site: Site, passenger: Passenger) -> list[tuple[Any, ...]]:
    return await site.rows(
        "SELECT reference, status FROM payment WHERE booking_id = $1 ORDER BY payment_id",
        passenger.booking_id,
    )


async def open_unheard(
    site: Site, *, sheet: TripSheet | None = None, seats: tuple[str, ...] = ("2A",)
) -> tuple[Passenger, dict[str, Any]]:
    """A passenger with an open attempt, whose webhooks will not come."""
    ada = await site.passenger(sheet, seats)
    payment = await ada.open()
    await site.sandbox.fault("webhook", "drop", times=1000)
    return ada, payment


async def refunds(ada: Passenger, payment: dict[str, Any]) -> list[tuple[str, int, str, str]]:
    """The refunds of a payment, as its holder reads them."""
    status = await ada.status(payment)
    return [(r["reason"], r["amount"], r["currency"], r["status"]) for r in status["refunds"]]


async def assert_refunded(
    site: Site, ada: Passenger, payment: dict[str, Any], reason: str, *, money: Money | None = None
) -> None:
    """The payment succeeded, the booking did not get it, and all of it went back by itself."""
    money = money or Money(ada.total, "NGN")
    await site.work()
    assert (await ada.status(payment))["status"] == "SUCCEEDED"
    assert await refunds(ada, payment) == [
        (reason, money.amount_minor, money.currency, "SUCCEEDED")
    ]
    (made,) = await site.refunds_at_gateway(payment)
    assert round(made["amount_refunded"] * 100) == money.amount_minor
    assert await site.breaches() == []


async def assert_confirmed_once(site: Site, ada: Passenger) -> None:
    booking = await ada.read()
    assert booking["status"] == "CONFIRMED"
    assert len(booking["tickets"]) == 1
    assert await site.breaches() == []


async def expire(site: Site, ada: Passenger, *, ago_s: float = 1) -> None:
    async with site.db.connection() as conn:
        await let_expire(conn, ada.booking_id, ago_s=ago_s)
