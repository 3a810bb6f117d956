"""The audit of money: each invariant, broken by hand, is found; and by no other means."""

import pytest

from paying_steps import open_unheard
from payments_site import Site

BREAKS = {
    "money received is used or owed back": (
        "UPDATE payment_receipt SET applied_minor = applied_minor - 1 WHERE applied_minor > 0"
    ),
    "refunds of a receipt are what it counts, and never more than came": (
        "UPDATE refund SET amount_minor = amount_minor - 1"
    ),
    "a payment succeeded exactly when its money came": (
        "UPDATE payment SET status = 'open', settled_at = NULL"
        " WHERE payment_id = (SELECT min(payment_id::text)::uuid FROM payment)"
    ),
    "a booking is paid once": (
        "WITH p AS (SELECT * FROM payment_receipt WHERE applied_minor > 0 LIMIT 1)"
        " INSERT INTO payment_receipt (receipt_id, payment_id, gateway, gateway_transaction_id,"
        " amount_minor, currency, applied_minor, learned_at)"
        " SELECT gen_random_uuid(), payment_id, gateway, 'another', amount_minor, currency,"
        " applied_minor, learned_at FROM p"
    ),
    "one checkout for each idempotency key": (
        "UPDATE payment SET key_digest = sha256('the same key')"
    ),
    "no payment is pending past its gateway's expiry and grace": (
        "UPDATE payment SET status = 'unknown', settled_at = NULL,"
        " expires_at = expires_at - interval '3 hours',"
        " gives_up_at = gives_up_at - interval '3 hours'"
    ),
    "a payment is watched": "UPDATE payment SET next_poll_at = NULL",
    "as much went back as was owed": "UPDATE refund SET given_minor = given_minor + 1",
    "a refund that was sent is found": (
        "UPDATE refund SET status = 'sending', settled_at = NULL,"
        " sent_at = sent_at - interval '25 hours'"
    ),
    "a refund that is owed moves on": (
        "UPDATE refund SET status = 'owed', settled_at = NULL,"
        " next_try_at = clock_timestamp() - interval '2 hours'"
    ),
    "an event that was kept is dealt with": (
        "UPDATE webhook_event SET state = 'queued', done_at = NULL,"
        " received_at = received_at - interval '2 hours'"
    ),
    "a booking is confirmed exactly when its money came": (
        "UPDATE payment_receipt SET applied_minor = applied_minor + 1"
        " WHERE applied_minor > 0 AND applied_minor < amount_minor"
    ),
}


async def make_history(site: Site) -> None:
    """Two bookings: one paid too much and confirmed, one paid too little; all is settled."""
    ada = await site.passenger()
    await site.sandbox.fault("create", "wrong_amount", amount=ada.major + 5)
    payment = await ada.open()
    await site.pay(payment)
    await site.webhook(payment)
    obi, theirs = await open_unheard(site)
    await site.pay(theirs, "pay_wrong_amount")
    await obi.status(theirs)
    await site.work()
    assert await site.breaches() == []


@pytest.mark.parametrize("invariant", BREAKS)
async def test_what_is_broken_is_found(site: Site, invariant: str) -> None:
    await make_history(site)
    async with site.db.connection() as conn:
        assert await conn.execute(BREAKS[invariant]) != "UPDATE 0"
    assert invariant in {found.invariant for found in await site.breaches()}


async def test_a_confirmed_booking_without_money_is_found(site: Site) -> None:
    await make_history(site)
    await site.value("UPDATE payment SET booking_id = gen_random_uuid() RETURNING 1")
    found = [
        f.subject for f in await site.breaches() if f.invariant.startswith("a booking is conf")
    ]
    assert len(found) == 2  # the booking that nobody paid, and the money of no booking
