"""What the tests of paying do and look at again and again."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest

from booking_make import let_expire
from kiti.checkout.paying import Asked, Wish, initiate
from kiti.checkout.routes_payments import PATH, ROUTE
from kiti.network.model import TripSheet
from kiti.payments import refunding
from kiti.payments.model import PaymentMethod
from kiti.platform.http import Body
from kiti.platform.idempotency import claim_for
from kiti.platform.money import Money
from payments_site import Passenger, Site
from waiting import until


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


def charge(payment: dict[str, Any], *, id: int = 1, status: str = "successful") -> dict[str, Any]:  # noqa: A002
    data = {"id": id, "tx_ref": payment["transactionId"], "status": status, "amount": 1}
    return {"event": "charge.completed", "data": data}


async def events(site: Site) -> list[tuple[Any, ...]]:
    return await site.rows("SELECT kind, state, deliveries FROM webhook_event ORDER BY event_id")


async def opened(site: Site) -> tuple[Passenger, dict[str, Any]]:
    ada = await site.passenger()
    return ada, await ada.open()


async def dies_while_asking(site: Site, ada: Passenger, key: str) -> dict[str, Any]:
    """The process dies after the intent was committed, while the gateway is being asked."""
    await site.sandbox.fault("create", "delay", delay_s=600)
    asked = await asked_by(site, ada, key)
    dying = asyncio.create_task(initiate(site.db, site.till, asked))

    async def is_asked() -> bool:
        return await site.calls("create") > 0

    await until(is_asked)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    ((reference, status),) = await attempts(site, ada)
    assert status == "creating"
    return {"transactionId": reference}


async def asked_by(site: Site, ada: Passenger, key: str) -> Asked:
    """What the route makes of this passenger's call to pay by card."""
    holder_id: UUID = await site.value(
        "SELECT holder_id FROM booking WHERE booking_id = $1", ada.booking_id
    )
    body = Body(b"", ada.body(idempotencyKey=key))
    claim = claim_for(f"guest:{holder_id}", route=ROUTE, path=PATH, key=key, body=body)
    wish = Wish(ada.booking_id, ada.total, None, PaymentMethod.CARD, None)
    return Asked(holder_id, False, claim, str(ada.booking_id), lambda: wish)


async def let_leases_end(site: Site) -> None:
    """As if the process had been dead for a minute."""
    await site.value("UPDATE idempotency_key SET locked_until = clock_timestamp() RETURNING 1")
    await site.value(
        "UPDATE payment SET created_at = created_at - interval '60 s',"
        " next_poll_at = next_poll_at - interval '60 s' RETURNING 1"
    )


async def give_up(site: Site) -> None:
    """As if the link and its grace had ended."""
    await site.value(
        "UPDATE payment SET created_at = created_at - interval '1 hour',"
        " expires_at = expires_at - interval '1 hour',"
        " gives_up_at = gives_up_at - interval '1 hour' RETURNING 1"
    )


async def owed(site: Site) -> tuple[Passenger, dict[str, Any], UUID]:
    """A payment that was too little; its refund is owed and not sent yet."""
    ada, payment = await open_unheard(site)
    await site.pay(payment, "pay_wrong_amount")
    await ada.status(payment)
    return ada, payment, await site.value("SELECT refund_id FROM refund")


async def send(site: Site, refund_id: UUID) -> bool:
    return await refunding.send_refund(site.db, site.till.gateways, refund_id=refund_id)


async def state(site: Site) -> tuple[str, int]:
    ((status, tries),) = await site.rows("SELECT status, tries FROM refund")
    return status, tries


async def let_it_settle(site: Site) -> None:
    """As if nothing that the gateway did not answer could still land."""
    await site.value("UPDATE refund SET sent_at = sent_at - interval '1 hour' RETURNING 1")


async def by_hand(site: Site, payment: dict[str, Any], major: float) -> None:
    """Somebody of the company gives so much back at the gateway's own pages."""
    charge = payment.get("id")
    if charge is None:
        charges = (await site.sandbox.payment(payment["transactionId"]))["charges"]
        charge = charges[-1]["id"]
    path = f"/transactions/{charge}/refund"
    answer = await site.sandbox.call("POST", path, json={"amount": major, "comments": "goodwill"})
    assert answer.status_code == 200, answer.text
