"""Cash: taken and handed out by an operator's staff, each with a float of their own."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from kiti.fares.policies import put_policy
from kiti.fares.refund_policy import Policy, Rule
from kiti.identity.model import Role
from kiti.ledger import postings
from kiti.ledger.service import balance
from kiti.network.model import TripSheet
from paying_steps import expire, problem, refunds
from payments_site import Passenger, Site

CASH: dict[str, Any] = {"gateway": "cash", "paymentMethod": ...}
ALL_BACK = Policy(rules=(Rule(refund_percent=100),))


async def sell(
    ada: Passenger, staff: dict[str, str], *, key: str | None = None, **changes: object
) -> httpx2.Response:
    body = ada.body(**CASH, **changes, idempotencyKey=key or str(uuid4()))
    return await ada.site.client.post("/api/payments/initiate", json=body, headers=staff)


async def hand_out(site: Site, refund_id: object, staff: dict[str, str]) -> httpx2.Response:
    path = f"/api/payments/refunds/{refund_id}/paid-out"
    return await site.client.post(path, json={}, headers=staff)


async def at_hand(site: Site) -> dict[UUID, int]:
    """What each account owes us of the cash it took, in NGN."""
    rows = await site.rows("SELECT DISTINCT owner FROM ledger_posting WHERE kind = 'agent_float'")
    async with site.db.connection() as conn:
        return {
            UUID(owner): await balance(conn, postings.agent_float(UUID(owner)), currency="NGN")
            for (owner,) in rows
        }


async def sold(site: Site, sheet: TripSheet, staff: dict[str, str]) -> Passenger:
    ada = await site.passenger(sheet)
    answer = await sell(ada, staff)
    assert answer.status_code == 201, answer.text
    return ada


async def cancelled(site: Site, sheet: TripSheet, staff: dict[str, str]) -> tuple[Passenger, UUID]:
    """A booking that was paid in cash and given back; and the refund that is owed."""
    async with site.db.transaction() as conn:
        await put_policy(conn, operator_id=sheet.operator_id, policy=ALL_BACK)
    ada = await sold(site, sheet, staff)
    path = f"/api/bookings/{ada.booking_id}"
    offers = await site.client.get(f"{path}/refund-offer", headers=ada.headers)
    (offer,) = offers.json()["offers"]
    taken = await site.client.post(
        f"{path}/cancel",
        json={"offerId": offer["offerId"]},
        headers=ada.headers | {"idempotency-key": str(uuid4())},
    )
    assert taken.status_code == 200, taken.text
    return ada, await site.value("SELECT refund_id FROM refund ORDER BY refund_id DESC")


async def test_an_agent_sells_to_a_guest_for_cash(site: Site) -> None:
    sheet = await site.trip()
    agent = await site.account(Role.AGENT, sheet.operator_id)
    ada = await site.passenger(sheet, ("2A", "2B"))
    key = str(uuid4())
    answer = await sell(ada, agent, key=key)
    assert answer.status_code == 201, answer.text
    payment = answer.json()
    assert (payment["status"], payment["gateway"]) == ("SUCCEEDED", "cash")
    booking = await ada.read()
    assert booking["status"] == "CONFIRMED"
    assert len(booking["tickets"]) == 2
    assert (await ada.status(payment))["received"]["amount"] == ada.total
    assert list((await at_hand(site)).values()) == [ada.total]
    again = await sell(ada, agent, key=key)
    assert again.content == answer.content
    assert problem(await sell(ada, agent)) == (409, "ALREADY_PAID")
    await site.job("poll-payments")
    assert await site.breaches() == []


async def test_an_agent_sells_what_it_holds_itself(site: Site) -> None:
    sheet = await site.trip()
    agent = await site.account(Role.AGENT, sheet.operator_id)
    answer = await site.client.post(
        "/api/bookings/reserve",
        json={"tripId": str(sheet.trip_id), "seatNumbers": ["2A"]},
        headers=agent,
    )
    token = agent["authorization"].removeprefix("Bearer ")
    held = Passenger(site, {**answer.json(), "guestToken": token})
    assert (await sell(held, agent)).json()["status"] == "SUCCEEDED"
    assert await site.breaches() == []


@pytest.mark.parametrize("role", list(Role))
async def test_only_the_operators_staff_take_cash(site: Site, role: Role) -> None:
    sheet, other = await site.trip(), await site.trip()
    cashiers = {Role.AGENT, Role.OPERATOR_STAFF, Role.OPERATOR_ADMIN}
    ada = await site.passenger(sheet)
    at = cashiers | {Role.CONDUCTOR}
    if role in at:
        stranger = await site.account(role, other.operator_id)
        assert problem(await sell(ada, stranger)) == (404, "NOT_FOUND")
    answer = await sell(ada, await site.account(role, sheet.operator_id if role in at else None))
    if role in cashiers | {Role.PLATFORM_ADMIN}:
        assert answer.json()["status"] == "SUCCEEDED"
    else:
        assert problem(answer) == (404, "NOT_FOUND")
        assert (await ada.read())["status"] == "HELD"


async def test_a_passenger_does_not_pay_themselves_in_cash(site: Site) -> None:
    ada = await site.passenger()
    assert problem(await ada.initiate(**CASH)) == (403, "FORBIDDEN")


async def test_the_rules_of_every_payment_hold_for_cash(site: Site) -> None:
    sheet = await site.trip()
    agent = await site.account(Role.AGENT, sheet.operator_id)
    ada = await site.passenger(sheet)
    assert problem(await sell(ada, agent, amount=1)) == (422, "AMOUNT_MISMATCH")
    assert problem(await sell(ada, agent, currency="KES")) == (422, "CURRENCY_MISMATCH")
    assert problem(await sell(ada, agent, bookingId=str(uuid4()))) == (404, "NOT_FOUND")
    await expire(site, ada)
    assert problem(await sell(ada, agent)) == (409, "HOLD_EXPIRED")
    assert await at_hand(site) == {}


async def test_two_agents_at_once_take_cash_once(site: Site) -> None:
    sheet = await site.trip()
    agents = [await site.account(Role.AGENT, sheet.operator_id) for _ in range(6)]
    ada = await site.passenger(sheet)
    answers = await asyncio.gather(*(sell(ada, agent) for agent in agents))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert list((await at_hand(site)).values()) == [ada.total]
    assert await site.breaches() == []


async def test_a_refund_of_cash_waits_until_it_is_handed_out(site: Site) -> None:
    sheet = await site.trip()
    agent = await site.account(Role.AGENT, sheet.operator_id)
    other = await site.account(Role.OPERATOR_STAFF, sheet.operator_id)
    ada, refund_id = await cancelled(site, sheet, agent)
    await site.job("retry-refunds")
    await site.work()
    payment = {"transactionId": await site.value("SELECT reference FROM payment")}
    assert await refunds(ada, payment) == [("CANCELLED", ada.total, "NGN", "PENDING")]
    assert await site.breaches() == []
    first = await hand_out(site, refund_id, other)
    assert first.status_code == 200, first.text
    assert first.json() == {
        "refundId": str(refund_id), "amount": ada.total, "currency": "NGN", "status": "SUCCEEDED"
    }  # fmt: skip
    assert (await hand_out(site, refund_id, agent)).json() == first.json()
    assert await refunds(ada, payment) == [("CANCELLED", ada.total, "NGN", "SUCCEEDED")]
    assert sorted((await at_hand(site)).values()) == [-ada.total, ada.total]
    await site.job("retry-refunds")
    assert await site.breaches() == []


async def test_a_refund_is_handed_out_once(site: Site) -> None:
    sheet = await site.trip()
    agents = [await site.account(Role.AGENT, sheet.operator_id) for _ in range(5)]
    ada, refund_id = await cancelled(site, sheet, agents[0])
    answers = await asyncio.gather(*(hand_out(site, refund_id, agent) for agent in agents))
    assert {answer.status_code for answer in answers} == {200}
    assert sum((await at_hand(site)).values()) == 0
    handed = "SELECT count(*) FROM ledger_entry WHERE source_id = $1 AND purpose = 'given_0'"
    assert await site.value(handed, refund_id) == 1
    assert await site.breaches() == []
    assert ada.total


async def test_without_the_guard_two_hand_it_out(site: Site) -> None:
    """The twin: each that reads a refund as owed would hand the money out."""
    sheet = await site.trip()
    agent = await site.account(Role.AGENT, sheet.operator_id)
    _, refund_id = await cancelled(site, sheet, agent)
    gate = asyncio.Barrier(2)

    async def hand() -> bool:
        async with site.db.transaction() as conn:
            sql = "SELECT status FROM refund WHERE refund_id = $1"
            is_owed = await conn.fetchval(sql, refund_id) == "owed"
            await gate.wait()
            return is_owed

    assert await asyncio.gather(hand(), hand()) == [True, True]


async def test_who_may_hand_out_what(site: Site) -> None:
    sheet, other = await site.trip(), await site.trip()
    agent = await site.account(Role.AGENT, sheet.operator_id)
    ada, refund_id = await cancelled(site, sheet, agent)
    stranger = await site.account(Role.AGENT, other.operator_id)
    assert problem(await hand_out(site, refund_id, stranger)) == (403, "FORBIDDEN")
    assert problem(await hand_out(site, refund_id, ada.headers)) == (403, "FORBIDDEN")
    assert problem(await hand_out(site, uuid4(), agent)) == (404, "NOT_FOUND")
    assert problem(await hand_out(site, "x", agent)) == (404, "NOT_FOUND")
    assert (await hand_out(site, refund_id, {})).status_code == 401
    obi = await site.passenger(sheet, ("3A",))
    payment = await obi.open()
    await site.pay(payment, "pay_wrong_amount")
    await site.webhook(payment)
    await site.work()
    by_card = await site.value("SELECT refund_id FROM refund WHERE gateway = 'flutterwave'")
    assert problem(await hand_out(site, by_card, agent)) == (409, "REFUND_NOT_IN_CASH")
