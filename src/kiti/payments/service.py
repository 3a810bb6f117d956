"""Use cases of payments, in the caller's transaction: attempts, receipts, refunds owed, watching.

With `model.py` and the port all that other slices may import. What decides about a booking is the
business of `checkout`; here is what follows for the money.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from kiti.ledger import postings
from kiti.ledger.model import Account, Entry
from kiti.ledger.service import post
from kiti.payments import store, store_events, store_receipts, store_refunds, store_watch
from kiti.payments.closing import close_page
from kiti.payments.gateways.port import CheckoutResult, GatewayReceipt, PaymentSnapshot
from kiti.payments.model import (
    ASK_EVERY_S,
    ATTEMPTS_MAX,
    ATTEMPTS_WITHIN,
    EventState,
    NewPayment,
    NoSuchPayment,
    Payment,
    Receipt,
    Refund,
    poll_delay_s,
)
from kiti.payments.owing import owe_refund
from kiti.payments.store_watch import WatchedRow
from kiti.platform.db import Conn
from kiti.platform.errors import RateLimited
from kiti.platform.ids import new_code, new_id

VERIFY_PAYMENT: Final = "payment.verify"
KEY_KEPT: Final = timedelta(hours=24)
HASTE_S: Final = 30
WATCH_LEASE_S: Final = 60
_REFERENCE: Final = re.compile(r"[A-Z0-9-]{8,64}\Z")

Watched = WatchedRow


@dataclass(frozen=True, slots=True)
class VerifyPayment:
    """The payload of a job that asks the gateway about a payment, because an event said so."""

    payment_id: UUID
    event_id: UUID
    gateway_transaction_id: str | None
    is_success: bool


@dataclass(frozen=True, slots=True)
class History:
    """A payment with all that came of it."""

    payment: Payment
    receipts: tuple[Receipt, ...]
    refunds: tuple[Refund, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """What becomes of a receipt: `applied_minor` pays for the booking, the rest goes back.

    `refund_reason` is None when nothing is left.
    """

    applied_minor: int
    refund_reason: str | None


def new_reference() -> str:
    """A reference for one attempt: what the gateway knows it by; 97 random bits."""
    return f"KT-{new_code(20)}"


def is_reference(text: str) -> bool:
    """Whether a text of a stranger could be a reference of ours."""
    return _REFERENCE.match(text) is not None


async def read_clock(conn: Conn) -> datetime:
    """The database's clock, now."""
    return await store.read_clock(conn)


async def begin_payment(conn: Conn, new: NewPayment) -> Payment:
    """The attempt, to be committed before the gateway hears of it.

    The caller holds the booking's lock and has seen that no other attempt is open.

    Raises:
        RateLimited: the booking has had too many attempts in an hour.
    """
    payment = await store.insert_payment(conn, new, count_max=ATTEMPTS_MAX, within=ATTEMPTS_WITHIN)
    if payment is not None:
        return payment
    wait_s = await store.room_in_s(
        conn, booking_id=new.booking_id, count_max=ATTEMPTS_MAX, within=ATTEMPTS_WITHIN
    )
    raise RateLimited("Too many attempts to pay this booking.", retry_after_s=wait_s)


async def find_begun(conn: Conn, *, key_digest: bytes) -> Payment | None:
    """The payment that this idempotency key began in the last day."""
    return await store.find_payment_by_key(conn, key_digest=key_digest, kept=KEY_KEPT)


async def lock_open(conn: Conn, *, booking_id: UUID) -> Payment | None:
    """The booking's open attempt; None when there is none.

    Locks: the payment, under the booking's lock.
    """
    return await store.lock_open_payment(conn, booking_id=booking_id)


async def get_payment(conn: Conn, *, payment_id: UUID) -> Payment:
    """The payment, as it is."""
    return await store.get_payment(conn, payment_id=payment_id)


async def find_payment(conn: Conn, *, reference: str) -> Payment | None:
    """The payment of this reference, whoever's it is; None when there is none."""
    if not is_reference(reference):
        return None
    return await store.find_payment(conn, reference=reference)


