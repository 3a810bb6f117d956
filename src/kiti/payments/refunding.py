"""Refunds on their way: sent once, looked up before they are sent again, followed to their end.

Phases: the intent is committed (`sending`, `sent_at`), then the gateway is called, then the outcome
is committed. After silence the gateway is asked for our refund first, and only when it surely has
none, and so long has passed that a silent call can land no more, is the money sent again. What
counts is what the gateway says it gave, in all its refunds under our id together: what is missing
stays owed and is sent, what is too much is reported. A refund that failed is still owed: it is
tried again with a growing delay, and when its tries have run out only by hand.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from kiti.ledger import postings
from kiti.ledger.service import post
from kiti.payments import disputing
from kiti.payments import store_refunds as store
from kiti.payments.gateways.port import RefundRequest, Refunds, RefundSnapshot
from kiti.payments.gateways.registry import Gateways
from kiti.payments.model import RefundStatus, refund_delay_s, refund_settle_s
from kiti.payments.store_refunds import Given, TakenRefund
from kiti.platform.db import Conn, Database
from kiti.platform.money import Money

log: Final = structlog.get_logger("kiti.payments.refunds")

# A run of a job has 120 s: for the list, and for one sending of 20 s after it.
CALLS_S: Final = 90.0
LEASE_S: Final = 120
TRIES_MAX: Final = 12
BATCH: Final = 200
BY_HAND_MAX: Final = 1000
# A gateway's list goes by days, in a zone of its own.
A_DAY: Final = timedelta(days=1)


async def retry_refunds(db: Database, gateways: Gateways, *, is_by_hand: bool) -> int:
    """Move on every refund whose time has come; by hand all that are unfinished. How many."""
    limit = BY_HAND_MAX if is_by_hand else BATCH
    async with db.connection() as conn:
        due = await store.list_due_refunds(conn, limit=limit, is_by_hand=is_by_hand)
    moved = [await send_refund(db, gateways, refund_id=refund_id) for refund_id in due]
    return sum(moved)


async def send_refund(db: Database, gateways: Gateways, *, refund_id: UUID) -> bool:
    """Move one refund on, as far as it goes now; False when there was nothing to do.

    Safe to run at any time and any number of times: a lease keeps two senders apart.
    """
    await disputing.look_before_sending(db, gateways, refund_id=refund_id)
    async with db.transaction() as conn:
        if await disputing.stops_unsent(conn, refund_id=refund_id):
            return True
        taken = await store.take_refund(conn, refund_id=refund_id, lease_s=LEASE_S)
    if taken is None:
        return False
    gateway = gateways.find(taken.gateway)
    if not isinstance(gateway, Refunds):
        log.error("no gateway to refund through", gateway=taken.gateway)
        if taken.before == "succeeded":
            await _record_look(db, taken, RefundSnapshot("UNKNOWN"))
        else:
            await _record_sending(db, taken, RefundSnapshot("NOT_SENT"))
        return True
    await _advance(db, gateway, taken)
    return True


async def _advance(db: Database, gateway: Refunds, taken: TakenRefund) -> None:
    request = _request(taken)
    if taken.sent_before is None:
        await _record_sending(db, taken, await gateway.create_refund(request))
        return
    found = await _find(gateway, request)
    if taken.before == "succeeded":
        await _record_look(db, taken, found)
        return
    settle = timedelta(seconds=refund_settle_s(tries=taken.tries))
    if taken.now - taken.sent_before < settle and not _is_certain(taken, found):
        await _put_back(db, taken, status=taken.before)
        return
    if not _may_send_again(taken, found):
        await _record_found(db, taken, found)
        return
    async with db.transaction() as conn:
        if await disputing.stops_again(conn, refund_id=taken.refund_id):
            return
        if not await store.mark_sent_again(conn, refund_id=taken.refund_id):
            return
    given = _given_minor(taken, found)
    rest = Money(taken.amount_minor - given, taken.currency)
    outcome = await gateway.create_refund(replace(request, money=rest, gateway_refund_id=None))
    again = replace(taken, tries=taken.tries + 1)
    await _record_sending(db, again, outcome, given_before=given)


def _request(taken: TakenRefund) -> RefundRequest:
    """What the gateway is asked; by its own id only while one refund is all it can have."""
    is_one = taken.tries <= 1 and taken.before != "owed"
    last_sent_at = taken.sent_before or taken.now
    return RefundRequest(
        refund_id=taken.refund_id,
        gateway_transaction_id=taken.gateway_transaction_id,
        money=Money(taken.amount_minor, taken.currency),
        since=taken.created_at - A_DAY,
        until=min(taken.now, last_sent_at + A_DAY) + A_DAY,
        gateway_refund_id=taken.gateway_refund_id if is_one else None,
    )


async def _find(gateway: Refunds, request: RefundRequest) -> RefundSnapshot:
    """What the gateway knows of our refund; its list may be long, but not the lease."""
    try:
        async with asyncio.timeout(CALLS_S):
            return await gateway.find_refund(request)
    except TimeoutError:
        log.warning("the gateway's list of refunds is slow", refund_id=str(request.refund_id))
        return RefundSnapshot("UNKNOWN", reason="too slow")


def _given_minor(taken: TakenRefund, found: RefundSnapshot) -> int:
    """What a gateway that says SUCCEEDED has given back; all of it where it does not say."""
    if found.status != "SUCCEEDED":
        return 0
    return taken.amount_minor if found.given is None else found.given.amount_minor


def _is_foreign(taken: TakenRefund, found: RefundSnapshot) -> bool:
    """Whether something went back in another currency: for a person, never for a second sending."""
    return found.given is not None and found.given.currency != taken.currency


def _is_partial(taken: TakenRefund, found: RefundSnapshot) -> bool:
    """Whether less went back than is owed, and no more is on its way."""
    return found.status == "SUCCEEDED" and _given_minor(taken, found) < taken.amount_minor


def _is_certain(taken: TakenRefund, found: RefundSnapshot) -> bool:
    """Whether an answer soon after a sending holds: that sending may still have to appear.

    A living refund of all that is owed is one; a failed or smaller one only when the last sending
    was answered.
    """
    if found.status == "FAILED" or _is_partial(taken, found):
        return taken.before != "sending"
    return found.status in {"SUCCEEDED", "PENDING"}


def _may_send_again(taken: TakenRefund, found: RefundSnapshot) -> bool:
    """Whether the gateway has no refund of ours that lives, or has given less than is owed.

    A failure, or what is missing, is first recorded, and sent again when its turn comes. What was
    accepted once is never sent again because it cannot be found.
    """
    if _is_foreign(taken, found) or _given_minor(taken, found) < (taken.given_minor or 0):
        return False
    if found.status == "FAILED":
        return taken.before == "failed"
    if _is_partial(taken, found):
        return taken.before in {"owed", "failed"}
    return found.status == "NOT_FOUND" and taken.before != "pending"


async def _record_found(db: Database, taken: TakenRefund, found: RefundSnapshot) -> None:
    """Commit what the gateway knows of a refund that was sent earlier."""
    is_told = found.status in {"SUCCEEDED", "PENDING", "FAILED"}
    if is_told and _given_minor(taken, found) >= (taken.given_minor or 0):
        await _record(db, taken, found)
    else:
        await _put_back(db, taken, status=taken.before)


async def _record_sending(
    db: Database, taken: TakenRefund, outcome: RefundSnapshot, *, given_before: int = 0
) -> None:
    """Commit what the gateway said to a sending; silence leaves it `sending`."""
    if outcome.status in {"SUCCEEDED", "PENDING", "FAILED"}:
        await _record(db, taken, outcome, given_before=given_before)
    elif outcome.status == "REFUSED":
        log.error("refund refused", refund_id=str(taken.refund_id), reason=outcome.reason)
        await _unsend(db, taken, is_try=True)
        await _put_back(db, taken, status="failed", is_over=taken.tries >= TRIES_MAX)
    elif outcome.status == "NOT_SENT":
        await _unsend(db, taken, is_try=False)
        await _put_back(db, taken, status="owed" if taken.sent_before is None else taken.before)
    else:
        log.warning("refund unknown", refund_id=str(taken.refund_id), reason=outcome.reason)
        await _put_back(db, taken, status="sending")


async def _record(
    db: Database, taken: TakenRefund, outcome: RefundSnapshot, *, given_before: int = 0
) -> None:
    """Commit what the gateway says of a refund, by what it gave and not by what was asked."""
    about = {"refund_id": str(taken.refund_id), "reason": outcome.reason}
    is_last_try = taken.tries >= TRIES_MAX
    status: RefundStatus = "pending"
    given: int | None = None
    delay_s: float | None = refund_delay_s(looks=taken.looks)
    if _is_foreign(taken, outcome):
        log.error("a refund in another currency", **about)
        delay_s = None
    elif outcome.status == "SUCCEEDED":
        given = given_before + _given_minor(taken, outcome)
        _tell_difference(taken, given)
        status = "succeeded" if given >= taken.amount_minor else "owed"
        if status == "succeeded":
            delay_s = refund_settle_s(tries=taken.tries) if taken.tries > 1 else None
        elif is_last_try:
            delay_s = None
    elif outcome.status == "FAILED":
        log.error("refund failed", **about)
        status = "failed"
        delay_s = None if is_last_try else delay_s
    async with db.transaction() as conn:
        given_now = await store.record_refund(
            conn,
            refund_id=taken.refund_id,
            status=status,
            gateway_refund_id=outcome.gateway_refund_id,
            given_minor=given,
            delay_s=delay_s,
        )
        await post_given(conn, given_now)


async def _record_look(db: Database, taken: TakenRefund, found: RefundSnapshot) -> None:
    """One that succeeded was looked for once more: a silent sending may have landed after all."""
    given: int | None = None
    if found.status == "FAILED":
        given = 0
    elif found.status in {"SUCCEEDED", "PENDING"} and found.given is not None:
        given = found.given.amount_minor
    if given is not None:
        _tell_difference(taken, given)
    is_again = found.status in {"UNKNOWN", "PENDING"}
    async with db.transaction() as conn:
        given_now = await store.record_look(
            conn,
            refund_id=taken.refund_id,
            given_minor=given,
            delay_s=refund_delay_s(looks=taken.looks) if is_again else None,
        )
        await post_given(conn, given_now)


async def post_given(conn: Conn, given: Given | None) -> None:
    """Post what the gateway gave, or took back, since it was last asked."""
    if given is None or given.after_minor == given.before_minor:
        return
    owed_before = max(given.amount_minor - given.before_minor, 0)
    owed_after = max(given.amount_minor - given.after_minor, 0)
    entry = postings.refund_given(
        refund_id=given.refund_id,
        look=given.looks,
        trip_id=given.trip_id,
        out_of=postings.clearing(given.gateway),
        currency=given.currency,
        paid_minor=owed_before - owed_after,
        given_minor=given.after_minor - given.before_minor,
    )
    await post(conn, [entry])


def _tell_difference(taken: TakenRefund, given: int) -> None:
    if given != taken.amount_minor:
        log.error(
            "a refund is not what was asked",
            refund_id=str(taken.refund_id),
            owed_minor=taken.amount_minor,
            given_minor=given,
            currency=taken.currency,
        )


async def _put_back(
    db: Database, taken: TakenRefund, *, status: RefundStatus, is_over: bool = False
) -> None:
    """Give the lease back; `is_over`: nothing more happens by itself."""
    delay_s = None if is_over else refund_delay_s(looks=taken.looks)
    async with db.transaction() as conn:
        await store.put_back_refund(conn, refund_id=taken.refund_id, status=status, delay_s=delay_s)


async def _unsend(db: Database, taken: TakenRefund, *, is_try: bool) -> None:
    async with db.transaction() as conn:
        await store.unsend_refund(
            conn, refund_id=taken.refund_id, sent_before=taken.sent_before, is_try=is_try
        )
