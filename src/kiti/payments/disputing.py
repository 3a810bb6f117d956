"""Disputes: what a payer's bank asks for or takes back, and the refunds that wait for it.

While a bank has taken money that it has not decided about, no refund of that receipt is sent: it
would be lost twice. When the dispute is won the refund goes its way; when it is lost the payer has
the money from the bank, and what was owed of it is paid. An inquiry takes nothing and stops
nothing: a refund settles it. A gateway that tells of disputes is asked by the clock, when a webhook
tells of one, and before a refund is sent for the first time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from kiti.jobs.service import enqueue
from kiti.ledger import postings
from kiti.ledger.model import Account, Entry, Kind
from kiti.ledger.service import post
from kiti.payments import store, store_receipts, store_refunds
from kiti.payments import store_disputes as disputes
from kiti.payments.gateways.port import Disputes, DisputeSnapshot, DisputeStatus, Gateway
from kiti.payments.gateways.registry import Gateways
from kiti.payments.model import (
    DISPUTE_TRANSITIONS,
    Dispute,
    DisputeState,
    Receipt,
    refund_delay_s,
)
from kiti.payments.owing import SEND_REFUND, SendRefund
from kiti.payments.store_disputes import RefundAtStake
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id
from kiti.platform.money import Money

log: Final = structlog.get_logger("kiti.payments.disputes")

LOOK_AT_DISPUTES: Final = "dispute.look"
# Disputes are opened within months, and each that is open is asked about to its end.
BACK: Final = timedelta(days=30)
BACK_MAX: Final = timedelta(days=540)
# Before a refund is sent: a gateway that is slow to tell refuses to refund disputed money itself.
BEFORE_SENDING_S: Final = 5.0
REASON_LENGTH_MAX: Final = 100
_STATES: Final[dict[DisputeStatus, DisputeState]] = {
    "INQUIRY": "inquiry",
    "NEEDS_RESPONSE": "needs_response",
    "UNDER_REVIEW": "under_review",
    "WON": "won",
    "LOST": "lost",
    "CLOSED": "closed",
}


class DisputesUntold(Exception):
    """The gateway did not tell of its disputes; the job is run again."""


@dataclass(frozen=True, slots=True)
class LookAtDisputes:
    """The payload of a job that asks a gateway for its disputes, because an event told of one."""

    gateway: str


async def look_at_disputes(db: Database, gateways: Gateways, *, gateway: str) -> int | None:
    """Keep what this gateway tells of its disputes; how many are new or have moved.

    None when it did not tell.
    """
    adapter = gateways.find(gateway)
    if adapter is None or not isinstance(adapter, Disputes):
        return 0
    async with db.connection() as conn:
        since = await disputes.look_since(conn, gateway=gateway, back=BACK, back_max=BACK_MAX)
    told = await adapter.list_disputes(since=since)
    if told is None:
        return None
    ids = [each.gateway_dispute_id for each in told]
    async with db.connection() as conn:
        known = await disputes.list_known(conn, gateway=gateway, gateway_dispute_ids=ids)
    before = {each.gateway_dispute_id: each.status for each in known}
    moved = 0
    for each in told:
        if before.get(each.gateway_dispute_id) != _STATES[each.status]:
            moved += await db.run(lambda conn, it=each: _keep(conn, adapter, it))
    return moved


async def look_by_job(db: Database, gateways: Gateways, job: LookAtDisputes) -> None:
    """The same, because an event told of a dispute.

    Raises:
        DisputesUntold: the gateway did not tell.
    """
    if await look_at_disputes(db, gateways, gateway=job.gateway) is None:
        raise DisputesUntold


async def look_before_sending(db: Database, gateways: Gateways, *, refund_id: UUID) -> None:
    """Ask for disputes before a refund is sent for the first time; silence does not keep it."""
    async with db.connection() as conn:
        gateway = await disputes.find_unsent(conn, refund_id=refund_id)
    if gateway is None:
        return
    try:
        async with asyncio.timeout(BEFORE_SENDING_S):
            await look_at_disputes(db, gateways, gateway=gateway)
    except TimeoutError:
        log.warning("the gateway is slow to tell of disputes", gateway=gateway)


async def stops_unsent(conn: Conn, *, refund_id: UUID) -> bool:
    """Whether a refund that was never sent must not be sent now; what follows is noted.

    Locks: its receipt; then the dispute or the refund.
    """
    stake = await disputes.lock_stake(conn, refund_id=refund_id)
    return stake is not None and not stake.is_sent and await _stops(conn, stake)


async def stops_again(conn: Conn, *, refund_id: UUID) -> bool:
    """The same for one that is about to be sent once more.

    Locks: as `stops_unsent`.
    """
    stake = await disputes.lock_stake(conn, refund_id=refund_id)
    return stake is not None and await _stops(conn, stake)


async def is_disputed(conn: Conn, *, booking_ids: Sequence[UUID], is_locking: bool = False) -> bool:
    """Whether a bank has taken money that paid for these bookings, and has not given it back.

    It may go back through a refund alone, which waits for the bank: never as credit, nor to another
    booking. `is_locking`: no dispute of it is noted until the transaction ends.

    Locks: with `is_locking` the receipts.
    """
    if is_locking:
        await disputes.lock_paid(conn, booking_ids=booking_ids)
    return await disputes.is_disputed(conn, booking_ids=booking_ids)


async def _stops(conn: Conn, stake: RefundAtStake) -> bool:
    if stake.is_disputed:
        delay_s = refund_delay_s(looks=stake.looks + 1)
        await disputes.put_off_refund(conn, refund_id=stake.refund_id, delay_s=delay_s)
        log.warning("a refund waits for a dispute", refund_id=str(stake.refund_id))
        return True
    covered_by = await disputes.cover(
        conn,
        receipt_id=stake.receipt_id,
        currency=stake.currency,
        amount_minor=stake.rest_minor,
    )
    if covered_by is not None:
        await _pay_by_dispute(conn, stake, gateway_dispute_id=covered_by)
        return True
    if await disputes.has_lost(conn, receipt_id=stake.receipt_id):
        await disputes.put_off_refund(conn, refund_id=stake.refund_id, delay_s=None)
        log.error("a refund is more than a lost dispute took", refund_id=str(stake.refund_id))
        return True
    return False


async def _pay_by_dispute(conn: Conn, stake: RefundAtStake, *, gateway_dispute_id: str) -> None:
    """The payer has the money from the bank: what was owed is paid by it."""
    given = await store_refunds.record_refund(
        conn,
        refund_id=stake.refund_id,
        status="succeeded",
        gateway_refund_id=f"dispute {gateway_dispute_id}",
        given_minor=stake.amount_minor,
        delay_s=None,
    )
    assert given is not None, "its receipt is locked"  # noqa: S101 (rolls all back)
    entry = postings.refund_given(
        refund_id=given.refund_id,
        look=given.looks,
        trip_id=given.trip_id,
        out_of=_loss(stake.gateway),
        currency=stake.currency,
        paid_minor=stake.rest_minor,
        given_minor=stake.rest_minor,
    )
    await post(conn, [entry])


def _loss(gateway: str) -> Account:
    """What banks took for good."""
    return Account(Kind.CHARGEBACK_LOSS, gateway)


async def _keep(conn: Conn, gateway: Gateway, told: DisputeSnapshot) -> bool:
    """Note what is told of a dispute, with its entries; False when it changes nothing here.

    Locks: the receipt, the dispute.
    """
    found = await _receipt_of(conn, gateway, told)
    if found is None:
        return False
    receipt = await store_receipts.lock_receipt(conn, receipt_id=found.receipt_id)
    new = _dispute(gateway, told, receipt)
    if new is None:
        return False
    about = {"gateway": gateway.name, "gateway_dispute_id": told.gateway_dispute_id}
    is_new = await disputes.insert_dispute(conn, new)
    if not is_new:
        known = await disputes.lock_dispute(
            conn, gateway=gateway.name, gateway_dispute_id=told.gateway_dispute_id
        )
        assert known is not None, "it is there"  # noqa: S101 (for the type checker)
        if known.status == new.status:
            return False
        if new.status not in DISPUTE_TRANSITIONS[known.status]:
            log.error("a dispute that had ended goes on", status=new.status, **about)
            return False
        await disputes.move_dispute(
            conn,
            dispute_id=known.dispute_id,
            before=known.status,
            after=new.status,
            due_at=new.due_at,
        )
        new = known.moved(new.status)
    log.warning("a dispute", status=new.status, payment_id=str(new.payment_id), **about)
    payment = await store.get_payment(conn, payment_id=new.payment_id)
    await post(conn, _entries(new, trip_id=payment.trip_id))
    if not new.is_open:
        await _wake_refunds(conn, receipt)
    return True


async def _receipt_of(conn: Conn, gateway: Gateway, told: DisputeSnapshot) -> Receipt | None:
    transaction_ids = [told.gateway_transaction_id] if told.gateway_transaction_id else []
    found = await store_receipts.list_receipts_of(
        conn, gateway=gateway.name, transaction_ids=transaction_ids
    )
    if not found:
        log.warning(
            "a dispute of money that is not known here",
            gateway=gateway.name,
            gateway_dispute_id=told.gateway_dispute_id,
        )
        return None
    return found[0]


def _dispute(gateway: Gateway, told: DisputeSnapshot, receipt: Receipt) -> Dispute | None:
    """The dispute in our own words; None when its amount is none."""
    try:
        money: Money = gateway.from_wire(told.amount, told.currency or receipt.currency)
    except ValueError as error:
        log.error(  # noqa: TRY400 (no trace: it is told to a person)
            "a dispute cannot be read",
            gateway=gateway.name,
            gateway_dispute_id=told.gateway_dispute_id,
            why=str(error),
        )
        return None
    return Dispute(
        dispute_id=new_id(),
        receipt_id=receipt.receipt_id,
        payment_id=receipt.payment_id,
        gateway=gateway.name,
        gateway_dispute_id=told.gateway_dispute_id,
        amount_minor=money.amount_minor,
        currency=money.currency,
        status=_STATES[told.status],
        reason=told.reason[:REASON_LENGTH_MAX],
        opened_at=told.opened_at,
        due_at=told.due_at,
    )


def _entries(dispute: Dispute, *, trip_id: UUID) -> list[Entry]:
    """All entries of a dispute so far; those that are there already stay as they are."""
    if dispute.status in {"inquiry", "closed"}:
        return []
    opened = postings.dispute_opened(
        dispute_id=dispute.dispute_id,
        trip_id=trip_id,
        gateway=dispute.gateway,
        currency=dispute.currency,
        amount_minor=dispute.amount_minor,
        fee_minor=0,
    )
    if dispute.status == "won":
        won = postings.dispute_won(
            dispute_id=dispute.dispute_id,
            trip_id=trip_id,
            gateway=dispute.gateway,
            currency=dispute.currency,
            amount_minor=dispute.amount_minor,
        )
        return [opened, won]
    if dispute.status == "lost":
        lost = postings.dispute_lost(
            dispute_id=dispute.dispute_id,
            trip_id=trip_id,
            bearer=_loss(dispute.gateway),
            currency=dispute.currency,
            amount_minor=dispute.amount_minor,
        )
        return [opened, lost]
    return [opened]


async def _wake_refunds(conn: Conn, receipt: Receipt) -> None:
    """It has ended: what waited for it goes on."""
    for refund_id in await disputes.list_unfinished_refunds(conn, receipt_id=receipt.receipt_id):
        await enqueue(
            conn, kind=SEND_REFUND, payload=SendRefund(refund_id), dedupe=str(refund_id), priority=1
        )