async def get_holders_payment(conn: Conn, *, reference: str, holder_id: UUID) -> Payment:
    """The holder's payment of this reference.

    Raises:
        NoSuchPayment: there is none, or it is another's.
    """
    if not is_reference(reference):
        raise NoSuchPayment
    found = await store.find_payment(conn, reference=reference, holder_id=holder_id)
    if found is None:
        raise NoSuchPayment
    return found


async def record_checkout(conn: Conn, *, payment_id: UUID, result: CheckoutResult) -> Payment:
    """Keep what the gateway said to the creation, unless money or a closing came first.

    A page that the gateway can close is closed when its time is over.
    """
    if result.outcome == "OPEN" and result.redirect_url is not None:
        await store.mark_open(
            conn,
            payment_id=payment_id,
            redirect_url=result.redirect_url,
            gateway_id=result.gateway_id,
        )
        payment = await store.get_payment(conn, payment_id=payment_id)
        if result.gateway_id is not None:
            left_s = (payment.expires_at - payment.now).total_seconds()
            await close_page(
                conn, payment_id=payment_id, delay_s=left_s if payment.is_payable else 0
            )
        return payment
    if result.outcome == "REFUSED":
        await store.end_payment(conn, payment_id=payment_id, status="failed")
    else:
        await store.mark_unknown(conn, payment_id=payment_id)
    return await store.get_payment(conn, payment_id=payment_id)


async def lose_checkout(conn: Conn, *, payment_id: UUID) -> None:
    """The process that was making the checkout is gone: the payment's fate is unknown."""
    await store.mark_unknown(conn, payment_id=payment_id)


async def settle_free(conn: Conn, *, payment_id: UUID) -> None:
    """The payment of a booking that costs nothing has succeeded; no gateway knows of it."""
    await store.mark_succeeded(conn, payment_id=payment_id)
    await store_watch.put_back_watched(conn, payment_id=payment_id, delay_s=None)


async def close_payment(conn: Conn, payment: Payment) -> None:
    """Close an open attempt: the passenger chose another way. It stays watched."""
    await store.end_payment(conn, payment_id=payment.payment_id, status="cancelled")
    if payment.gateway_id is not None:
        await close_page(conn, payment_id=payment.payment_id)


async def expire_payment(conn: Conn, *, payment_id: UUID) -> None:
    """End an attempt whose link has ended. It stays watched."""
    await store.end_payment(conn, payment_id=payment_id, status="expired")


async def fail_payment(conn: Conn, *, payment_id: UUID) -> None:
    """The gateway says that paying failed; a success may still follow."""
    await store.end_payment(conn, payment_id=payment_id, status="failed")


async def cancel_pending(conn: Conn, *, booking_id: UUID, but: UUID | None = None) -> int:
    """Close the booking's pending payments (all `but` one): no more money is wanted. How many."""
    cancelled = await store.cancel_pending(conn, booking_id=booking_id, but=but)
    for each in cancelled:
        if each.gateway_id is not None:
            await close_page(conn, payment_id=each.payment_id)
    return len(cancelled)


async def new_receipts(
    conn: Conn, *, gateway: str, snapshot: PaymentSnapshot
) -> list[GatewayReceipt]:
    """The receipts of a snapshot that are not known yet, in the order of their ids."""
    ids = [each.gateway_transaction_id for each in snapshot.receipts]
    known = await store_receipts.list_known(conn, gateway=gateway, transaction_ids=ids)
    fresh = [each for each in snapshot.receipts if each.gateway_transaction_id not in known]
    return sorted(fresh, key=lambda each: each.gateway_transaction_id)


