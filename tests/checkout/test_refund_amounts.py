"""Refunds by what the gateway gave, not by what was asked; and sendings that land late."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from kiti.ledger.model import Account, Entry, Kind, credit, debit
from kiti.ledger.postings import payable
from kiti.ledger.service import post
from kiti.payments import refunding
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.port import RefundRequest, RefundSnapshot
from kiti.payments.gateways.registry import Gateways
from kiti.platform.money import Money
from paying_steps import let_it_settle, open_unheard, refunds
from payments_site import Passenger, Site
from sandbox_driver import SECRET_HASH, SECRET_KEY
from waiting import until

EXCESS = 5000


async def overpaid(site: Site) -> tuple[Passenger, dict[str, Any], UUID]:
    """A booking paid 50.00 too much; the excess is owed and not sent yet.

    The gateway would give it more than once: there is enough left of the payment.
    """
    ada, payment = await open_unheard(site)
    await site.money_unannounced(payment, amount=ada.major + EXCESS / 100)
    await ada.status(payment)
    return ada, payment, await site.value("SELECT refund_id FROM refund")


async def row(site: Site) -> tuple[str, int, int | None]:
    ((status, tries, given),) = await site.rows("SELECT status, tries, given_minor FROM refund")
    return status, tries, given


async def given_at_gateway(site: Site, payment: dict[str, Any]) -> list[int]:
    """What each of its refunds gave back, in minor units, the oldest first."""
    made = await site.refunds_at_gateway(payment)
    return [round(each["amount_refunded"] * 100) for each in made if each["status"] != "failed"]


async def sent_into_silence(site: Site, refund_id: UUID) -> None:
    """A sending is held up: it lands by the clock, or behind the next one; its sender died."""
    await site.sandbox.fault("refund", "reorder", delay_s=600)
    before = await site.calls("refund")
    dying = asyncio.create_task(
        refunding.send_refund(site.db, site.till.gateways, refund_id=refund_id)
    )

    async def is_asked() -> bool:
        return await site.calls("refund") > before

    await until(is_asked)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    await site.value("UPDATE refund SET leased_until = clock_timestamp() RETURNING 1")


async def lands(site: Site, payment: dict[str, Any], count: int) -> None:
    """The silent sending lands: the gateway has so many refunds then."""
    await site.sandbox.advance(601)

    async def has_landed() -> bool:
        return len(await given_at_gateway(site, payment)) == count

    await until(has_landed)


async def test_less_than_was_asked_is_recorded_and_the_rest_is_sent(site: Site) -> None:
    ada, payment, _ = await overpaid(site)
    await site.sandbox.fault("refund", "wrong_amount", amount="49.99")
    await site.work()
    assert await row(site) == ("owed", 1, EXCESS - 1)
    assert await refunds(ada, payment) == [("OVERPAID", EXCESS, "NGN", "PENDING")]
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 2, EXCESS)
    assert await given_at_gateway(site, payment) == [EXCESS - 1, 1]
    assert await refunds(ada, payment) == [("OVERPAID", EXCESS, "NGN", "SUCCEEDED")]
    assert await site.breaches() == []


async def test_the_rest_whose_reply_is_lost_is_looked_up_and_not_sent_again(site: Site) -> None:
    _, payment, _ = await overpaid(site)
    await site.sandbox.fault("refund", "wrong_amount", amount="20")
    await site.work()
    await site.sandbox.fault("refund", "lose_reply")
    await site.job("retry-refunds")
    assert (await row(site))[:2] == ("sending", 2)
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 2, EXCESS)
    assert await given_at_gateway(site, payment) == [2000, 3000]
    assert await site.breaches() == []


async def trip_of(site: Site) -> UUID:
    return await site.value("SELECT trip_id FROM payment")


async def test_less_that_comes_later_too(site: Site) -> None:
    """The first refund takes its time and then was smaller than asked."""
    _, payment, refund_id = await overpaid(site)
    await site.sandbox.fault("refund", "lose_reply")
    await site.work()
    assert (await row(site))[:2] == ("sending", 1)
    async with site.db.transaction() as conn:
        more = (debit(Account(Kind.BANK), 1), credit(payable(refund_id), 1))
        await post(conn, [Entry("test", refund_id, "more", "NGN", more, await trip_of(site))])
    await site.value("UPDATE refund SET amount_minor = amount_minor + 1 RETURNING 1")
    await site.value("UPDATE payment_receipt SET refunded_minor = refunded_minor + 1 RETURNING 1")
    await site.job("retry-refunds")  # a part is there; its sending was silent: it may be all
    assert (await row(site))[:2] == ("sending", 1)
    await let_it_settle(site)
    await site.job("retry-refunds")
    assert await row(site) == ("owed", 1, EXCESS)
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 2, EXCESS + 1)
    assert await given_at_gateway(site, payment) == [EXCESS, 1]


async def test_more_than_was_asked_is_told(site: Site) -> None:
    ada, payment, _ = await overpaid(site)
    await site.sandbox.fault("refund", "wrong_amount", amount="60")
    await site.work()
    assert await row(site) == ("succeeded", 1, 6000)
    assert await refunds(ada, payment) == [("OVERPAID", EXCESS, "NGN", "SUCCEEDED")]
    (found,) = await site.breaches()
    assert found.invariant == "as much went back as was owed"
    assert "5000 NGN: 6000 went back" in found.subject


class InKes(Flutterwave):
    """A gateway that gives back the right number of another currency."""

    async def create_refund(self, request: RefundRequest) -> RefundSnapshot:
        made = await super().create_refund(request)
        return replace(made, given=Money(request.money.amount_minor, "KES"))

    async def find_refund(self, request: RefundRequest) -> RefundSnapshot:
        found = await super().find_refund(request)
        return replace(found, given=Money(request.money.amount_minor, "KES"))


async def test_another_currency_is_never_done_and_never_sent_again(site: Site) -> None:
    ada, payment, refund_id = await overpaid(site)
    async with gateway_client() as client:
        keys = FlutterwaveKeys(SECRET_KEY, SECRET_HASH)
        odd = Gateways([InKes(client, base_url=site.sandbox.api, keys=keys)])
        for _ in range(3):
            assert await refunding.send_refund(site.db, odd, refund_id=refund_id)
            assert await row(site) == ("pending", 1, None)
            assert await site.value("SELECT next_try_at FROM refund") is None
            await let_it_settle(site)
    assert await site.calls("refund") == 1
    assert [r[3] for r in await refunds(ada, payment)] == ["PENDING"]
    assert [f.invariant for f in await site.breaches()] == ["a refund that is owed moves on"]


async def test_a_silent_sending_has_ten_minutes_to_land(site: Site) -> None:
    _, payment, refund_id = await overpaid(site)
    await sent_into_silence(site, refund_id)
    for minutes in (0, 4, 9):
        await site.value(
            "UPDATE refund SET sent_at = clock_timestamp() - make_interval(mins => $1) RETURNING 1",
            minutes,
        )
        await site.job("retry-refunds")
        assert (await row(site))[:2] == ("sending", 1)
    await lands(site, payment, 1)
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 1, EXCESS)
    assert await site.calls("refund") == 1
    assert await site.breaches() == []


async def test_a_silent_sending_that_lands_after_that_is_found_and_told(site: Site) -> None:
    """The twin of the wait: sent again too early, the money goes twice; and a look later tells."""
    _, payment, refund_id = await overpaid(site)
    await sent_into_silence(site, refund_id)
    await let_it_settle(site)
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 2, EXCESS)
    wait_s = "SELECT extract(epoch FROM next_try_at - clock_timestamp()) FROM refund"
    assert 1100 < await site.value(wait_s) < 1201
    await site.job("retry-refunds")  # not its turn: by hand too
    assert await row(site) == ("succeeded", 2, EXCESS)
    await lands(site, payment, 2)
    await site.value("UPDATE refund SET next_try_at = clock_timestamp() RETURNING 1")
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 2, 2 * EXCESS)
    assert await site.value("SELECT next_try_at FROM refund") is None
    (found,) = await site.breaches()
    assert found.invariant == "as much went back as was owed"


async def test_a_later_look_waits_for_a_gateway_that_is_away(site: Site) -> None:
    await overpaid(site)
    await site.sandbox.fault("refund", "fail_refund", refuse=True)
    await site.work()
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 2, EXCESS)
    due_in = "SELECT extract(epoch FROM next_try_at - clock_timestamp()) FROM refund"
    refund_id = await site.value("UPDATE refund SET next_try_at = now() RETURNING refund_id")
    assert await refunding.send_refund(site.db, Gateways([]), refund_id=refund_id)
    assert 200 < await site.value(due_in) < 241
    assert await site.value("SELECT leased_until FROM refund") is None
    assert await row(site) == ("succeeded", 2, EXCESS)


async def test_two_that_landed_before_the_look_are_one_sum(site: Site) -> None:
    _, payment, refund_id = await overpaid(site)
    await sent_into_silence(site, refund_id)
    await let_it_settle(site)
    await site.sandbox.fault("refund", "lose_reply")
    await site.job("retry-refunds")
    assert (await row(site))[:2] == ("sending", 2)
    await lands(site, payment, 2)
    await site.job("retry-refunds")
    assert await row(site) == ("succeeded", 2, 2 * EXCESS)
    assert [f.invariant for f in await site.breaches()] == ["as much went back as was owed"]


async def test_the_wait_doubles_with_each_sending(site: Site) -> None:
    await overpaid(site)
    await site.sandbox.fault("refund", "drop", times=3)
    await site.work()
    for tries, minutes in ((1, 10), (2, 20), (3, 40)):
        for ago, then in ((minutes - 1, tries), (minutes + 1, tries + 1)):
            await site.value(
                "UPDATE refund SET sent_at = clock_timestamp() - make_interval(mins => $1)"
                " RETURNING 1",
                ago,
            )
            await site.job("retry-refunds")
            assert (await row(site))[1] == then
    assert await row(site) == ("succeeded", 4, EXCESS)


@pytest.mark.slow
async def test_a_refund_is_found_behind_two_thousand_others(site: Site) -> None:
    _, payment, refund_id = await overpaid(site)
    await site.sandbox.fault("refund", "lose_reply")
    await site.work()
    assert (await row(site))[:2] == ("sending", 1)
    other = await site.sandbox.paid(amount=7500)
    turn = asyncio.Semaphore(20)

    async def another(n: int) -> None:
        async with turn:
            body = {"amount": 1, "comments": f"another's {n}"}
            path = f"/transactions/{other}/refund"
            answer = await site.sandbox.call("POST", path, json=body)
            assert answer.status_code == 200

    await asyncio.gather(*(another(n) for n in range(2050)))
    assert await refunding.send_refund(site.db, site.till.gateways, refund_id=refund_id)
    assert await row(site) == ("succeeded", 1, EXCESS)
    assert await given_at_gateway(site, payment) == [EXCESS]
