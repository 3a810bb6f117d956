"""Refunds on their way: sent once, looked up before they are sent again, followed to their end.

Phases: the intent is committed (`sending`, `sent_at`), then the gateway is called, then the outcome
is committed. After silence the gateway is asked for our refund first, and only when it surely has
none is the money sent again. A refund that failed is still owed: it is tried again with a growing
delay, and when its tries have run out only by hand.
"""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from kiti.payments import store_refunds as store
from kiti.payments.gateways.port import RefundRequest, Refunds, RefundSnapshot
from kiti.payments.gateways.registry import Gateways
from kiti.payments.model import RefundStatus, refund_delay_s
from kiti.payments.store_refunds import TakenRefund
from kiti.platform.db import Database
from kiti.platform.money import Money

log: Final = structlog.get_logger("kiti.payments.refunds")

# A gateway may still work on what it did not answer: Flutterwave itself gives up after 28 s.
SETTLE: Final = timedelta(seconds=30)
CALLS_S: Final = 60.0
LEASE_S: Final = 90
TRIES_MAX: Final = 12
BATCH: Final = 200
BY_HAND_MAX: Final = 1000


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
    async with db.transaction() as conn:
        taken = await store.take_refund(conn, refund_id=refund_id, lease_s=LEASE_S)
    if taken is None:
        return False
    gateway = gateways.find(taken.gateway)
    if not isinstance(gateway, Refunds):
        log.error("no gateway to refund through", gateway=taken.gateway)
        await _record_sending(db, taken, RefundSnapshot("NOT_SENT"))
        return True
    await _advance(db, gateway, taken)
    return True


async def _advance(db: Database, gateway: Refunds, taken: TakenRefund) -> None:
    request = RefundRequest(
        refund_id=taken.refund_id,
        gateway_transaction_id=taken.gateway_transaction_id,
        money=Money(taken.amount_minor, taken.currency),
        since=taken.created_at - timedelta(days=1),
        until=taken.now + timedelta(days=1),
        gateway_refund_id=taken.gateway_refund_id,
    )
    if taken.sent_before is not None:
        found = await _find(gateway, request)
        if taken.now - taken.sent_before < SETTLE and not _is_certain(taken, found):
            await _put_back(db, taken, status=taken.before)
            return
        if not _may_send_again(taken, found):
            await _record_found(db, taken, found)
            return
        async with db.transaction() as conn:
            if not await store.mark_sent_again(conn, refund_id=taken.refund_id):
                return
    await _record_sending(db, taken, await gateway.create_refund(request))


async def _find(gateway: Refunds, request: RefundRequest) -> RefundSnapshot:
    """What the gateway knows of our refund; its list may be long, but not the lease."""
    try:
        async with asyncio.timeout(CALLS_S):
            return await gateway.find_refund(request)
    except TimeoutError:
        return RefundSnapshot("UNKNOWN", reason="too slow")


def _is_certain(taken: TakenRefund, found: RefundSnapshot) -> bool:
    """Whether an answer soon after a sending holds: that sending may still have to appear.

    A living refund is one; a failed one only when the last sending was answered.
    """
    if found.status == "FAILED":
        return taken.before != "sending"
    return found.status in {"SUCCEEDED", "PENDING"}


def _may_send_again(taken: TakenRefund, found: RefundSnapshot) -> bool:
    """Whether the gateway has no refund of ours that lives.

    A failure is first recorded, and sent again when its turn comes. What was accepted once is
    never sent again because it cannot be found.
    """
    if found.status == "FAILED":
        return taken.before == "failed"
    return found.status == "NOT_FOUND" and taken.before != "pending"


async def _record_found(db: Database, taken: TakenRefund, found: RefundSnapshot) -> None:
    """Commit what the gateway knows of a refund that was sent earlier."""
    if found.status in {"SUCCEEDED", "PENDING", "FAILED"}:
        await _record(db, taken, found)
    else:
        await _put_back(db, taken, status=taken.before)


async def _record_sending(db: Database, taken: TakenRefund, outcome: RefundSnapshot) -> None:
    """Commit what the gateway said to a sending; silence leaves it `sending`."""
    if outcome.status in {"SUCCEEDED", "PENDING", "FAILED"}:
        await _record(db, taken, outcome)
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


async def _record(db: Database, taken: TakenRefund, outcome: RefundSnapshot) -> None:
    status: RefundStatus = "pending"
    delay_s: float | None = refund_delay_s(looks=taken.looks)
    if outcome.status == "SUCCEEDED":
        status, delay_s = "succeeded", None
    elif outcome.status == "FAILED":
        log.error("refund failed", refund_id=str(taken.refund_id), reason=outcome.reason)
        status = "failed"
        delay_s = None if taken.tries >= TRIES_MAX else delay_s
    async with db.transaction() as conn:
        await store.record_refund(
            conn,
            refund_id=taken.refund_id,
            status=status,
            gateway_refund_id=outcome.gateway_refund_id,
            delay_s=delay_s,
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
