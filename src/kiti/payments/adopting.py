"""Refunds that somebody made at the gateway's own pages: they become refunds here.

A refund in the gateway's list that carries no id of ours, of a transaction that paid here, is one.
When we owe just as much of that receipt and have not sent it, it was paid by hand and is not sent.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kiti.ledger import postings
from kiti.ledger.service import post
from kiti.payments import store_adopting, store_receipts, store_refunds
from kiti.payments.gateways.port import Gateway, RefundRecord
from kiti.payments.model import AT_GATEWAY, Payment, Receipt
from kiti.payments.refunding import post_given
from kiti.payments.store_adopting import RefundOfReceipt
from kiti.platform.db import Conn
from kiti.platform.ids import new_id
from kiti.platform.money import Money

ADOPT_REFUNDS: Final = "refund.adopt"


@dataclass(frozen=True, slots=True)
class AdoptRefunds:
    """The payload of a job that looks for refunds made at the gateway's pages."""

    gateway: str


@dataclass(frozen=True, slots=True)
class Stray:
    """A refund that nobody here asked for, and the receipt that it is of."""

    receipt: Receipt
    record: RefundRecord


@dataclass(frozen=True, slots=True)
class Adopted:
    """A refund that was made a refund here: what went back beyond what was owed."""

    refund_id: UUID
    given: Money


class NotAdopted(Exception):
    """It fits nothing that could go back of its receipt: for a person."""


async def find_strays(conn: Conn, *, gateway: str, records: Sequence[RefundRecord]) -> list[Stray]:
    """Those that succeeded, are of a receipt here, and are not known."""
    done = [each for each in records if each.status == "SUCCEEDED"]
    ids = [each.gateway_refund_id for each in done]
    known = set(await store_adopting.list_known(conn, gateway=gateway, gateway_refund_ids=ids))
    foreign = [
        each
        for each in done
        if each.gateway_refund_id not in known and not await _is_ours(conn, each, gateway=gateway)
    ]
    receipts = await store_receipts.list_receipts_of(
        conn, gateway=gateway, transaction_ids=[each.gateway_transaction_id for each in foreign]
    )
    by_transaction = {receipt.gateway_transaction_id: receipt for receipt in receipts}
    return [
        Stray(by_transaction[each.gateway_transaction_id], each)
        for each in foreign
        if each.gateway_transaction_id in by_transaction
    ]


async def _is_ours(conn: Conn, record: RefundRecord, *, gateway: str) -> bool:
    return record.refund_id is not None and await store_refunds.has_refund(
        conn, refund_id=record.refund_id, gateway=gateway
    )


async def adopt(conn: Conn, gateway: Gateway, stray: Stray) -> Adopted | None:
    """Make it a refund here; what went back beyond what was owed, to be posted by `post_adopted`.

    None: nothing beyond, for it is known, was owed, or may be one of ours that is under way.

    Locks: the receipt and its refunds, after trip and booking.

    Raises:
        NotAdopted: its amount cannot be, or is more than is left of the receipt.
    """
    receipt = await store_receipts.lock_receipt(conn, receipt_id=stray.receipt.receipt_id)
    given = _given(gateway, stray.record, receipt)
    refunds = await store_adopting.lock_refunds(conn, receipt_id=receipt.receipt_id)
    if any(each.is_leased or each.status in {"sending", "pending"} for each in refunds):
        return None
    if refunds and not stray.record.says_whose:
        return None
    owed = _owed_by_it(receipt, refunds, given)
    if owed is not None:
        await _pay_by_hand(conn, refund_id=owed.refund_id, given=given, record=stray.record)
        return None
    return await _add(conn, receipt, stray.record, given=given)


def _owed_by_it(
    receipt: Receipt, refunds: Sequence[RefundOfReceipt], given: Money
) -> RefundOfReceipt | None:
    """The refund that was owed, not sent, and is paid by this one; None: it stands for itself.

    Just as much; or less, when no more is left of the receipt for a refund of its own. What went
    back beyond what was owed is then told by the audit, and nothing is sent on top of it.
    """
    unsent = [
        each for each in refunds if each.status in {"owed", "failed"} and not each.given_minor
    ]
    same = [each for each in unsent if each.amount_minor == given.amount_minor]
    left_minor = receipt.amount_minor - receipt.refunded_minor
    if same or not unsent or given.amount_minor <= left_minor:
        return same[0] if same else None
    most = max(unsent, key=lambda each: each.amount_minor)
    return most if most.amount_minor < given.amount_minor else None


def _given(gateway: Gateway, record: RefundRecord, receipt: Receipt) -> Money:
    try:
        given = gateway.from_wire(record.amount, record.currency or receipt.currency)
    except ValueError as error:
        raise NotAdopted(str(error)) from None
    if given.currency != receipt.currency:
        raise NotAdopted("another currency")
    return given


async def _pay_by_hand(conn: Conn, *, refund_id: UUID, given: Money, record: RefundRecord) -> None:
    given_now = await store_refunds.record_refund(
        conn,
        refund_id=refund_id,
        status="succeeded",
        gateway_refund_id=record.gateway_refund_id,
        given_minor=given.amount_minor,
        delay_s=None,
    )
    await post_given(conn, given_now)


async def _add(
    conn: Conn, receipt: Receipt, record: RefundRecord, *, given: Money
) -> Adopted | None:
    refund_id = new_id()
    digest = hashlib.sha256(record.gateway_refund_id.encode()).digest()
    is_new = await store_adopting.insert_adopted(
        conn,
        refund_id=refund_id,
        receipt=receipt,
        reason=AT_GATEWAY,
        cause_id=UUID(bytes=digest[:16]),
        amount_minor=given.amount_minor,
        gateway_refund_id=record.gateway_refund_id,
    )
    if not is_new:
        return None
    has_so_much = await store_receipts.add_refunded(
        conn, receipt_id=receipt.receipt_id, amount_minor=given.amount_minor
    )
    if not has_so_much:
        raise NotAdopted("more than is left of the receipt")
    return Adopted(refund_id, given)


async def post_adopted(conn: Conn, adopted: Adopted, *, payment: Payment) -> None:
    """Post what went back out of the funds of the booking that the payment was for.

    Raises:
        BelowFloor: they are less than that.
    Locks: the balances.
    """
    refund_id, given = adopted.refund_id, adopted.given
    owed = postings.refund_owed(
        refund_id=refund_id,
        source=postings.funds(payment.booking_id),
        trip_id=payment.trip_id,
        currency=given.currency,
        amount_minor=given.amount_minor,
    )
    went = postings.refund_given(
        refund_id=refund_id,
        look=0,
        trip_id=payment.trip_id,
        out_of=postings.clearing(payment.gateway),
        currency=given.currency,
        paid_minor=given.amount_minor,
        given_minor=given.amount_minor,
    )
    await post(conn, [owed, went])