async def record_receipt(
    conn: Conn,
    *,
    payment: Payment,
    received: GatewayReceipt,
    use: Use,
    learned_at: datetime,
    into: Account | None = None,
) -> bool:
    """Keep a receipt with what becomes of it, and owe what is left; False when it is kept already.

    The payment reads SUCCEEDED from then on: the money came. What is owed is sent by a job. `into`:
    the account of the ledger that has it now; None: what its gateway holds for us.

    Locks: the payment, after trip and booking.
    """
    receipt = Receipt(
        receipt_id=new_id(),
        payment_id=payment.payment_id,
        gateway=payment.gateway,
        gateway_transaction_id=received.gateway_transaction_id,
        amount_minor=received.money.amount_minor,
        currency=received.money.currency,
        applied_minor=use.applied_minor,
        refunded_minor=0,
        learned_at=learned_at,
    )
    is_new = await store_receipts.insert_receipt(
        conn,
        receipt,
        charged_minor=received.charged.amount_minor if received.charged is not None else None,
        fee_minor=received.fee.amount_minor if received.fee is not None else None,
    )
    if not is_new:
        return False
    await store.mark_succeeded(conn, payment_id=payment.payment_id)
    into = into or postings.clearing(payment.gateway)
    await post(conn, _entries(payment, receipt, received, into=into))
    left = receipt.amount_minor - use.applied_minor
    if left > 0:
        assert use.refund_reason is not None, "money without a use"  # noqa: S101 (a caller's bug)
        await owe_refund(
            conn,
            payment=payment,
            receipt=receipt,
            source=postings.suspense(receipt.receipt_id),
            reason=use.refund_reason,
            amount_minor=left,
        )
    return True


def _entries(
    payment: Payment, receipt: Receipt, received: GatewayReceipt, *, into: Account
) -> list[Entry]:
    """How a receipt stands in the ledger: what came, and what the gateway kept of it."""
    entries = [
        postings.received(
            receipt_id=receipt.receipt_id,
            booking_id=payment.booking_id,
            trip_id=payment.trip_id,
            into=into,
            currency=receipt.currency,
            amount_minor=receipt.amount_minor,
            applied_minor=receipt.applied_minor,
        )
    ]
    fee = received.fee
    if fee is not None and fee.amount_minor > 0 and fee.currency == receipt.currency:
        entries.append(
            postings.gateway_fee(
                receipt_id=receipt.receipt_id,
                trip_id=payment.trip_id,
                gateway=receipt.gateway,
                currency=fee.currency,
                fee_minor=fee.amount_minor,
            )
        )
    return entries


async def histories(conn: Conn, *, payments: Sequence[Payment]) -> list[History]:
    """The payments with what came of each."""
    ids = [payment.payment_id for payment in payments]
    receipts = await store_receipts.list_receipts(conn, payment_ids=ids) if ids else []
    refunds = await store_refunds.list_refunds(conn, payment_ids=ids) if ids else []
    return [
        History(
            payment,
            tuple(each for each in receipts if each.payment_id == payment.payment_id),
            tuple(each for each in refunds if each.payment_id == payment.payment_id),
        )
        for payment in payments
    ]


async def list_histories(conn: Conn, *, booking_ids: Sequence[UUID]) -> list[History]:
    """All payments of these bookings, the oldest first of each, with what came of them."""
    payments = await store.list_payments(conn, booking_ids=booking_ids)
    return await histories(conn, payments=payments)


async def claim_ask(conn: Conn, *, payment_id: UUID) -> bool:
    """Whether this reader of the status is the one to ask the gateway, once in 5 s."""
    return await store.claim_ask(conn, payment_id=payment_id, every_s=ASK_EVERY_S)


async def claim_watched(conn: Conn, *, limit: int, before: datetime | None = None) -> list[Watched]:
    """Payments to ask about now; with `before` all watched ones not asked about since then."""
    return await store_watch.claim_watched(conn, limit=limit, lease_s=WATCH_LEASE_S, before=before)


async def put_back_watched(conn: Conn, watched: Watched) -> None:
    """After the gateway was asked: let time end what it ends, and say when to ask again.

    To the end of its week, also one that has succeeded: its reference can be paid a second time.
    """
    await store_watch.end_abandoned(conn, payment_id=watched.payment_id)
    payment = await store.get_payment(conn, payment_id=watched.payment_id)
    if payment.status == "succeeded" and watched.status != "succeeded":
        return  # its success has said when to ask again
    delay_s = poll_delay_s(age_s=(payment.now - payment.created_at).total_seconds())
    await store_watch.put_back_watched(conn, payment_id=watched.payment_id, delay_s=delay_s)


async def hasten(conn: Conn, *, payment_id: UUID) -> None:
    """Ask about a payment soon: an event claims what the gateway does not confirm yet."""
    await store_watch.hasten_watched(conn, payment_id=payment_id, within_s=HASTE_S)


async def finish_event(conn: Conn, *, event_id: UUID, state: EventState) -> None:
    """What came of an event."""
    await store_events.move_event(conn, event_id=event_id, state=state)
