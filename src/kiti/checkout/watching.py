"""Asking the gateway: because an event came, because somebody looks, because time has passed.

Events are hints and reads are many, so each way has its own bound; what the gateway answers always
goes through `settle`.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from kiti.checkout.settling import SettledEvent, settle
from kiti.checkout.till import Till
from kiti.payments import service as payments
from kiti.payments.closing import ClosePayment
from kiti.payments.gateways.port import Expires, PaymentSnapshot, Several
from kiti.payments.model import Payment
from kiti.payments.service import History, VerifyPayment, Watched
from kiti.platform.db import Database

log: Final = structlog.get_logger("kiti.checkout.watching")

STATUS_ASK_S: Final = 8.0
BATCH: Final = 20
AT_ONCE: Final = 5
RUN_MAX: Final = 1000


class GatewaySilent(Exception):
    """The gateway did not say what became of a payment; the job is run again."""


@dataclass(frozen=True, slots=True)
class BookingReleased:
    """The payload of booking's news that a hold with a payment begun was given back."""

    bookingId: UUID  # noqa: N815  # booking writes it so


async def read_status(db: Database, till: Till, *, reference: str, holder_id: UUID) -> History:
    """The holder's payment with what came of it; while it is pending the gateway is asked first.

    Once in 5 s for all readers together, claimed in the database.

    Raises:
        NoSuchPayment: there is none, or it is another's.
    """
    async with db.connection() as conn:
        payment = await payments.get_holders_payment(conn, reference=reference, holder_id=holder_id)
    await _ask_now(db, till, payment, gateway_transaction_id=None)
    async with db.connection() as conn:
        payment = await payments.get_payment(conn, payment_id=payment.payment_id)
        (history,) = await payments.histories(conn, payments=[payment])
    return history


async def come_back(
    db: Database, till: Till, *, reference: str, gateway_transaction_id: str | None
) -> Payment | None:
    """The payment whose payer a gateway has sent back; None when the reference is not ours.

    Whatever the address claims is only a reason to ask the gateway, as a read of the status is.
    """
    async with db.connection() as conn:
        payment = await payments.find_payment(conn, reference=reference)
    if payment is None:
        return None
    await _ask_now(db, till, payment, gateway_transaction_id=gateway_transaction_id)
    async with db.connection() as conn:
        return await payments.get_payment(conn, payment_id=payment.payment_id)


async def _ask_now(
    db: Database, till: Till, payment: Payment, *, gateway_transaction_id: str | None
) -> None:
    """Ask about a pending payment if nobody has just done so; silence changes nothing."""
    gateway = till.gateways.find(payment.gateway)
    if not payment.is_pending or gateway is None:
        return
    async with db.connection() as conn:
        if not await payments.claim_ask(conn, payment_id=payment.payment_id):
            return
    try:
        async with asyncio.timeout(STATUS_ASK_S):
            snapshot = await gateway.fetch_payment(
                reference=payment.reference,
                gateway_id=payment.gateway_id,
                gateway_transaction_id=gateway_transaction_id,
            )
    except TimeoutError:
        return
    await _settle(db.express, till, payment.payment_id, snapshot, about=str(payment.trip_id))


async def verify_payment(db: Database, till: Till, job: VerifyPayment) -> None:
    """Ask the gateway about the payment that an event speaks of.

    What it claims and the gateway does not confirm stays as it is, is told to people, and is asked
    again soon.

    Raises:
        GatewaySilent: no answer; the poller asks too, should this job's attempts run out.
    """
    async with db.connection() as conn:
        payment = await payments.get_payment(conn, payment_id=job.payment_id)
    snapshot = PaymentSnapshot("UNKNOWN")
    gateway = till.gateways.find(payment.gateway)
    if gateway is not None:
        snapshot = await gateway.fetch_payment(
            reference=payment.reference,
            gateway_id=payment.gateway_id,
            gateway_transaction_id=job.gateway_transaction_id,
        )
    is_confirmed = snapshot.status == "SUCCEEDED"
    is_dealt_with = is_confirmed or (snapshot.status != "UNKNOWN" and not job.is_success)
    event = SettledEvent(job.event_id, "done" if is_dealt_with else "unconfirmed")
    await settle(
        db,
        payment_id=payment.payment_id,
        snapshot=snapshot,
        late_money_minutes=till.late_money_minutes,
        event=event,
    )
    if is_dealt_with:
        return
    log.warning(
        "an event is not confirmed",
        payment_id=str(payment.payment_id),
        event_id=str(job.event_id),
        status=snapshot.status,
    )
    async with db.connection() as conn:
        await payments.hasten(conn, payment_id=payment.payment_id)
    if snapshot.status == "UNKNOWN":
        raise GatewaySilent


async def close_released(db: Database, job: BookingReleased) -> None:
    """The hold is gone: its open checkouts are closed, and watched. Money that comes goes back."""
    async with db.transaction() as conn:
        await payments.cancel_pending(conn, booking_id=job.bookingId)


async def close_payment(db: Database, till: Till, job: ClosePayment) -> None:
    """Close the gateway's page of a payment that nobody shall pay any more, where it can.

    A page that is closed brings no money: its payment is over. One that cannot be closed has been
    paid, or is over too: the gateway is asked, and what came is late money.

    Raises:
        GatewaySilent: no answer; the job is run again.
    """
    async with db.connection() as conn:
        payment = await payments.get_payment(conn, payment_id=job.payment_id)
    gateway = till.gateways.find(payment.gateway)
    is_wanted = payment.is_payable or payment.status == "succeeded"
    if is_wanted or payment.gateway_id is None or not isinstance(gateway, Expires):
        return
    outcome = await gateway.expire_checkout(gateway_id=payment.gateway_id)
    if outcome == "UNKNOWN":
        raise GatewaySilent
    if outcome == "EXPIRED":
        async with db.transaction() as conn:
            await payments.expire_payment(conn, payment_id=payment.payment_id)
        return
    snapshot = await gateway.fetch_payment(
        reference=payment.reference, gateway_id=payment.gateway_id
    )
    await _settle(db, till, payment.payment_id, snapshot)
    if snapshot.status == "UNKNOWN":
        raise GatewaySilent


async def poll_payments(db: Database, till: Till, *, is_by_hand: bool) -> int:
    """Ask about every payment whose turn has come; by hand about all that are watched. How many.

    Finishes what stopped half-way: an attempt whose process died, an event that never came.
    """
    before = None
    if is_by_hand:
        async with db.connection() as conn:
            before = await payments.read_clock(conn)
    asked = 0
    while asked < RUN_MAX:
        async with db.connection() as conn:
            batch = await payments.claim_watched(conn, limit=BATCH, before=before)
        if not batch:
            break
        turn = asyncio.Semaphore(AT_ONCE)
        outcomes = await asyncio.gather(
            *(_poll(db, till, watched, turn) for watched in batch), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        asked += len(batch)
    return asked


async def _poll(db: Database, till: Till, watched: Watched, turn: asyncio.Semaphore) -> None:
    snapshot = PaymentSnapshot("UNKNOWN", reason="the gateway is not configured")
    gateway = till.gateways.find(watched.gateway)
    async with turn:
        if watched.status == "succeeded" and isinstance(gateway, Several):
            snapshot = await gateway.fetch_all(reference=watched.reference)
        elif gateway is not None:
            snapshot = await gateway.fetch_payment(
                reference=watched.reference, gateway_id=watched.gateway_id
            )
        await _settle(db, till, watched.payment_id, snapshot)
        async with db.transaction() as conn:
            await payments.put_back_watched(conn, watched)


async def _settle(
    db: Database,
    till: Till,
    payment_id: UUID,
    snapshot: PaymentSnapshot,
    *,
    about: str | None = None,
) -> None:
    await settle(
        db,
        payment_id=payment_id,
        snapshot=snapshot,
        late_money_minutes=till.late_money_minutes,
        about=about,
    )
